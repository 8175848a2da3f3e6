"""Weighted L1 and its gradient on CUDA; the definition is `ops.weighted_l1`'s."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from faceinpaint_fast.ops.tensors import accumulator
from faceinpaint_fast.ops.triton_ssim_l1 import total

BLOCK = 1024  # elements of a program


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


def weighted_l1(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Sum of w |x - y| over each image: x and y (B, C, H, W), w (B or 1, C or 1, H, W) -> (B,)."""
    x, y, w = x.contiguous(), y.contiguous(), w.contiguous()
    numel = x.shape[1:].numel()
    tiles = triton.cdiv(numel, BLOCK)
    partial = x.new_empty(len(x), tiles, dtype=accumulator(x, y))
    with torch.cuda.device_of(x):
        _weighted_l1[(partial.numel(),)](x, y, w, partial, numel, *_layout(w), tiles, BLOCK=BLOCK, num_warps=4)
        return total(partial)


def weighted_l1_gradient(grad: Tensor, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Gradient of the sum of grad (B,) times `weighted_l1` in x, in the dtype of grad."""
    grad, x, y, w = (t.contiguous() for t in (grad, x, y, w))
    numel = x.shape[1:].numel()
    tiles = triton.cdiv(numel, BLOCK)
    gradient = torch.empty_like(x, dtype=grad.dtype)
    with torch.cuda.device_of(x):
        _weighted_l1_gradient[(len(x) * tiles,)](
            grad, x, y, w, gradient, numel, *_layout(w), tiles, BLOCK=BLOCK, num_warps=4
        )
    return gradient


def _layout(w: Tensor) -> tuple[int, int, int]:
    """Elements of a plane, and the steps from image to image and from channel to channel, 0 where all share one."""
    of_image, of_channel = (w.stride(axis) if w.shape[axis] > 1 else 0 for axis in (0, 1))
    return w.shape[2:].numel(), of_image, of_channel
