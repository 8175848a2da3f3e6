"""SSIM with L1, their gradient, and weighted L1, on CUDA; definitions and symbols are those of `ssim_l1`.

Three kernels walk down the columns of a plane, a thread a column:

    _statistics  mean and variance of v under each window
    _windows     S of each window, and the slopes: share times dS in mu_u, E[uv], E[u^2]
    _pixels      K^T of the slopes, hence the gradient; and |u - v|

Each takes the means along a row by SIZE reads, which the L1 cache answers, and adds them to the sums of the SIZE
windows that the row crosses, which are registers.  So no number passes from thread to thread, and each window and each
pixel belongs to one program.  The sums are plain float32: a variance is a small difference of squares, and on tensor
cores three products instead of one, mostly with the zeros of a banded matrix, would have to make up for tf32.

A program writes one partial sum; `_total` adds those of an image in an order that its size alone decides.

Work and memory at (64, 3, 1024, 1024), window 11, on an H200; an estimate from sm_90 machine code, not a measurement.
A walk's row is 275 instructions a thread in `_windows` and 216 in `_pixels`, and 74 rows are walked for 64: 1.14e11, or
3.9 ms where 132 multiprocessors issue 128 a cycle at 1.75 GHz.  x, v, mean and variance are read, three slopes written
and read, x and v read again, the gradient written: 10.5 GB, 2.4 ms at 4.3 TB/s.  So instructions decide, and the time
that x, v, mean, variance and the gradient alone would take, 0.9 ms, is a quarter of it at best.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from faceinpaint_fast.ops.tensors import accumulator
from faceinpaint_fast.ops.window import windows

COLUMNS = 64  # of a program that walks
BLOCK = 1024  # elements of a program that does not
WALK = {"COLUMNS": COLUMNS, "num_warps": COLUMNS // 32}
FLAT = {"BLOCK": BLOCK, "num_warps": 4}

# one compilation serves all sizes of images; the reads of a walk gain nothing from knowing them
SIZES = ("C", "H", "W", "w_image", "share_image", "pad", "rows")


# --- kernels that walk ---


@triton.jit
def _tile(H, W, rows, COLUMNS: tl.constexpr):
    """Of this program, among planes of H x W: the plane, the first row and the one after the last, the columns."""
    strips, segments = tl.cdiv(W, COLUMNS), tl.cdiv(H, rows)
    # neighbours run at the same time and share what they read at their borders in the caches
    tile = tl.program_id(0) % (strips * segments)
    first = tile // strips * rows
    column = tile % strips * COLUMNS + tl.arange(0, COLUMNS)
    # all planes together may hold more than 2^31 numbers
    plane = (tl.program_id(0) // (strips * segments)).to(tl.int64)
    return plane, first, tl.minimum(first + rows, H), column


@triton.jit
def _anchor(first, column, H, W):
    """A pixel on the walk.  What it holds is taken off all that the walk reads: the variances of a flat image are then
    not what two large squares leave, with S off by 1e-4."""
    return tl.minimum(first, H - 1) * W + tl.minimum(column, W - 1)


@triton.jit
def _scalars(taps, SIZE: tl.constexpr):
    """The taps, each in a register."""
    values = ()
    for k in tl.static_range(SIZE):
        values += (tl.load(taps + k),)
    return values


@triton.jit
def _slide(sums, row, tap, SIZE: tl.constexpr):
    """Add a row's means to the windows that it crosses: (the window that it completes, the SIZE - 1 that go on).

    sums holds the windows that have begun, the oldest first; the youngest begins with this row.
    """
    going = ()
    for j in tl.static_range(1, SIZE - 1):
        going += (sums[j] + tap[SIZE - 1 - j] * row,)
    going += (tap[0] * row,)
    return sums[0] + tap[SIZE - 1] * row, going


@triton.jit(do_not_specialize=SIZES)
def _statistics(v, mean, variance, taps, H, W, pad, rows, SIZE: tl.constexpr, COLUMNS: tl.constexpr):
    height, width = H + 2 * pad - SIZE + 1, W + 2 * pad - SIZE + 1
    plane, first, last, column = _tile(height, width, rows, COLUMNS)
    v += plane * H * W
    mean += plane * height * width
    variance += plane * height * width

    tap = _scalars(taps, SIZE)
    zero = tl.zeros([COLUMNS], mean.dtype.element_ty)
    v_0 = tl.load(v + _anchor(first, column, H, W))
    v_sums = (zero,) * (SIZE - 1)
    vv_sums = v_sums
    for row in range(first - pad, last - pad + SIZE - 1):
        v_row, vv_row = zero, zero
        v_start = v + row * W + column - pad  # [COLUMNS]
        for k in tl.static_range(SIZE):
            i = column - pad + k
            v_i = tl.load(v_start + k, (row >= 0) & (row < H) & (i >= 0) & (i < W), 0.0) - v_0
            v_row += tap[k] * v_i
            vv_row += tap[k] * v_i * v_i
        from_v_0, v_sums = _slide(v_sums, v_row, tap, SIZE)
        e_vv, vv_sums = _slide(vv_sums, vv_row, tap, SIZE)

        window = row + pad - SIZE + 1
        complete = (window >= first) & (column < width)
        q = window * width + column
        tl.store(mean + q, v_0 + from_v_0, complete)
        tl.store(variance + q, e_vv - from_v_0 * from_v_0, complete)


@triton.jit(do_not_specialize=SIZES)
def _windows(
    x, w, v, mean, variance, share, taps, slopes, partial, C, H, W, w_image, share_image, pad, rows,
    c1: tl.constexpr, c2: tl.constexpr, SIZE: tl.constexpr, GRADIENT: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    height, width = H + 2 * pad - SIZE + 1, W + 2 * pad - SIZE + 1
    plane, first, last, column = _tile(height, width, rows, COLUMNS)
    x += plane * H * W
    v += plane * H * W
    w += plane // C * w_image
    mean += plane * height * width
    variance += plane * height * width
    share += plane // C * share_image
    slopes += plane * 3 * height * width

    tap = _scalars(taps, SIZE)
    zero = tl.zeros([COLUMNS], partial.dtype.element_ty)
    total = zero
    anchor = _anchor(first, column, H, W)
    v_0 = tl.load(v + anchor)
    u_0 = tl.load(w + anchor) * tl.load(x + anchor).to(zero.dtype)
    u_sums = (zero,) * (SIZE - 1)
    uv_sums, uu_sums = u_sums, u_sums
    for row in range(first - pad, last - pad + SIZE - 1):
        u_row, uv_row, uu_row = zero, zero, zero
        start = row * W + column - pad  # [COLUMNS]
        x_start, w_start, v_start = x + start, w + start, v + start
        for k in tl.static_range(SIZE):
            i = column - pad + k
            inside = (row >= 0) & (row < H) & (i >= 0) & (i < W)
            v_i = tl.load(v_start + k, inside, 0.0) - v_0
            u_i = tl.load(w_start + k, inside, 0.0) * tl.load(x_start + k, inside, 0.0).to(zero.dtype) - u_0
            u_row += tap[k] * u_i
            uv_row += tap[k] * u_i * v_i
            uu_row += tap[k] * u_i * u_i
        from_u_0, u_sums = _slide(u_sums, u_row, tap, SIZE)
        e_uv, uv_sums = _slide(uv_sums, uv_row, tap, SIZE)
        e_uu, uu_sums = _slide(uu_sums, uu_row, tap, SIZE)

        window = row + pad - SIZE + 1
        complete = (window >= first) & (column < width)
        q = window * width + column
        mu_v = tl.load(mean + q, complete, 0.0)
        s_v = tl.load(variance + q, complete, 0.0)
        part = tl.load(share + q, complete, 0.0)
        mu_u = u_0 + from_u_0
        n1 = 2 * mu_u * mu_v + c1
        n2 = 2 * (e_uv - from_u_0 * (mu_v - v_0)) + c2
        per_d1 = 1 / (mu_u * mu_u + mu_v * mu_v + c1)
        per_d2 = 1 / (e_uu - from_u_0 * from_u_0 + s_v + c2)
        s = n1 * n2 * per_d1 * per_d2
        total += tl.where(complete, part * s, 0.0)
        if GRADIENT:
            d_uv = 2 * n1 * per_d1 * per_d2
            d_uu = -s * per_d2
            d_mu = 2 * (mu_v * n2 * per_d2 - mu_u * s) * per_d1 - mu_v * d_uv - 2 * mu_u * d_uu
            tl.store(slopes + q, part * d_mu, complete)
            tl.store(slopes + height * width + q, part * d_uv, complete)
            tl.store(slopes + 2 * height * width + q, part * d_uu, complete)
    tl.store(partial + tl.program_id(0), tl.sum(total))


@triton.jit(do_not_specialize=SIZES)
def _pixels(
    x, w, v, slopes, taps, a, b, gradient, partial, C, H, W, w_image, pad, rows,
    SIZE: tl.constexpr, GRADIENT: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    height, width = H + 2 * pad - SIZE + 1, W + 2 * pad - SIZE + 1
    plane, first, last, column = _tile(H, W, rows, COLUMNS)
    x += plane * H * W
    v += plane * H * W
    w += plane // C * w_image
    slopes += plane * 3 * height * width
    gradient += plane * H * W

    zero = tl.zeros([COLUMNS], partial.dtype.element_ty)
    total = zero
    begin = first
    if GRADIENT:
        begin -= SIZE - 1
        tap = _scalars(taps, SIZE)
        mu_sums = (zero,) * (SIZE - 1)
        uv_sums, uu_sums = mu_sums, mu_sums
        a_image, b_image = tl.load(a + plane // C), tl.load(b + plane // C)
    for row in range(begin, last):
        p = row * W + column  # [COLUMNS]
        inside = (row >= first) & (column < W)
        w_p = tl.load(w + p, inside, 0.0)
        v_p = tl.load(v + p, inside, 0.0)
        u_p = w_p * tl.load(x + p, inside, 0.0).to(zero.dtype)
        # the product may be fused with the difference, unrounded; what is equal differs by 0 all the same
        total += tl.where(u_p == v_p, 0.0, tl.abs(u_p - v_p))
        if GRADIENT:
            # the last of the windows that cover the pixel; taps are symmetric, so K^T is a local mean like K
            window = row + pad
            mu_row, uv_row, uu_row = zero, zero, zero
            mu_end = slopes + window * width + column + pad
            uv_end = mu_end + height * width
            uu_end = uv_end + height * width
            for k in tl.static_range(SIZE):
                i = column + pad - k
                exists = (window >= 0) & (window < height) & (i >= 0) & (i < width)
                mu_row += tap[k] * tl.load(mu_end - k, exists, 0.0)
                uv_row += tap[k] * tl.load(uv_end - k, exists, 0.0)
                uu_row += tap[k] * tl.load(uu_end - k, exists, 0.0)
            k_mu, mu_sums = _slide(mu_sums, mu_row, tap, SIZE)
            k_uv, uv_sums = _slide(uv_sums, uv_row, tap, SIZE)
            k_uu, uu_sums = _slide(uu_sums, uu_row, tap, SIZE)
            of_ssim = k_mu + v_p * k_uv + 2 * u_p * k_uu
            of_l1 = (u_p > v_p).to(zero.dtype) - (u_p < v_p).to(zero.dtype)
            tl.store(gradient + p, w_p * (a_image * of_ssim + b_image * of_l1), inside)
    tl.store(partial + tl.program_id(0), tl.sum(total))


# --- kernels that do not ---


@triton.jit
def _weighted_l1(x, y, w, partial, numel, plane, w_image, w_channel, tiles, BLOCK: tl.constexpr):
    dtype = partial.dtype.element_ty
    image = (tl.program_id(0) // tiles).to(tl.int64)
    i = tl.program_id(0) % tiles * BLOCK + tl.arange(0, BLOCK)  # [BLOCK] within the image
    inside = i < numel
    x_i = tl.load(x + image * numel + i, inside, 0.0).to(dtype)
    y_i = tl.load(y + image * numel + i, inside, 0.0).to(dtype)
    w_i = tl.load(w + image * w_image + i // plane * w_channel + i % plane, inside, 0.0).to(dtype)
    tl.store(partial + tl.program_id(0), tl.sum(w_i * tl.abs(x_i - y_i)))


@triton.jit
def _weighted_l1_gradient(grad, x, y, w, gradient, numel, plane, w_image, w_channel, tiles, BLOCK: tl.constexpr):
    dtype = grad.dtype.element_ty
    image = (tl.program_id(0) // tiles).to(tl.int64)
    i = tl.program_id(0) % tiles * BLOCK + tl.arange(0, BLOCK)  # [BLOCK] within the image
    inside = i < numel
    x_i = tl.load(x + image * numel + i, inside, 0.0).to(dtype)
    y_i = tl.load(y + image * numel + i, inside, 0.0).to(dtype)
    w_i = tl.load(w + image * w_image + i // plane * w_channel + i % plane, inside, 0.0).to(dtype)
    sign = (x_i > y_i).to(dtype) - (x_i < y_i).to(dtype)
    tl.store(gradient + image * numel + i, tl.load(grad + image) * w_i * sign, inside)


@triton.jit
def _total(partial, total, count, BLOCK: tl.constexpr):
    image = tl.program_id(0).to(tl.int64)
    sums = tl.zeros([BLOCK], total.dtype.element_ty)
    for start in range(0, count, BLOCK):
        i = start + tl.arange(0, BLOCK)  # [BLOCK]
        sums += tl.load(partial + image * count + i, i < count, 0.0)
    tl.store(total + image, tl.sum(sums))


# --- launchers ---


def window_statistics(v: Tensor, taps: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of v under each window, zeros beyond the border: (B, C, H, W) -> twice (B, C, H', W')."""
    v = v.contiguous()
    images, channels, height, width = v.shape
    mean = v.new_empty(windows(v, taps, pad))
    variance = torch.empty_like(mean)
    grid = (images * channels * _tiles(mean),)
    with torch.cuda.device_of(v):
        _statistics[grid](v, mean, variance, taps, height, width, pad, _rows(mean), SIZE=len(taps), **WALK)
    return mean, variance


