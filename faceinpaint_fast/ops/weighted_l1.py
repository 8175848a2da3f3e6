"""Weighted L1, the context loss  sum_p W_p |x_p - y_p|  of each image (Eq. 6's norm)."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.library import custom_op

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.ops import cpu as cpu_kernels
from faceinpaint_fast.ops.tensors import accumulator, check_pair


def weighted_l1(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Returns the sum of w |x - y| over pixels and channels: (B, C, H, W), (B, C, H, W), w -> (B,).

    w is (H, W), for all images and channels, (B, H, W), for all channels, (B, 1, H, W) or (B, C, H, W).  Without the
    batch axis, (C, H, W) -> ().  Differentiable once in x and y, not in w; the gradient where x and y are equal is 0.
    Sums are float32, of float64 images float64; so is the result.
    Raises InputError where shapes do not fit.  Qiang et al. 2019, the norm of Eq. 6, with W of Eq. 7.
    """
    check_pair(x, y)
    *batch, channels, height, width = x.shape
    if w.shape in ((height, width), (*batch, height, width)):
        w = w.unsqueeze(-3)
    elif w.shape not in ((*batch, 1, height, width), (*batch, channels, height, width)):
        raise InputError(f"w: expected shape (H, W), (B, H, W) or that of x, {tuple(x.shape)}, got {tuple(w.shape)}")
    if w.requires_grad:
        raise InputError("w: expected weights without requires_grad, weighted_l1 is not differentiable in them")
    images = [image.unsqueeze(0) if image.ndim == 3 else image for image in (x, y, w)]
    loss = _weighted_l1(*images)
    return loss.squeeze(0) if x.ndim == 3 else loss


def weighted_l1_reference(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Returns the same by its definition, (B, C, H, W), (B, C, H, W), (1 or B, 1 or C, H, W) -> (B,)."""
    return (w * (x - y).abs()).sum(dim=(-3, -2, -1))


@custom_op("faceinpaint_fast::weighted_l1", mutates_args=(), device_types="cuda")
def _weighted_l1(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    from faceinpaint_fast.ops import triton_ssim_l1 as triton_kernels

    return triton_kernels.weighted_l1(x, y, w)


_weighted_l1.register_kernel("cpu")(cpu_kernels.weighted_l1)


@_weighted_l1.register_fake
def _(x: Tensor, y: Tensor, w: Tensor) -> Tensor:  # noqa: ARG001
    return x.new_empty(len(x), dtype=accumulator(x, y))


@custom_op("faceinpaint_fast::weighted_l1_gradient", mutates_args=(), device_types="cuda")
def _gradient(loss_gradient: Tensor, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Returns loss_gradient w sign(x - y), (B, C, H, W), in the dtype of the sums."""
    from faceinpaint_fast.ops import triton_ssim_l1 as triton_kernels

    return triton_kernels.weighted_l1_gradient(loss_gradient, x, y, w)


_gradient.register_kernel("cpu")(cpu_kernels.weighted_l1_gradient)


@_gradient.register_fake
def _(loss_gradient: Tensor, x: Tensor, y: Tensor, w: Tensor) -> Tensor:  # noqa: ARG001
    return x.new_empty(x.shape, dtype=accumulator(x, y))


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, loss_gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    x, y, _ = ctx.saved_tensors
    gradient = _gradient(loss_gradient, *ctx.saved_tensors)
    to_x, to_y, _ = ctx.needs_input_grad
    return gradient.to(x.dtype) if to_x else None, -gradient.to(y.dtype) if to_y else None, None


_weighted_l1.register_autograd(_differentiate, setup_context=_save)
