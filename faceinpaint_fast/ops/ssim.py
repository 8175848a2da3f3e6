"""Windowed SSIM, Eq. 2:  ((2 mu1 mu2 + c1)(2 s12 + c2)) / ((mu1^2 + mu2^2 + c1)(s1^2 + s2^2 + c2)).

The window is that of Wang et al. 2004: an 11x11 Gaussian, sigma 1.5, slid over the valid region.  The kernels are those
of `ssim_l1`, where its equations stand, with w = 1.

Three ways lead to the same numbers: straight to a device's kernel, which knows the value and its gradient; the op of
torch's by which a compiler finds that kernel; and `unlikeness` in plain torch, which has derivatives of every kind.
"""

from __future__ import annotations

import math
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor
from torch.library import custom_op

from faceinpaint_fast.checks import expect_number, expect_positive
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.ops import cpu as cpu_kernels
from faceinpaint_fast.ops.ssim_l1 import constants
from faceinpaint_fast.ops.tensors import accumulator, check_pair, check_weights, is_traced, is_transformed
from faceinpaint_fast.ops.window import Padding, Window

Reduction = Literal["mean", "none"]
LEAST, MOST = 2.0**-126, 2.0**128  # of float32
SQUARED = 1e-6, 1e9  # data ranges whose fourth powers the kernels' float32 holds; for others images are brought to 1


