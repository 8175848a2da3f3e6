"""The ops that the search uses as plain torch, for a program that has neither the C++ kernels nor the Triton ones: what
a package of AOTInductor's is made of.  The equations are in `ssim_l1`; a local mean is two products with band matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from faceinpaint_fast.ops.window import banded


@dataclass(frozen=True, slots=True)
class LocalMean:
    """The mean under each window, (..., H, W) -> (..., H', W'), zeros beyond the border.

    rows, columns  (H', H), (W', W)
    """

    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, images: Tensor, taps: Tensor, pad: int) -> LocalMean:
        """Returns the mean under windows of images (..., H, W)."""
        height, width = images.shape[-2:]
        return cls(banded(taps, height, pad), banded(taps, width, pad))

    def __call__(self, images: Tensor) -> Tensor:
        return self.rows @ images @ self.columns.T

    def adjoint(self, means: Tensor) -> Tensor:
        """Returns the adjoint of means, (..., H', W') -> (..., H, W)."""
        return self.rows.T @ means @ self.columns


def window_statistics(v: Tensor, taps: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    """Returns mean and variance of v (B, C, H, W) under each window, (B, C, H', W')."""
    local_mean = LocalMean.of(v, taps, pad)
    mean = local_mean(v)
    return mean, local_mean(v * v) - mean * mean


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
    local_mean = LocalMean.of(v, taps, pad)
    w, share = w.unsqueeze(1), share.unsqueeze(1)
    u = w * x.to(v.dtype)
    mu = local_mean(u)
    n1, n2 = 2 * mu * mean + c1, 2 * (local_mean(u * v) - mu * mean) + c2
    d1, d2 = mu * mu + mean * mean + c1, local_mean(u * u) - mu * mu + variance + c2
    similarity = n1 * n2 / (d1 * d2)
    ssim, l1 = (share * similarity).sum(dim=(1, 2, 3)), (u - v).abs().sum(dim=(1, 2, 3))
    if not with_gradient:
        return ssim, l1, v.new_empty(0)
    in_product, in_square = 2 * n1 / (d1 * d2), -similarity / d2
    in_mean = 2 * (mean * n2 / d2 - mu * similarity) / d1 - mean * in_product - 2 * mu * in_square
    of_mean, of_product, of_square = (local_mean.adjoint(share * each) for each in (in_mean, in_product, in_square))
    a, b = a[:, None, None, None], b[:, None, None, None]
    return ssim, l1, w * (a * (of_mean + v * of_product + 2 * u * of_square) + b * (u - v).sign())


def weight_map(missing: Tensor, radius: int, scale: float) -> Tensor:
    """Returns 1 + scale times the number of missing pixels within radius: (B, H, W) bool -> (B, H, W) float32.

    Counts are exact and rounded once, in float64, as those of the kernel are.
    """
    size = 2 * radius + 1
    counts = avg_pool2d(missing.double().unsqueeze(1), size, 1, radius, divisor_override=1).squeeze(1)
    return (1 + scale * counts).float()


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.faceinpaint_fast.window_statistics.default: window_statistics,
    torch.ops.faceinpaint_fast.ssim_l1.default: ssim_l1,
    torch.ops.faceinpaint_fast.weight_map.default: weight_map,
}
"""What each op is made of, for `torch.export.ExportedProgram.run_decompositions`."""
