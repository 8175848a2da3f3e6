"""Windowed SSIM, Eq. 2:  ((2 mu1 mu2 + c1)(2 s12 + c2)) / ((mu1^2 + mu2^2 + c1)(s1^2 + s2^2 + c2)).

The window is that of Wang et al. 2004: an 11x11 Gaussian, sigma 1.5, slid over the valid region.  The kernels are those
of `ssim_l1`, where its equations stand, with w = 1.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.library import custom_op

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.ops import cpu as cpu_kernels
from faceinpaint_fast.ops.ssim_l1 import constants
from faceinpaint_fast.ops.tensors import accumulator, check_pair
from faceinpaint_fast.ops.window import Padding, Window


def ssim(
    x: Tensor,
    y: Tensor,
    *,
    data_range: float = 1.0,
    window_size: int = 11,
    sigma: float = 1.5,
    padding: Padding = "valid",
) -> Tensor:
    """Returns the mean SSIM over all windows and channels: (B, C, H, W), (B, C, H, W) -> (B,), in [-1, 1].

    data_range   the largest value that a pixel may have, less the least
    window_size  of the Gaussian, in pixels a side, odd, 3 to 31
    sigma        of the Gaussian, in pixels
    padding      "valid": the windows within the image, as Wang's; "same": one a pixel, zeros beyond the border, as
                 fused-ssim's

    Without the batch axis, (C, H, W) -> ().  Differentiable once in x and y.  Sums are float32, of float64 images
    float64; so is the result.  By default it equals skimage.metrics.structural_similarity(gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False).
    Raises InputError where shapes do not fit, a side is shorter than the window or an option is out of its range.
    Qiang et al. 2019, Eq. 2, with population covariance, c1 = (0.01 data_range)^2, c2 = (0.03 data_range)^2.
    """
    check_pair(x, y)
    if not (math.isfinite(data_range) and data_range > 0):
        raise InputError(f"data_range: expected a finite number > 0, got {data_range}")
    window = Window(size=window_size, sigma=sigma, padding=padding)
    for side in x.shape[-2:]:
        window.positions(side)
    images = [image.unsqueeze(0) if image.ndim == 3 else image for image in (x, y)]
    to_x, to_y = (torch.is_grad_enabled() and image.requires_grad for image in (x, y))
    value, _, _ = _ssim(*images, window_size, sigma, padding, data_range, to_x, to_y)
    return value.squeeze(0) if x.ndim == 3 else value


def ssim_map(x: Tensor, y: Tensor, *, data_range: float = 1.0, window: Window = Window()) -> Tensor:  # noqa: B008 - frozen
    """Returns Eq. 2 under each window, by its definition: (..., H, W) -> (..., H', W')."""
    c1, c2 = constants(data_range)
    mu1, mu2 = window.local_mean(x), window.local_mean(y)
    # population covariance: E[xy] - E[x] E[y]
    s1, s2 = window.local_mean(x * x) - mu1 * mu1, window.local_mean(y * y) - mu2 * mu2
    s12 = window.local_mean(x * y) - mu1 * mu2
    return ((2 * mu1 * mu2 + c1) * (2 * s12 + c2)) / ((mu1 * mu1 + mu2 * mu2 + c1) * (s1 + s2 + c2))


def _with_gradients(
    kernels: Any,
    x: Tensor,
    y: Tensor,
    window_size: int,
    sigma: float,
    padding: str,
    data_range: float,
    to_x: bool,
    to_y: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `_ssim`; `kernels` is the module of a device's."""
    window = Window(size=window_size, sigma=sigma, padding=cast(Padding, padding))
    dtype = accumulator(x, y)
    images, channels, height, width = x.shape
    windows = window.positions(height), window.positions(width)
    taps = window.taps(dtype, x.device)
    w = x.new_ones((1, height, width), dtype=dtype)
    share = x.new_full((1, *windows), 1 / (channels * math.prod(windows)), dtype=dtype)
    one, none = x.new_ones(images, dtype=dtype), x.new_zeros(images, dtype=dtype)
    c1_c2 = constants(data_range)

    def against(x: Tensor, y: Tensor, with_gradient: bool) -> tuple[Tensor, Tensor]:
        y = y.to(dtype)
        mean, variance = kernels.window_statistics(y, taps, window.pad)
        target = w, y, mean, variance, share, taps, window.pad, *c1_c2
        value, _, gradient = kernels.ssim_l1(x, *target, one, none, with_gradient)
        return value, gradient

    value, in_x = against(x, y, to_x)
    return value, in_x, against(y, x, True)[1] if to_y else value.new_empty(0)


@custom_op("faceinpaint_fast::ssim", mutates_args=(), device_types="cuda")
def _ssim(
    x: Tensor, y: Tensor, window_size: int, sigma: float, padding: str, data_range: float, to_x: bool, to_y: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean SSIM (B,) and its gradients in x and in y, empty where not asked for, all in the dtype of the sums."""
    from faceinpaint_fast.ops import triton_ssim_l1 as triton_kernels

    return _with_gradients(triton_kernels, x, y, window_size, sigma, padding, data_range, to_x, to_y)


_ssim.register_kernel("cpu")(partial(_with_gradients, cpu_kernels))


@_ssim.register_fake
def _(x, y, window_size, sigma, padding, data_range, to_x, to_y):  # type: ignore[no-untyped-def] # noqa: ARG001
    value = x.new_empty(len(x), dtype=accumulator(x, y))
    return value, value.new_empty(x.shape if to_x else (0,)), value.new_empty(y.shape if to_y else (0,))


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.dtypes = [image.dtype for image in inputs[:2]]
    ctx.save_for_backward(*output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _differentiate(ctx: Any, value: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    gradients = [
        (value[:, None, None, None] * gradient).to(dtype) if needed else None
        for gradient, dtype, needed in zip(ctx.saved_tensors, ctx.dtypes, ctx.needs_input_grad, strict=False)
    ]
    return *gradients, None, None, None, None, None, None


_ssim.register_autograd(_differentiate, setup_context=_save)
