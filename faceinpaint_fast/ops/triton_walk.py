"""How a Triton program walks down a strip of a plane.

A thread reads rows of neighbouring columns and keeps the sums of the windows that a row crosses in registers, so that
no number passes from thread to thread.

A program's THREADS threads own COLUMNS neighbouring columns each.  A tensor of a walk is [THREADS], and what a thread
holds of several columns is a tuple of such tensors; numbers travel in vectors of VECTOR, which divides COLUMNS and the
width of the plane, so that a vector lies within the plane or outside it.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tile_of(H, W, rows, THREADS: tl.constexpr, COLUMNS: tl.constexpr):
    """Returns the program's part of the planes of H x W.

    That is the plane, its first row and the one after the last, and each thread's first column.
    """
    strips, segments = tl.cdiv(W, THREADS * COLUMNS), tl.cdiv(H, rows)
    # neighbours run at the same time and share what they read at their borders in the caches
    tile = tl.program_id(0) % (strips * segments)
    first = tile // strips * rows
    column = tile % strips * (THREADS * COLUMNS) + tl.arange(0, THREADS) * COLUMNS
    # all planes together may hold more than 2^31 numbers
    plane = (tl.program_id(0) // (strips * segments)).to(tl.int64)
    return plane, first, tl.minimum(first + rows, H), column


@triton.jit
def read(plane, row, column, width, COUNT: tl.constexpr, VECTOR: tl.constexpr):
    """Returns COUNT neighbours of a row from `column`, a multiple of VECTOR, on; 0 beyond its `width`.

    plane  points to the row 0 of numbers `row` apart
    """
    start = plane + row
    if VECTOR > 1:
        # a row begins at a multiple of VECTOR, which Triton cannot see in `row`
        start = tl.multiple_of(start, [VECTOR * (plane.dtype.element_ty.primitive_bitwidth // 8)])
    start += column
    values = ()
    for k in tl.static_range(0, COUNT, VECTOR):
        inside = (column + k >= 0) & (column + k < width)
        if VECTOR == 1:
            values += (tl.load(start + k, inside, 0.0),)
        else:
            block = tl.load(start[:, None] + (k + tl.arange(0, VECTOR))[None, :], inside[:, None], 0.0)
            if VECTOR == 2:
                values += tl.split(block)
            else:
                even, odd = tl.split(tl.reshape(block, [block.shape[0], 2, 2]))
                first, third = tl.split(even)
                second, fourth = tl.split(odd)
                values += (first, second, third, fourth)
    return values


@triton.jit
def write(plane, row, column, width, values, COUNT: tl.constexpr, VECTOR: tl.constexpr):
    """Write COUNT neighbours of a row from `column` on, but those beyond its `width`; see `read`."""
    start = plane + row
    if VECTOR > 1:
        start = tl.multiple_of(start, [VECTOR * (plane.dtype.element_ty.primitive_bitwidth // 8)])
    start += column
    for k in tl.static_range(0, COUNT, VECTOR):
        inside = column + k < width
        if VECTOR == 1:
            tl.store(start + k, values[k], inside)
        else:
            if VECTOR == 2:
                block = tl.join(values[k], values[k + 1])
            else:
                even, odd = tl.join(values[k], values[k + 2]), tl.join(values[k + 1], values[k + 3])
                block = tl.reshape(tl.join(even, odd), [even.shape[0], 4])
            tl.store(start[:, None] + (k + tl.arange(0, VECTOR))[None, :], block, inside[:, None])


@triton.jit
def taps_of(taps, SIZE: tl.constexpr):
    """Returns the taps, each in a register; they are symmetric, and so are the registers."""
    half = ()
    for k in tl.static_range(SIZE // 2 + 1):
        half += (tl.load(taps + k),)
    values = half
    for k in tl.static_range(SIZE // 2):
        values += (half[SIZE // 2 - 1 - k],)
    return values


@triton.jit
def zeros(like, COUNT: tl.constexpr):
    """Returns COUNT tensors of zeros."""
    values = ()
    for _ in tl.static_range(COUNT):
        values += (tl.zeros_like(like),)
    return values


@triton.jit
def row_means(values, tap, FIRST: tl.constexpr, COLUMNS: tl.constexpr, SIZE: tl.constexpr):
    """Returns the means along a row under the COLUMNS windows that begin at values[FIRST] and its neighbours."""
    means = ()
    for column in tl.static_range(COLUMNS):
        mean = tap[0] * values[FIRST + column]
        for k in tl.static_range(1, SIZE):
            mean = tl.fma(tap[k], values[FIRST + column + k], mean)
        means += (mean,)
    return means


@triton.jit
def slide(sums, row, tap, COLUMNS: tl.constexpr, SIZE: tl.constexpr):
    """Add a row's means to the windows that it crosses: (those that it completes, the sums that go on).

    sums holds of each column in turn the SIZE - 1 windows that have begun, the oldest first; the youngest of those that
    go on begins with this row.
    """
    complete, going = (), ()
    for column in tl.static_range(COLUMNS):
        complete += (tl.fma(tap[SIZE - 1], row[column], sums[column * (SIZE - 1)]),)
        for j in tl.static_range(1, SIZE - 1):
            going += (tl.fma(tap[SIZE - 1 - j], row[column], sums[column * (SIZE - 1) + j]),)
        going += (tap[0] * row[column],)
    return complete, going
