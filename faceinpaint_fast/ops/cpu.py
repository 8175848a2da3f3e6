"""The ops on the CPU, by csrc: SSIM with L1, their gradient, weighted L1, and Eq. 7's weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import threads_for
from faceinpaint_fast.ops.tensors import accumulator
from faceinpaint_fast.ops.window import windows
from faceinpaint_fast.weight_map import weighed

WORTH_A_THREAD = 1 << 16  # numbers: a thread takes tens of microseconds to start, and these about 200


def window_statistics(v: Tensor, taps: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    """Returns mean and variance of v (B, C, H, W) under each window, zeros beyond the border: each (B, C, H', W')."""
    mean = v.new_empty(windows(v, taps, pad))
    variance = torch.empty_like(mean)
    _cpu.window_statistics(_numbers(v), _numbers(taps), pad, _threads(v), mean.numpy(), variance.numpy())
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
    """Returns ssim (B,), l1 (B,) and the gradient (B, C, H, W) of a ssim + b l1 in x, (0,) without: `ops.ssim_l1`."""
    ssim, l1, gradient = v.new_empty(len(x)), v.new_empty(len(x)), v.new_empty(x.shape if with_gradient else 0)
    _cpu.ssim_l1(
        _numbers(x.to(v.dtype)),
        _numbers(w),
        _numbers(v),
        _numbers(mean),
        _numbers(variance),
        _numbers(share),
        _numbers(taps),
        pad,
        c1,
        c2,
        _numbers(a),
        _numbers(b),
        _threads(x),
        ssim.numpy(),
        l1.numpy(),
        gradient.numpy(),
    )
    return ssim, l1, gradient


def ssim(
    x: Tensor, y: Tensor, share: Tensor | None, taps: Tensor, pad: int, c1: float, c2: float, with_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Ssim (B,) of x against y (B, C, H, W), and its gradient in x, (0,) without; all of one dtype."""
    value, gradient = x.new_empty(len(x)), x.new_empty(x.shape if with_gradient else 0)
    shares = _numbers(x.new_empty(0) if share is None else share)
    _cpu.ssim(_numbers(x), _numbers(y), shares, taps.numpy(), pad, c1, c2, _threads(x), value.numpy(), gradient.numpy())
    return value, gradient


def weighted_l1(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Returns the sum of w |x - y| over each image: x and y (B, C, H, W), w (B or 1, C or 1, H, W) -> (B,)."""
    dtype = accumulator(x, y)
    loss = x.new_empty(len(x), dtype=dtype)
    of_x, of_y, of_w = (_numbers(t.to(dtype)) for t in (x, y, w))
    _cpu.weighted_l1(of_x, of_y, of_w, _threads(x), loss.numpy())
    return loss


def weighted_l1_gradient(grad: Tensor, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Returns the gradient of the sum of grad (B,) times `weighted_l1` in x, in the dtype of grad."""
    gradient = x.new_empty(x.shape, dtype=grad.dtype)
    of_grad, of_x, of_y, of_w = (_numbers(t.to(grad.dtype)) for t in (grad, x, y, w))
    _cpu.weighted_l1_gradient(of_grad, of_x, of_y, of_w, _threads(x), gradient.numpy())
    return gradient


def weight_map(missing: Tensor, radius: int, scale: float) -> Tensor:
    """Returns 1 + scale times the number of missing pixels within radius: (B, H, W) bool -> (B, H, W) float32."""
    return torch.from_numpy(weighed(_numbers(missing).view(np.uint8), 1, radius, scale))


def _numbers(tensor: Tensor) -> NDArray[Any]:
    """Returns the same numbers for NumPy, one after the other; copied only where they are not."""
    return tensor.detach().resolve_neg().contiguous().numpy()


def _threads(tensor: Tensor) -> int:
    return threads_for(tensor.numel(), WORTH_A_THREAD)
