"""The layers of a DCGAN on CUDA, each in one launch: products with gathered pixels, and the finish on their sums.

Let i count the pixels of the half along an axis and y those of the larger image.  A 4x4 convolution of stride 2 and
padding 1 halves, and its transpose doubles,

    half[i] = sum over k of image[2 i - 1 + k] w[k]             k = 0 .. 3
    image[2 i + p] = sum over t of half[i - 1 + p + t] w[3 - p - 2 t]      parity p = 0, 1 and t = 0, 1

so that a doubled image is four phases, the parities of its rows and columns, of a 2x2 convolution each.  All of these
are products of rows, the pixels of the half, whose numbers are gathered from the taps that a pixel sees, with zeros
beyond the border, and a weight that is packed once as (phase, output channel, tap, channel).

An image's few channels would leave such a product's columns empty: drawing it, the four phases are the columns of one
3x3 convolution; reading it, the taps of one channel are the depth.  There the image is planar, float32.

Where tiles are few, several programs share one along the depth.  The last to arrive adds the partial sums, in the order
of their index, so no bit depends on which one that is.  float32 is made of products in tf32, 11 bits a number: what a
pixel has beyond those is a second number, and so it is with a weight unless all of it has 11 bits, as if it has been
kept in half precision.  The error, 2^-22 of a number, is that of float32 itself.  But the tensor cores cut off when
they add, which over a depth of thousands is a bias of 4e-5: they sum one step of the depth from zero, 64 numbers at
most, and ordinary additions sum the steps.
"""

from __future__ import annotations

import triton
import triton.language as tl

MARGIN = tl.constexpr(4)
"""Zeros before and behind a line of an image, of which a window sees one: with four, loads of four stay aligned."""

# --- parts of the kernels ---


