"""The ops that the search uses as plain torch: what a package of AOTInductor's is made of.

A program that runs it has neither the C++ kernels nor the Triton ones.  The equations are in `ssim_l1`; a local mean is
two products with band matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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
        """Returns K of images: (..., H, W) -> (..., H', W')."""
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
    e = w * x.to(v.dtype) - v
    mean_e = local_mean(e)
    variance_e, covariance = local_mean(e * e) - mean_e * mean_e, local_mean(e * v) - mean_e * mean
    n1, n2 = 2 * mean * (mean + mean_e) + c1, 2 * (variance + covariance) + c2
    d1, d2 = n1 + mean_e * mean_e, n2 + variance_e
    of_means, of_rest = mean_e * mean_e / d1, variance_e / d2
    like_means = 1 - of_means
    unlike = of_means + like_means * of_rest
    ssim, l1 = 1 - (share * unlike).sum(dim=(1, 2, 3)), e.abs().sum(dim=(1, 2, 3))
    if not with_gradient:
        return ssim, l1, v.new_empty(0)
    in_product, in_square = 2 * like_means * of_rest / d2, 2 * (unlike - 1) / d2
    in_mean = (
        2 * mean_e * (1 - of_rest) * (mean * mean_e / d1 - like_means) / d1 - mean * in_product - mean_e * in_square
    )
    of_mean, of_product, of_square = (local_mean.adjoint(share * each) for each in (in_mean, in_product, in_square))
    a, b = a[:, None, None, None], b[:, None, None, None]
    return ssim, l1, w * (a * (of_mean + v * of_product + e * of_square) + b * e.sign())


def weight_map(missing: Tensor, radius: int, scale: float) -> Tensor:
    """Returns 1 + scale times the number of missing pixels within radius: (B, H, W) bool -> (B, H, W) float32.

    Counts are whole numbers, exact in float32, and the sum is rounded once, in float64, as the kernel's is.
    """
    taps = torch.ones(2 * radius + 1, dtype=torch.float32, device=missing.device)
    counts = LocalMean.of(missing, taps, radius)(missing.float()).double()
    return (1 + scale * counts).float()


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.faceinpaint_fast.window_statistics.default: window_statistics,
    torch.ops.faceinpaint_fast.ssim_l1.default: ssim_l1,
    torch.ops.faceinpaint_fast.weight_map.default: weight_map,
}
"""What each op is made of, for `torch.export.ExportedProgram.run_decompositions`."""