def ssim_l1(
    x: Tensor,
    w: Tensor,
    v: Tensor,
    mean: Tensor,
    variance: Tensor,
    share: Tensor,
    taps: Tensor,
    pad: int,
    c1: float,
    c2: float,
    a: Tensor,
    b: Tensor,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """ssim (B,), l1 (B,) and the gradient (B, C, H, W) of a ssim + b l1 in x, (0,) without; see `ops.ssim_l1`."""
    x, w, v, mean, variance, share, a, b = (t.contiguous() for t in (x, w, v, mean, variance, share, a, b))
    images, channels, height, width = x.shape
    gradient = v.new_empty(v.shape if with_gradient else 0)
    slopes = v.new_empty((images, channels, 3, *mean.shape[2:]) if with_gradient else 0)
    of_windows = v.new_empty(images, channels * _tiles(mean))
    of_pixels = v.new_empty(images, channels * _tiles(v))
    options = {"SIZE": len(taps), "GRADIENT": with_gradient, **WALK}
    with torch.cuda.device_of(v):
        # c1 and c2 are compiled in: Triton takes a Python float for a float32
        _windows[(of_windows.numel(),)](
            x, w, v, mean, variance, share, taps, slopes, of_windows,
            channels, height, width, _step(w), _step(share), pad, _rows(mean), c1=c1, c2=c2, **options,
        )  # fmt: skip
        _pixels[(of_pixels.numel(),)](
            x, w, v, slopes, taps, a, b, gradient, of_pixels,
            channels, height, width, _step(w), pad, _rows(v), **options,
        )  # fmt: skip
        return _sum(of_windows), _sum(of_pixels), gradient


def weighted_l1(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Sum of w |x - y| over each image: x and y (B, C, H, W), w (B or 1, C or 1, H, W) -> (B,)."""
    x, y, w = x.contiguous(), y.contiguous(), w.contiguous()
    numel = x.shape[1:].numel()
    tiles = triton.cdiv(numel, BLOCK)
    partial = x.new_empty(len(x), tiles, dtype=accumulator(x, y))
    with torch.cuda.device_of(x):
        _weighted_l1[(partial.numel(),)](x, y, w, partial, numel, *_layout(w), tiles, **FLAT)
        return _sum(partial)


def weighted_l1_gradient(grad: Tensor, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Gradient of the sum of grad (B,) times `weighted_l1` in x, in the dtype of grad."""
    grad, x, y, w = (t.contiguous() for t in (grad, x, y, w))
    numel = x.shape[1:].numel()
    tiles = triton.cdiv(numel, BLOCK)
    gradient = torch.empty_like(x, dtype=grad.dtype)
    with torch.cuda.device_of(x):
        _weighted_l1_gradient[(len(x) * tiles,)](grad, x, y, w, gradient, numel, *_layout(w), tiles, **FLAT)
    return gradient


def _sum(partial: Tensor) -> Tensor:
    """(B, n) -> (B,).  Not torch's: there a row's alignment, hence its place in the batch, decides the order."""
    total = partial.new_empty(len(partial))
    _total[(len(partial),)](partial, total, partial.shape[1], **FLAT)
    return total


def _rows(planes: Tensor) -> int:
    """Of a program that walks: few where planes are small and one walk is the time, many where planes are large and the
    SIZE - 1 rows before the first complete window are work done twice."""
    return 16 if planes.shape[-2] <= 128 else 64


def _tiles(planes: Tensor) -> int:
    """How many programs walk over one plane."""
    return triton.cdiv(planes.shape[-2], _rows(planes)) * triton.cdiv(planes.shape[-1], COLUMNS)


def _step(per_image: Tensor) -> int:
    """From one image's numbers to the next one's; 0 where all images share them."""
    return per_image.stride(0) if len(per_image) > 1 else 0


def _layout(w: Tensor) -> tuple[int, int, int]:
    """Elements of a plane, and the steps from image to image and from channel to channel."""
    return w.shape[2:].numel(), _step(w), w.stride(1) if w.shape[1] > 1 else 0