@triton.jit
def _tf32(a):
    """The nearest number of 11 bits."""
    return ((a.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)


@triton.jit
def _multiplied(a, weight, inside, part, total, PARTS: tl.constexpr):
    """Returns total [ROWS, COLUMNS] + a [ROWS, DEPTH] times the weight there, [DEPTH, COLUMNS], as precise as that is.

    Sums of several steps that a condition ends would be cheaper, but Triton does not wait for wgmma's there.

    part  the step to what the weight has beyond 11 bits, if it has PARTS = 2
    """
    if weight.dtype.element_ty == tl.float32:
        large = _tf32(a)
        run = tl.zeros_like(total)
        if PARTS == 2:
            run = tl.dot(large, tl.load(weight + part, inside, 0.0), run, input_precision="tf32")
        w = tl.load(weight, inside, 0.0)
        run = tl.dot(a - large, w, run, input_precision="tf32")
        return total + tl.dot(large, w, run, input_precision="tf32")
    w = tl.load(weight, inside, 0.0)
    return tl.dot(a.to(w.dtype), w, total)


@triton.jit
def _finished(total, scale, bias, gate, there, SLOPE: tl.constexpr, GATED: tl.constexpr):
    """What becomes of sums: see products.Finish.

    gate, there  of each sum: where its gate lies, and whether it is one of the result's
    """
    y = total * scale + bias
    if SLOPE != 1:
        if GATED:
            y = tl.where(tl.load(gate, there, 0.0).to(tl.float32) > 0, y, SLOPE * y)
        else:
            y = tl.where(y > 0, y, SLOPE * y)
    return y


@triton.jit
def _tanh(y):
    """Off by 1e-7 at most."""
    size = 1 - 2 / (tl.exp(2 * tl.abs(y)) + 1)
    return tl.where(y < 0, -size, size)


@triton.jit
def _gathered_sums(
    x, weight, rows, first, column, down, right, start, stop, part,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, TAPS: tl.constexpr, STRIDE: tl.constexpr, C: tl.constexpr,
    N: tl.constexpr, PARTS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """The tile's sums over the blocks `start` to `stop` of the depth, [ROWS, COLUMNS]."""
    PIXELS: tl.constexpr = HEIGHT * WIDTH
    H: tl.constexpr = HEIGHT * STRIDE
    W: tl.constexpr = WIDTH * STRIDE
    BLOCKS: tl.constexpr = (C + DEPTH - 1) // DEPTH
    # all images together may hold more than 2^31 numbers, those of one tile do not
    image = first // PIXELS
    x += image.to(tl.int64) * (H * W * C)
    row = first + tl.arange(0, ROWS)  # [ROWS]
    y = row % PIXELS // WIDTH * STRIDE + down
    z = row % WIDTH * STRIDE + right
    if TAPS > 1:
        y, z = y - 1, z - 1
    pixel = (row // PIXELS - image) * (H * W) + y * W + z
    # a bit for each tap that lies in the image: where it is would be two numbers of a row to keep
    across = tl.zeros([ROWS], tl.int32)
    for t in tl.static_range(TAPS):
        across |= ((z + t >= 0) & (z + t < W) & (row < rows)).to(tl.int32) << t
    seen = tl.zeros([ROWS], tl.int32)
    for t in tl.static_range(TAPS):
        seen |= tl.where((y + t >= 0) & (y + t < H), across, 0) << (t * TAPS)
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    for k in tl.range(start, stop):
        tap, c = k // BLOCKS, k % BLOCKS * DEPTH + tl.arange(0, DEPTH)  # [DEPTH]
        below, beside = tap // TAPS, tap % TAPS
        at = (pixel + below * W + beside)[:, None] * C + c[None, :]
        a = tl.load(x + at, ((seen >> tap & 1) > 0)[:, None] & (c < C)[None, :], 0.0)
        w = weight + column[None, :] * (TAPS * TAPS * C) + (tap * C + c)[:, None]
        total = _multiplied(a, w, (column < N)[None, :] & (c < C)[:, None], part, total, PARTS)
    return total


@triton.jit
def _put(
    total, scale, bias, gate, out, rows, first, column, down, right,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, PHASES: tl.constexpr, N: tl.constexpr, IMAGE: tl.constexpr,
    SLOPE: tl.constexpr, GATED: tl.constexpr, TANH: tl.constexpr, ADDED: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Finish sums [ROWS, columns] and store them."""
    image = first // (HEIGHT * WIDTH)
    row = first + tl.arange(0, ROWS)  # [ROWS]
    y, z = row % (HEIGHT * WIDTH) // WIDTH, row % WIDTH
    there = (row < rows)[:, None] & (column < N)[None, :]
    if IMAGE:
        # columns count (channel, parity of the row, parity of the column), out is (B, N / 4, H, W)
        channel = column // 4
        of_row = (row // (HEIGHT * WIDTH) - image) * (N * HEIGHT * WIDTH) + y * (4 * WIDTH) + z * 2
        of_column = channel * (4 * HEIGHT * WIDTH) + column // 2 % 2 * (2 * WIDTH) + column % 2
    else:
        channel = column
        y = (row // (HEIGHT * WIDTH) - image) * (PHASES * HEIGHT) + y * PHASES + down
        of_row = (y * (PHASES * WIDTH) + z * PHASES + right) * N
        of_column = column
    images = image.to(tl.int64) * (PHASES * PHASES * N * HEIGHT * WIDTH)
    gate, out = gate + images, out + images
    at = of_row[:, None] + of_column[None, :]
    factor = tl.load(scale + channel, column < N, 0.0)[None, :]
    term = tl.load(bias + channel, column < N, 0.0)[None, :]
    result = _finished(total, factor, term, gate + at, there, SLOPE, GATED)
    if TANH:
        result = _tanh(result)
    if ADDED:
        result += tl.load(out + at, there, 0.0).to(tl.float32)
    tl.store(out + at, result.to(out.dtype.element_ty), there)


# --- kernels ---


@triton.jit(do_not_specialize=("rows",))
def gathered(
    x, weight, scale, bias, gate, out, partial, arrived, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, TAPS: tl.constexpr, STRIDE: tl.constexpr, PHASES: tl.constexpr,
    C: tl.constexpr, N: tl.constexpr, IMAGE: tl.constexpr, SLOPE: tl.constexpr, GATED: tl.constexpr,
    TANH: tl.constexpr, ADDED: tl.constexpr, PARTS: tl.constexpr, SPLITS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """A layer that reads channels last.

    HEIGHT x WIDTH are the half's pixels, each with TAPS x TAPS taps, in an image STRIDE times as large, and with
    PHASES x PHASES phases of a result; of an IMAGE the phases are columns.  A tile is one function: its steps share
    what says where it lies.
    """
    tile, split = tl.program_id(0), tl.program_id(1)
    # neighbours run at the same time, and share rows in the caches
    phase = tile // tl.cdiv(N, COLUMNS) % (PHASES * PHASES)
    down, right = phase // PHASES, phase % PHASES
    first = tile // (tl.cdiv(N, COLUMNS) * PHASES * PHASES) * ROWS
    column = tile % tl.cdiv(N, COLUMNS) * COLUMNS + tl.arange(0, COLUMNS)  # [COLUMNS]
    part = PHASES * PHASES * N * TAPS * TAPS * C
    blocks = TAPS * TAPS * tl.cdiv(C, DEPTH)
    total = _gathered_sums(
        x, weight + phase * (N * TAPS * TAPS * C), rows, first, column, down, right,
        blocks * split // SPLITS, blocks * (split + 1) // SPLITS, part,
        HEIGHT, WIDTH, TAPS, STRIDE, C, N, PARTS, ROWS, COLUMNS, DEPTH,
    )  # fmt: skip

    last = True
    if SPLITS > 1:
        mine = tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :]
        partial += tile.to(tl.int64) * (SPLITS * ROWS * COLUMNS)
        tl.store(partial + split * (ROWS * COLUMNS) + mine, total)
        # all of the program's threads have stored before one of them says so
        tl.debug_barrier()
        last = tl.atomic_add(arrived + tile, 1, sem="acq_rel") == SPLITS - 1
        if last:
            total = tl.zeros([ROWS, COLUMNS], tl.float32)
            for other in tl.static_range(SPLITS):
                # of other multiprocessors: the first cache does not know of them
                total += tl.load(partial + other * (ROWS * COLUMNS) + mine, cache_modifier=".cg")
            # for the next launch
            tl.store(arrived + tile, 0)

    if last:
        if ROWS * COLUMNS < 16384:
            _put(
                total, scale, bias, gate, out, rows, first, column, down, right,
                HEIGHT, WIDTH, PHASES, N, IMAGE, SLOPE, GATED, TANH, ADDED, ROWS,
            )  # fmt: skip
        else:
            # gates for all of it at once would not fit the registers
            left, rest = total.reshape(ROWS, 2, COLUMNS // 2).permute(0, 2, 1).split()
            beginning = tile % tl.cdiv(N, COLUMNS) * COLUMNS + tl.arange(0, COLUMNS // 2)
            _put(
                left, scale, bias, gate, out, rows, first, beginning, down, right,
                HEIGHT, WIDTH, PHASES, N, IMAGE, SLOPE, GATED, TANH, ADDED, ROWS,
            )  # fmt: skip
            _put(
                rest, scale, bias, gate, out, rows, first, beginning + COLUMNS // 2, down, right,
                HEIGHT, WIDTH, PHASES, N, IMAGE, SLOPE, GATED, TANH, ADDED, ROWS,
            )  # fmt: skip


@triton.jit(do_not_specialize=("rows",))
def from_image(
    x, drawn, weight, scale, bias, gate, out, rows,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, C: tl.constexpr, N: tl.constexpr, SLOPE: tl.constexpr,
    GATED: tl.constexpr, DRAWN: tl.constexpr, PARTS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    CHANNELS: tl.constexpr, PITCH: tl.constexpr, BAND: tl.constexpr,
):  # fmt: skip
    """A layer that halves planar images (B, C, 2 HEIGHT, 2 WIDTH), a tile in one function as `gathered`.

    A tile's windows overlap.  The band of lines that they lie in is read once, and gathered from shared memory: by its
    bytes and instructions (904 a thread) 1024 images would take an H200 125 us in bf16, not measured; 96 loads a window
    took 232 us.

    drawn  with DRAWN: what tanh gave, and x is the gradient in it, to be led back through tanh first
    PITCH  numbers of a line of the band, with zeros at either end; of a channel BAND, of a power of two of CHANNELS
    """
    tile = tl.program_id(0)
    first = tile // tl.cdiv(N, COLUMNS) * ROWS
    column = tile % tl.cdiv(N, COLUMNS) * COLUMNS + tl.arange(0, COLUMNS)  # [COLUMNS]
    row = first + tl.arange(0, ROWS)  # [ROWS]
    image = first // (HEIGHT * WIDTH)
    x += image.to(tl.int64) * (4 * C * HEIGHT * WIDTH)
    drawn += image.to(tl.int64) * (4 * C * HEIGHT * WIDTH)

    # lines are counted through all images from this one's first on, and begin above the first window
    channel, i = tl.arange(0, CHANNELS), tl.arange(0, BAND)  # [CHANNELS], [BAND]
    above = 2 * (first // WIDTH - image * HEIGHT) - 1
    line, z = above + i // PITCH, i % PITCH - MARGIN
    lines = 2 * (rows // WIDTH - image * HEIGHT)
    at = line // (2 * HEIGHT) * (4 * C * HEIGHT * WIDTH) + line % (2 * HEIGHT) * (2 * WIDTH) + z
    inside = (line >= 0) & (line < lines) & (z >= 0) & (z < 2 * WIDTH)
    at = channel[:, None] * (4 * HEIGHT * WIDTH) + at[None, :]
    inside = (channel < C)[:, None] & inside[None, :]
    band = tl.load(x + at, inside, 0.0).to(tl.float32)
    if DRAWN:
        tanh = tl.load(drawn + at, inside, 0.0).to(tl.float32)
        band *= 1 - tanh * tanh

    k = tl.arange(0, CHANNELS * 16)  # [16 CHANNELS]: channel, row's tap, column's tap
    down = k // 4 % 4
    y = (row // WIDTH % HEIGHT * 2 - 1)[:, None] + down[None, :]
    seen = (y >= 0) & (y < 2 * HEIGHT) & (row < rows)[:, None]
    of_row = (row // WIDTH - first // WIDTH) * (2 * PITCH) + row % WIDTH * 2 + (MARGIN - 1)
    of_tap = k // 16 * BAND + down * PITCH + k % 4
    # what is not seen is the zero that begins the band
    place = tl.where(seen, of_row[:, None] + of_tap[None, :], 0)
    band = band.to(weight.dtype.element_ty).reshape(CHANNELS * BAND)
    a = tl.gather(band, place.reshape(ROWS * CHANNELS * 16), 0).reshape(ROWS, CHANNELS * 16)
    w = weight + column[None, :] * (C * 16) + k[:, None]
    total = tl.zeros([ROWS, COLUMNS], tl.float32)
    total = _multiplied(a, w, (column < N)[None, :] & (k < C * 16)[:, None], N * C * 16, total, PARTS)

    there = (row < rows)[:, None] & (column < N)[None, :]
    gate += image.to(tl.int64) * (HEIGHT * WIDTH * N)
    out += image.to(tl.int64) * (HEIGHT * WIDTH * N)
    to = (row - image * (HEIGHT * WIDTH))[:, None] * N + column[None, :]
    factor = tl.load(scale + column, column < N, 0.0)[None, :]
    term = tl.load(bias + column, column < N, 0.0)[None, :]
    result = _finished(total, factor, term, gate + to, there, SLOPE, GATED)
    tl.store(out + to, result.to(out.dtype.element_ty), there)


@triton.jit(do_not_specialize=("count",))
def finish_pass(
    x, scale, bias, gate, out, count, N: tl.constexpr, SLOPE: tl.constexpr, GATED: tl.constexpr, BLOCK: tl.constexpr
):
    """What becomes of sums that a library has left, channels last."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    channel = i % N
    total = tl.load(x + i, i < count, 0.0).to(tl.float32)
    y = _finished(total, tl.load(scale + channel), tl.load(bias + channel), gate + i, i < count, SLOPE, GATED)
    tl.store(out + i, y.to(out.dtype.element_ty), i < count)
