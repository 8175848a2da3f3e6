"""Eq. 7 on CUDA: how many pixels of each patch are missing, by box sums, and W; the definition is `ops.weight_map`'s.

`row_sums` adds up each row from its start, so that a run of a row is a difference of two sums.  In `patch_weights` a
window walks down some columns: one row enters at its foot, one leaves at its head.  Counts are exact, whatever the size
of a patch.
"""

from __future__ import annotations

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

COUNTS = 1024  # of a program of `row_sums`, at a time
BLOCK = 128  # columns of a program of `patch_weights`
STRIP = 64  # rows of one
# any number is as good as another: a kernel serves all sizes of images
SIZES = ("count", "height", "width", "radius", "strips", "blocks")


@triton.jit(do_not_specialize=SIZES[:1] + SIZES[2:3])
def row_sums(missing, sums, count, width, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """Counts the missing pixels of a row up to each of them."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)  # [ROWS]
    before = tl.zeros([ROWS], tl.int32)
    for start in range(0, width, BLOCK):
        x = start + tl.arange(0, BLOCK)  # [BLOCK]
        at = row[:, None] * width + x[None, :]
        inside = (row < count)[:, None] & (x < width)[None, :]
        here = tl.load(missing + at, inside, 0).to(tl.int32)
        tl.store(sums + at, before[:, None] + tl.cumsum(here, 1), inside)
        before += tl.sum(here, 1)


@triton.jit
def _runs(sums, x, left, right, width):
    """Missing pixels of a row from behind `left` to `right`, for each pixel x of some of its columns."""
    inside = x < width
    before = tl.load(sums + left, inside & (left >= 0), 0)
    return (tl.load(sums + right, inside, 0) - before).to(tl.int64)


@triton.jit(do_not_specialize=SIZES[1:])
def patch_weights(
    sums, out, height, width, radius, scale, rest, last, strips, blocks, STRIP: tl.constexpr, BLOCK: tl.constexpr
):
    """Counts the missing pixels of the patches of a strip, in some columns, and weighs."""
    image = (tl.program_id(0) // (strips * blocks)).to(tl.int64)
    top = tl.program_id(0) // blocks % strips * STRIP
    x = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    left, right = x - radius - 1, tl.minimum(x + radius, width - 1)
    first = image * height
    # a float64 in the parts that Triton's float32 arguments can hold
    share = tl.zeros((), tl.float64) + scale + rest + last
    # the window around the row before the first
    counts = tl.zeros([BLOCK], tl.int64)
    for y in range(tl.maximum(top - 1 - radius, 0), tl.minimum(top + radius, height)):
        counts += _runs(sums + (first + y) * width, x, left, right, width)
    for y in range(top, tl.minimum(top + STRIP, height)):
        if y + radius < height:
            counts += _runs(sums + (first + y + radius) * width, x, left, right, width)
        if y - radius > 0:
            counts -= _runs(sums + (first + y - radius - 1) * width, x, left, right, width)
        weight = 1.0 + share * counts.to(tl.float64)
        tl.store(out + (first + y) * width + x, weight.to(tl.float32), x < width)


def weight_map(missing: Tensor, radius: int, scale: float) -> Tensor:
    """W of holes (B, H, W) bool: 1 + scale times the number of missing pixels within radius; (B, H, W) float32."""
    missing = missing.contiguous()
    images, height, width = missing.shape
    sums, out = (torch.empty_like(missing, dtype=dtype) for dtype in (torch.int32, torch.float32))
    block = min(triton.next_power_of_2(width), COUNTS)
    strips, blocks = triton.cdiv(height, STRIP), triton.cdiv(width, BLOCK)
    with torch.cuda.device_of(missing):
        row_sums[(triton.cdiv(images * height, COUNTS // block),)](
            missing.view(torch.uint8), sums, images * height, width, ROWS=COUNTS // block, BLOCK=block, num_warps=4
        )
        patch_weights[(images * strips * blocks,)](
            sums,
            out,
            height,
            width,
            radius,
            *_parts(scale),
            strips,
            blocks,
            STRIP=STRIP,
            BLOCK=BLOCK,
            num_warps=4,
        )
    return out


def _parts(number: float) -> list[float]:
    """Returns a float64 as three float32, which is what Triton takes a Python float for."""
    parts: list[float] = []
    for _ in range(3):
        parts.append(float(np.float32(number - sum(parts))))
    return parts
