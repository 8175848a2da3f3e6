"""The kernels of SSIM with L1 and their gradient on CUDA; definitions and symbols are those of `ssim_l1`.

They walk down the columns of a plane (see `triton_walk`):

    statistics  mean and variance of v under each window
    windows     1 - S of each window, and the slopes: share times what S feels of E[e], E[ev] and E[e^2]
    pixels      K^T of the slopes, hence the gradient; and |e|

The sums are plain float32: a variance is a small difference of squares, and on tensor cores three products instead of
one, mostly with the zeros of a banded matrix, would have to make up for tf32.  Products are fused with sums where
`tl.fma` stands and nowhere else, so that e is exactly 0 where u and v are equal.

A program writes one partial sum; `total` adds those of an image in an order that the tile alone decides.
"""

from __future__ import annotations

import triton
import triton.language as tl

from faceinpaint_fast.ops.triton_walk import read, row_means, slide, taps_of, tile_of, write, zeros

# one compilation serves all sizes of images
SIZES = ("C", "H", "W", "w_image", "share_image", "pitch", "rows")

# What a row's sums are compared with is read before them where a thread has few, so that it is there when it is needed.
# Where it has many, registers have no room for both, and other programs are at work while it is on its way.
FEW = tl.constexpr(16)  # windows of a thread that a row crosses
# Rows of larger windows are not read one ahead: two of them and the sums are more than there are registers.
LARGEST_AHEAD = tl.constexpr(13)


@triton.jit
def _anchor(plane, first, column, H, W):
    """Returns a number on the walk.

    Where it is taken off all that the walk reads, the variances of a flat image are not what two large squares leave,
    with S off by 1e-4.
    """
    return tl.load(plane + tl.minimum(first, H - 1) * W + tl.minimum(column, W - 1))


@triton.jit
def _weighed(x, w, dtype: tl.constexpr, SIGNED: tl.constexpr):
    """Returns u = w x; of x in [-1, 1], SIGNED, w (x + 1) / 2; without w, as if it were 1."""
    u = x.to(dtype)
    if SIGNED:
        u = tl.fma(u, 0.5, 0.5)
    return u if w is None else w * u


@triton.jit
def _row(x, w, v, row, column, H, W, PAD: tl.constexpr, COUNT: tl.constexpr, VECTOR: tl.constexpr):
    """Returns a row of v, of x, and of w where there is one, in one tuple; 0 beyond the plane."""
    width = W
    if PAD > 0:
        width = tl.where((row >= 0) & (row < H), W, 0)
    else:
        # the row after the last is read ahead, to no end
        row = tl.minimum(row, H - 1)
    values = read(v, row * W, column, width, COUNT, VECTOR)
    if x is not None:
        values += read(x, row * W, column, width, COUNT, VECTOR)
    if w is not None:
        values += read(w, row * W, column, width, COUNT, VECTOR)
    return values


@triton.jit(do_not_specialize=SIZES)
def statistics(
    v, mean, variance, taps, H, W, rows,
    SIZE: tl.constexpr, PAD: tl.constexpr,
    THREADS: tl.constexpr, COLUMNS: tl.constexpr, VECTOR: tl.constexpr, WINDOW_VECTOR: tl.constexpr,
):  # fmt: skip
    """Takes mean and variance of v under each window."""
    height, width = H + 2 * PAD - SIZE + 1, W + 2 * PAD - SIZE + 1
    plane, first, last, column = tile_of(height, width, rows, THREADS, COLUMNS)
    v += plane * H * W
    mean += plane * height * width
    variance += plane * height * width
    # columns are read from a multiple of COLUMNS on
    LEAD: tl.constexpr = (PAD + COLUMNS - 1) // COLUMNS * COLUMNS
    NEEDED: tl.constexpr = LEAD - PAD + SIZE - 1 + COLUMNS
    COUNT: tl.constexpr = (NEEDED + VECTOR - 1) // VECTOR * VECTOR

    tap = taps_of(taps, SIZE)
    v_0 = _anchor(v, first, column, H, W)
    v_sums = zeros(v_0, COLUMNS * (SIZE - 1))
    vv_sums = v_sums
    ahead = _row(None, None, v, first - PAD, column - LEAD, H, W, PAD, COUNT, VECTOR)
    for row in tl.range(first - PAD, last - PAD + SIZE - 1):
        now = ahead
        ahead = _row(None, None, v, row + 1, column - LEAD, H, W, PAD, COUNT, VECTOR)
        v_row, vv_row = (), ()
        for i in tl.static_range(NEEDED):
            v_i = now[i] - v_0
            v_row += (v_i,)
            vv_row += (v_i * v_i,)
        e_v, v_sums = slide(v_sums, row_means(v_row, tap, LEAD - PAD, COLUMNS, SIZE), tap, COLUMNS, SIZE)
        e_vv, vv_sums = slide(vv_sums, row_means(vv_row, tap, LEAD - PAD, COLUMNS, SIZE), tap, COLUMNS, SIZE)

        window = row + PAD - SIZE + 1
        if window >= first:
            means, variances = (), ()
            for c in tl.static_range(COLUMNS):
                means += (v_0 + e_v[c],)
                variances += (tl.fma(-e_v[c], e_v[c], e_vv[c]),)
            write(mean, window * width, column, width, means, COLUMNS, WINDOW_VECTOR)
            write(variance, window * width, column, width, variances, COLUMNS, WINDOW_VECTOR)


