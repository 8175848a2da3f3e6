"""Weighted L1, the context loss  sum_p W_p |x_p - y_p|  of each image (Eq. 6's norm); its ways are those of `ssim`."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.library import custom_op

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.ops import cpu as cpu_kernels
from faceinpaint_fast.ops.tensors import accumulator, check_pair, check_weights, is_batched, is_traced, is_transformed


def weighted_l1(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Sum of w |x - y| over pixels and channels: (B, C, H, W), (B, C, H, W), w -> (B,).

    w is (H, W), for all images and channels, (B, H, W), for all channels, (B, 1, H, W) or (B, C, H, W).  Without the
    batch axis, (C, H, W) -> ().  Differentiable in x and y, in forward mode and by torch.func too, not in w; the
    gradient where x and y are equal is 0, and so is the second derivative.  Sums are float32, of float64 images
    float64; so is the result.
    Raises InputError where shapes do not fit and, in this machine's memory, where weights are NaN; on a GPU the result
    is NaN.  Qiang et al. 2019, the norm of Eq. 6, with W of Eq. 7.
    """
    check_pair(x, y)
    check_weights("w", w, x)
    *batch, channels, height, width = x.shape
    if w.shape in ((height, width), (*batch, height, width)):
        w = w.unsqueeze(-3)
    elif w.shape not in ((*batch, 1, height, width), (*batch, channels, height, width)):
        raise InputError(f"w: expected shape (H, W), (B, H, W) or that of x, {tuple(x.shape)}, got {tuple(w.shape)}")
    single = x.ndim == 3
    if single:
        x, y = x.unsqueeze(0), y.unsqueeze(0)
    if w.ndim == 3:
        w = w.unsqueeze(0)
    if is_transformed():
        dtype = accumulator(x, y)
        loss = weighted_l1_reference(x.to(dtype), y.to(dtype), w.to(dtype))
    elif is_traced(x, y):
        loss = _weighted_l1(x, y, w)
    else:
        loss = cast(Tensor, _Straight.apply(x, y, w))
        # a NaN of the weights is in the loss; who has to wait for a GPU to see it is the caller
        if loss.device.type == "cpu" and any(map(math.isnan, loss.tolist())) and bool(w.isnan().any()):
            raise InputError("w: expected numbers, got NaN among them")
    return loss.squeeze(0) if single else loss


def weighted_l1_reference(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """The same by its definition, (B, C, H, W), (B, C, H, W), (1 or B, 1 or C, H, W) -> (B,)."""
    return (w * (x - y).abs()).sum(dim=(-3, -2, -1))


def _kernels(x: Tensor) -> Any:
    """The module of the device's kernels."""
    if x.is_cuda:
        from faceinpaint_fast.ops import triton_weighted_l1

        return triton_weighted_l1
    return cpu_kernels


class _Straight(torch.autograd.Function):
    """The kernel and its gradient, without the layers of an op of torch's around them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, y, w)
        return cast(Tensor, _kernels(x).weighted_l1(x, y, w))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, y, w = ctx.saved_tensors
        if torch.is_grad_enabled() or is_batched(grad):
            # somebody is going to differentiate the gradient, which is linear in grad, or wants many
            gradient = grad[:, None, None, None] * w * (x - y).detach().sign()
        else:
            gradient = _kernels(x).weighted_l1_gradient(grad, x, y, w)
        return *_signed(gradient, x, y, ctx.needs_input_grad), None


def _signed(gradient: Tensor, x: Tensor, y: Tensor, needed: Any) -> tuple[Tensor | None, Tensor | None]:
    """The gradients in x and in y, each where needed."""
    return gradient.to(x.dtype) if needed[0] else None, -gradient.to(y.dtype) if needed[1] else None


@custom_op("faceinpaint_fast::weighted_l1", mutates_args=())
def _weighted_l1(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    return cast(Tensor, _kernels(x).weighted_l1(x, y, w))


@_weighted_l1.register_fake
def _(x: Tensor, y: Tensor, w: Tensor) -> Tensor:  # noqa: ARG001
    return x.new_empty(len(x), dtype=accumulator(x, y))


@custom_op("faceinpaint_fast::weighted_l1_gradient", mutates_args=())
def _gradient(loss_gradient: Tensor, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """loss_gradient w sign(x - y), (B, C, H, W), in the dtype of the sums."""
    return cast(Tensor, _kernels(x).weighted_l1_gradient(loss_gradient, x, y, w))


@_gradient.register_fake
def _(loss_gradient: Tensor, x: Tensor, y: Tensor, w: Tensor) -> Tensor:  # noqa: ARG001
    return x.new_empty(x.shape, dtype=accumulator(x, y))


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, loss_gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    x, y, _ = ctx.saved_tensors
    return *_signed(_gradient(loss_gradient, *ctx.saved_tensors), x, y, ctx.needs_input_grad), None


_weighted_l1.register_autograd(_differentiate, setup_context=_save)