def ssim(
    x: Tensor,
    y: Tensor,
    *,
    data_range: float = 1.0,
    window_size: int = 11,
    sigma: float = 1.5,
    padding: Padding = "valid",
    weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Mean SSIM over all windows and channels: (B, C, H, W), (B, C, H, W) -> (B,), in [-1, 1], of equal images 1.

    data_range   the largest value that a pixel may have, less the least
    window_size  of the Gaussian, in pixels a side, odd, 3 to 31
    sigma        of the Gaussian, in pixels
    padding      "valid": the windows within the image, as Wang's; "same": one a pixel, zeros beyond the border, as
                 fused-ssim's
    weights      the mean is one weighted by these, >= 0: of a window, (H', W') or (B, H', W'), or of the pixel in its
                 middle, (H, W) or (B, H, W); where all are 0, nothing differs: 1
    reduction    "none": the SSIM under each window instead, (B, C, H', W')

    Without the batch axis, (C, H, W) -> () or (C, H', W').  Differentiable in x and y as often as wanted, in forward
    mode and by torch.func too; the first gradient is a kernel's.  Sums are float32, of float64 images float64; so is
    the result.  By default it equals skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False).
    Raises InputError where shapes do not fit, a side is shorter than the window or an option is out of its range; for
    weights that are NaN or infinite only in this machine's memory: on a GPU the result is NaN.
    Qiang et al. 2019, Eq. 2, with population covariance, c1 = (0.01 data_range)^2, c2 = (0.03 data_range)^2.
    """
    check_pair(x, y)
    expect_positive(data_range, "data_range")
    expect_number(data_range, "data_range", "a number that float32 holds", lambda number: LEAST <= number < MOST)
    if not SQUARED[0] <= data_range <= SQUARED[1]:
        x, y, data_range = x.to(accumulator(x, y)) / data_range, y.to(accumulator(x, y)) / data_range, 1.0
    if reduction not in get_args(Reduction):
        raise InputError(f"reduction: expected one of {get_args(Reduction)}, got {reduction!r}")
    window = Window(size=window_size, sigma=sigma, padding=padding)
    windows = window.positions(x.shape[-2]), window.positions(x.shape[-1])
    single = x.ndim == 3
    if single:
        x, y = x.unsqueeze(0), y.unsqueeze(0)
    share = None if weights is None else _share(weights, x, windows)
    if reduction == "none":
        if share is not None:
            raise InputError('weights: expected none with reduction="none", which takes no mean')
        dtype = accumulator(x, y)
        value = 1 - unlikeness(x.to(dtype), y.to(dtype), window=window, data_range=data_range)
    else:
        value = _mean(x, y, share, window, data_range)
    return value.squeeze(0) if single else value


def unlikeness(x: Tensor, y: Tensor, *, data_range: float = 1.0, window: Window = Window()) -> Tensor:  # noqa: B008 - frozen
    """1 - Eq. 2 under each window, exactly 0 where the images are equal: (..., H, W) -> (..., H', W')."""
    c1, c2 = constants(data_range)
    e = x - y
    mean_e, mean_y = window.local_mean(e), window.local_mean(y)
    variance_e = window.local_mean(e * e) - mean_e * mean_e
    covariance = window.local_mean(e * y) - mean_e * mean_y
    variance_y = window.local_mean(y * y) - mean_y * mean_y
    # mu1^2 + mu2^2 = 2 mu1 mu2 + (mu1 - mu2)^2, and the variance of a difference likewise
    n1, n2 = 2 * mean_y * (mean_y + mean_e) + c1, 2 * (variance_y + covariance) + c2
    of_means, of_rest = mean_e * mean_e / (n1 + mean_e * mean_e), variance_e / (n2 + variance_e)
    return of_means + (1 - of_means) * of_rest


def ssim_map(x: Tensor, y: Tensor, *, data_range: float = 1.0, window: Window = Window()) -> Tensor:  # noqa: B008 - frozen
    """Eq. 2 under each window, by its definition: (..., H, W) -> (..., H', W')."""
    c1, c2 = constants(data_range)
    mu1, mu2 = window.local_mean(x), window.local_mean(y)
    # population covariance: E[xy] - E[x] E[y]
    s1, s2 = window.local_mean(x * x) - mu1 * mu1, window.local_mean(y * y) - mu2 * mu2
    s12 = window.local_mean(x * y) - mu1 * mu2
    return ((2 * mu1 * mu2 + c1) * (2 * s12 + c2)) / ((mu1 * mu1 + mu2 * mu2 + c1) * (s1 + s2 + c2))


def _share(weights: Tensor, x: Tensor, windows: tuple[int, int]) -> Tensor:
    """Each window's part in the mean of its image, (B or 1, H', W')."""
    check_weights("weights", weights, x)
    batch, channels, height, width = x.shape
    sizes = {(height, width), windows}
    if not (weights.shape in sizes or (weights.ndim == 3 and len(weights) == batch and weights.shape[1:] in sizes)):
        raise InputError(
            f"weights: expected shape {windows} or {(height, width)}, or one for each of {batch} images, "
            f"got {tuple(weights.shape)}"
        )
    if weights.ndim == 2:
        weights = weights.unsqueeze(0)
    if weights.shape[1:] != windows:
        top, left = (height - windows[0]) // 2, (width - windows[1]) // 2
        weights = weights[:, top : top + windows[0], left : left + windows[1]]
    weights = weights.to(torch.promote_types(x.dtype, torch.float32))
    total = weights.sum(dim=(1, 2), keepdim=True)
    looked_at = weights.device.type == "cpu" and not (is_traced(weights, weights) or is_transformed())
    if looked_at and not bool(((weights >= 0) & (weights < math.inf)).all()):
        raise InputError("weights: expected finite numbers >= 0")
    return weights / (channels * total.where(total > 0, 1))


def _mean(x: Tensor, y: Tensor, share: Tensor | None, window: Window, data_range: float) -> Tensor:
    """Mean SSIM (B,), by whichever way there is."""
    if is_transformed():
        return _by_definition(x, y, share, window, data_range)
    if not is_traced(x, y):
        return cast(Tensor, _Straight.apply(x, y, share, window, data_range))
    to_x, to_y = (torch.is_grad_enabled() and image.requires_grad for image in (x, y))
    # an argument of another value would have the op compiled again, an image of another value does not
    dtype = accumulator(x, y)
    x, y = (image.to(dtype) / data_range for image in (x, y))
    return _ssim(x, y, share, window.size, window.sigma, window.padding, to_x, to_y)[0]