@triton.jit
def _target(mean, variance, share, row, column, width, COUNT: tl.constexpr, VECTOR: tl.constexpr):
    """Returns of a row of windows v's mean, its variance, and their share, a tuple each; of None an empty one."""
    mu_v, s_v, parts = (), (), ()
    if mean is not None:
        mu_v = read(mean, row, column, width, COUNT, VECTOR)
        s_v = read(variance, row, column, width, COUNT, VECTOR)
    if share is not None:
        parts = read(share, row, column, width, COUNT, VECTOR)
    return mu_v, s_v, parts


@triton.jit(do_not_specialize=SIZES)
def windows(
    x, w, v, mean, variance, share, taps, a, slopes, partial, C, H, W, w_image, share_image, pitch, rows,
    c1, c1_rest, c2, c2_rest,
    SIGNED: tl.constexpr, SIZE: tl.constexpr, PAD: tl.constexpr,
    THREADS: tl.constexpr, COLUMNS: tl.constexpr, VECTOR: tl.constexpr, WINDOW_VECTOR: tl.constexpr,
):  # fmt: skip
    """Compares what is under each window.  A walk is one function: its steps share the registers of a row."""
    height, width = H + 2 * PAD - SIZE + 1, W + 2 * PAD - SIZE + 1
    plane, first, last, column = tile_of(height, width, rows, THREADS, COLUMNS)
    image = plane // C
    x += plane * H * W
    v += plane * H * W
    if w is not None:
        w += image * w_image
    if mean is not None:
        mean += plane * height * width
        variance += plane * height * width
    LEAD: tl.constexpr = (PAD + COLUMNS - 1) // COLUMNS * COLUMNS
    NEEDED: tl.constexpr = LEAD - PAD + SIZE - 1 + COLUMNS
    COUNT: tl.constexpr = (NEEDED + VECTOR - 1) // VECTOR * VECTOR

    EARLY: tl.constexpr = COLUMNS * (SIZE - 1) <= FEW
    dtype: tl.constexpr = partial.dtype.element_ty
    # Triton takes a Python float for a float32: what that leaves of a float64 comes beside it
    zero = tl.zeros((), dtype)
    c1, c2 = zero + c1 + c1_rest, zero + c2 + c2_rest
    if share is not None:
        share += image * share_image
    else:
        parts = ()
        for c in tl.static_range(COLUMNS):
            parts += (tl.where(column + c < width, 1 / ((zero + C) * height * width), 0.0),)
    if slopes is not None:
        slopes += plane * 3 * height * pitch
        # the 2 of all derivatives
        weight = 2 * tl.load(a + image) if a is not None else zero + 2

    tap = taps_of(taps, SIZE)
    v_0 = _anchor(v, first, column, H, W)
    w_0 = _anchor(w, first, column, H, W) if w is not None else None
    e_0 = _weighed(_anchor(x, first, column, H, W), w_0, dtype, SIGNED) - v_0
    total = tl.zeros_like(v_0)
    e_sums = zeros(v_0, COLUMNS * (SIZE - 1))
    ev_sums, ee_sums = e_sums, e_sums
    if mean is None:
        v_sums, vv_sums = e_sums, e_sums
    AHEAD: tl.constexpr = SIZE <= LARGEST_AHEAD
    if AHEAD:
        ahead = _row(x, w, v, first - PAD, column - LEAD, H, W, PAD, COUNT, VECTOR)
    for row in tl.range(first - PAD, last - PAD + SIZE - 1, loop_unroll_factor=2 if AHEAD else 1):
        if AHEAD:
            now = ahead
            ahead = _row(x, w, v, row + 1, column - LEAD, H, W, PAD, COUNT, VECTOR)
        else:
            now = _row(x, w, v, row, column - LEAD, H, W, PAD, COUNT, VECTOR)
        window = row + PAD - SIZE + 1
        known = tl.where(window >= first, width, 0)
        if EARLY:
            mu_v, s_v, of_share = _target(mean, variance, share, window * width, column, known, COLUMNS, WINDOW_VECTOR)

        e_row, ev_row, ee_row, v_row, vv_row = (), (), (), (), ()
        for i in tl.static_range(NEEDED):
            x_i = now[COUNT + i]
            u_i = _weighed(x_i, now[2 * COUNT + i] if w is not None else None, dtype, SIGNED)
            e_i, v_i = (u_i - now[i]) - e_0, now[i] - v_0
            e_row += (e_i,)
            ev_row += (e_i * v_i,)
            ee_row += (e_i * e_i,)
            v_row += (v_i,)
            vv_row += (v_i * v_i,)
        m_e, e_sums = slide(e_sums, row_means(e_row, tap, LEAD - PAD, COLUMNS, SIZE), tap, COLUMNS, SIZE)
        m_ev, ev_sums = slide(ev_sums, row_means(ev_row, tap, LEAD - PAD, COLUMNS, SIZE), tap, COLUMNS, SIZE)
        m_ee, ee_sums = slide(ee_sums, row_means(ee_row, tap, LEAD - PAD, COLUMNS, SIZE), tap, COLUMNS, SIZE)

        if not EARLY:
            mu_v, s_v, of_share = _target(mean, variance, share, window * width, column, known, COLUMNS, WINDOW_VECTOR)
        if share is not None:
            parts = of_share
        if mean is None:
            m_v, v_sums = slide(v_sums, row_means(v_row, tap, LEAD - PAD, COLUMNS, SIZE), tap, COLUMNS, SIZE)
            m_vv, vv_sums = slide(vv_sums, row_means(vv_row, tap, LEAD - PAD, COLUMNS, SIZE), tap, COLUMNS, SIZE)
            mu_v, s_v = (), ()
            for c in tl.static_range(COLUMNS):
                mu_v += (v_0 + m_v[c],)
                s_v += (tl.fma(-m_v[c], m_v[c], m_vv[c]),)

        if window >= first:
            of_e, of_ev, of_ee = (), (), ()
            for c in tl.static_range(COLUMNS):
                mu_e = e_0 + m_e[c]
                s_e = tl.fma(-m_e[c], m_e[c], m_ee[c])
                s_ev = tl.fma(-m_e[c], mu_v[c] - v_0, m_ev[c])
                n1 = tl.fma(2 * (mu_v[c] + mu_e), mu_v[c], c1)
                n2 = tl.fma(s_v[c] + s_ev, 2.0, c2)
                square = mu_e * mu_e
                d1, d2 = n1 + square, n2 + s_e
                r = 1 / (d1 * d2)
                per_d1, per_d2 = r * d2, r * d1
                unlike_means, unlike_rest = square * per_d1, s_e * per_d2
                like_means = 1 - unlike_means
                unlike = tl.fma(like_means, unlike_rest, unlike_means)
                # 0 beyond the last window
                total = tl.fma(parts[c], tl.maximum(unlike, 0.0, tl.PropagateNan.ALL), total)
                if slopes is not None:
                    scale = weight * parts[c]
                    ee = scale * per_d2 * (unlike - 1)
                    ev = scale * per_d2 * like_means * unlike_rest
                    e = scale * per_d1 * mu_e * (1 - unlike_rest) * tl.fma(mu_v[c] * mu_e, per_d1, -like_means)
                    e = tl.fma(-mu_v[c], ev, tl.fma(-mu_e, ee, e))
                    of_e += (e,)
                    of_ev += (ev,)
                    of_ee += (ee,)
            if slopes is not None:
                write(slopes, window * pitch, column, pitch, of_e, COLUMNS, COLUMNS)
                write(slopes, (height + window) * pitch, column, pitch, of_ev, COLUMNS, COLUMNS)
                write(slopes, (2 * height + window) * pitch, column, pitch, of_ee, COLUMNS, COLUMNS)
    tl.store(partial + tl.program_id(0), tl.sum(total))