def _by_definition(x: Tensor, y: Tensor, share: Tensor | None, window: Window, data_range: float) -> Tensor:
    dtype = accumulator(x, y)
    unlike = unlikeness(x.to(dtype), y.to(dtype), window=window, data_range=data_range)
    if share is None:
        return 1 - unlike.mean(dim=(1, 2, 3))
    return 1 - (share.to(dtype).unsqueeze(1) * unlike).sum(dim=(1, 2, 3))


def _with_gradients(
    x: Tensor, y: Tensor, share: Tensor | None, window: Window, data_range: float, to_x: bool, to_y: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean SSIM (B,) and its gradients in x and in y, empty where not asked for, all in the dtype of the sums."""
    if x.is_cuda:
        from faceinpaint_fast.ops import triton_ssim_l1

        kernel: Any = triton_ssim_l1.ssim
    else:
        kernel = cpu_kernels.ssim
    dtype = accumulator(x, y)
    x, y = x.to(dtype), y.to(dtype)
    options = (
        None if share is None else share.to(dtype),
        window.taps(dtype, x.device),
        window.pad,
        *constants(data_range),
    )
    value, in_x = kernel(x, y, *options, to_x)
    return value, in_x, kernel(y, x, *options, True)[1] if to_y else value.new_empty(0)


class _Straight(torch.autograd.Function):
    """The kernel and its gradient, without the layers of an op of torch's around them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, share: Tensor | None, window: Window, data_range: float) -> Tensor:
        to_x, to_y, *_ = ctx.needs_input_grad
        value, *gradients = _with_gradients(x, y, share, window, data_range, to_x, to_y)
        if to_x or to_y:
            ctx.save_for_backward(x, y, share, *gradients)
            ctx.options = window, data_range
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, share, *gradients = ctx.saved_tensors
        needed = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():
            # somebody is going to differentiate the gradient, which is in these two alone: y may depend on x, or be it
            x, y = x.view_as(x), y.view_as(y)
            value = _by_definition(x, y, share, *ctx.options)
            wanted = [image for image, need in zip((x, y), needed, strict=True) if need]
            found = iter(torch.autograd.grad(value, wanted, grad, create_graph=True))
            return *(next(found) if need else None for need in needed), None, None, None
        return *_scaled(grad, gradients, (x.dtype, y.dtype), needed), None, None, None


def _scaled(grad: Tensor, gradients: Any, dtypes: Any, needed: Any) -> list[Tensor | None]:
    """The gradients in x and y of the sum of grad times the mean SSIM, each where needed."""
    return [
        (grad[:, None, None, None] * gradient).to(dtype) if need else None
        for gradient, dtype, need in zip(gradients, dtypes, needed, strict=True)
    ]


@custom_op("faceinpaint_fast::ssim", mutates_args=())
def _ssim(
    x: Tensor,
    y: Tensor,
    share: Tensor | None,
    window_size: int,
    sigma: float,
    padding: str,
    to_x: bool,
    to_y: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """`_with_gradients`, of a data range of 1."""
    window = Window(size=window_size, sigma=sigma, padding=cast(Padding, padding))
    return _with_gradients(x, y, share, window, 1.0, to_x, to_y)


@_ssim.register_fake
def _(x, y, share, window_size, sigma, padding, to_x, to_y):  # type: ignore[no-untyped-def] # noqa: ARG001
    value = x.new_empty(len(x), dtype=accumulator(x, y))
    return value, value.new_empty(x.shape if to_x else (0,)), value.new_empty(y.shape if to_y else (0,))


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.dtypes = [image.dtype for image in inputs[:2]]
    ctx.save_for_backward(*output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _differentiate(ctx: Any, value: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    gradients = _scaled(value, ctx.saved_tensors, ctx.dtypes, ctx.needs_input_grad[:2])
    return *gradients, None, None, None, None, None, None


_ssim.register_autograd(_differentiate, setup_context=_save)