@triton.jit
def _slopes(slopes, window, column, height, pitch, COUNT: tl.constexpr, VECTOR: tl.constexpr):
    """Returns a row of the three slopes, in one tuple; 0 beyond the windows."""
    known = tl.where((window >= 0) & (window < height), pitch, 0)
    return (
        read(slopes, window * pitch, column, known, COUNT, VECTOR)
        + read(slopes, (height + window) * pitch, column, known, COUNT, VECTOR)
        + read(slopes, (2 * height + window) * pitch, column, known, COUNT, VECTOR)
    )


@triton.jit(do_not_specialize=SIZES)
def pixels(
    x, w, v, slopes, taps, b, gradient, partial, C, H, W, w_image, pitch, rows,
    SIGNED: tl.constexpr, SIZE: tl.constexpr, PAD: tl.constexpr,
    THREADS: tl.constexpr, COLUMNS: tl.constexpr, VECTOR: tl.constexpr,
):  # fmt: skip
    """Leads the slopes back to the pixels, in one function as `windows`."""
    height = H + 2 * PAD - SIZE + 1
    plane, first, last, column = tile_of(H, W, rows, THREADS, COLUMNS)
    image = plane // C
    x += plane * H * W
    v += plane * H * W
    if w is not None:
        w += image * w_image
    dtype: tl.constexpr = v.dtype.element_ty
    total = tl.zeros([THREADS], dtype)
    begin = first
    AHEAD: tl.constexpr = SIZE <= LARGEST_AHEAD
    EARLY: tl.constexpr = gradient is None or COLUMNS * (SIZE - 1) <= FEW
    if gradient is not None:
        gradient += plane * H * W
        slopes += plane * 3 * height * pitch
        begin -= SIZE - 1
        tap = taps_of(taps, SIZE)
        e_sums = zeros(total, COLUMNS * (SIZE - 1))
        ev_sums, ee_sums = e_sums, e_sums
        # windows from SIZE - 1 before the pixel's own on see it
        LEAD: tl.constexpr = (SIZE - 1 - PAD + COLUMNS - 1) // COLUMNS * COLUMNS
        SKIP: tl.constexpr = LEAD - (SIZE - 1 - PAD)
        COUNT: tl.constexpr = (SKIP + SIZE - 1 + COLUMNS + COLUMNS - 1) // COLUMNS * COLUMNS
        if AHEAD:
            ahead = _slopes(slopes, begin + PAD, column - LEAD, height, pitch, COUNT, COLUMNS)
        of_l1 = tl.load(b + image) if b is not None else None
    for row in tl.range(begin, last, loop_unroll_factor=2 if AHEAD else 1):
        if EARLY:
            pixels = _row(x, w, v, row, column, H, tl.where(row >= first, W, 0), 1, COLUMNS, VECTOR)
        if gradient is not None:
            if AHEAD:
                now = ahead
                ahead = _slopes(slopes, row + 1 + PAD, column - LEAD, height, pitch, COUNT, COLUMNS)
            else:
                now = _slopes(slopes, row + PAD, column - LEAD, height, pitch, COUNT, COLUMNS)
            e_row = row_means(now, tap, SKIP, COLUMNS, SIZE)
            ev_row = row_means(now, tap, COUNT + SKIP, COLUMNS, SIZE)
            ee_row = row_means(now, tap, 2 * COUNT + SKIP, COLUMNS, SIZE)
            k_e, e_sums = slide(e_sums, e_row, tap, COLUMNS, SIZE)
            k_ev, ev_sums = slide(ev_sums, ev_row, tap, COLUMNS, SIZE)
            k_ee, ee_sums = slide(ee_sums, ee_row, tap, COLUMNS, SIZE)
        if not EARLY:
            pixels = _row(x, w, v, row, column, H, tl.where(row >= first, W, 0), 1, COLUMNS, VECTOR)
        if row >= first:
            of_x = ()
            for c in tl.static_range(COLUMNS):
                v_p = pixels[c]
                w_p = pixels[2 * COLUMNS + c] if w is not None else None
                e_p = _weighed(pixels[COLUMNS + c], w_p, dtype, SIGNED) - v_p
                if partial is not None:
                    total += tl.where(column + c < W, tl.abs(e_p), 0.0)
                if gradient is not None:
                    of_u = tl.fma(e_p, k_ee[c], tl.fma(v_p, k_ev[c], k_e[c]))
                    if b is not None:
                        of_u += tl.where(e_p > 0, of_l1, tl.where(e_p < 0, -of_l1, 0.0))
                    if SIGNED:
                        of_u *= 0.5
                    of_x += (of_u if w is None else w_p * of_u,)
            if gradient is not None:
                write(gradient, row * W, column, W, of_x, COLUMNS, VECTOR)
    if partial is not None:
        tl.store(partial + tl.program_id(0), tl.sum(total))


@triton.jit
def total(partial, total, count, BLOCK: tl.constexpr, OF_ONE: tl.constexpr):
    """The sum of each image's `count` partial sums, or what it leaves of one."""
    image = tl.program_id(0).to(tl.int64)
    sums = tl.zeros([BLOCK], total.dtype.element_ty)
    for start in range(0, count, BLOCK):
        i = start + tl.arange(0, BLOCK)  # [BLOCK]
        sums += tl.load(partial + image * count + i, i < count, 0.0)
    value = tl.sum(sums)
    tl.store(total + image, 1 - value if OF_ONE else value)
