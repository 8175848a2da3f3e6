"""Windowed SSIM, Eq. 2:  ((2 mu1 mu2 + c1)(2 s12 + c2)) / ((mu1^2 + mu2^2 + c1)(s1^2 + s2^2 + c2)).

The window is that of Wang et al. 2004: an 11x11 Gaussian, sigma 1.5, slid over the valid region.  It is separable,
so a local mean is two products with banded matrices, K_h x K_w^T.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.ops.weighted_l1 import check_pair

WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03


def ssim(x: Tensor, y: Tensor, *, data_range: float = 1.0) -> Tensor:
    """Mean SSIM over the valid region and channels: (B, C, H, W), (B, C, H, W) -> (B,), in [-1, 1].

    Without the batch axis, (C, H, W) -> ().  Differentiable in x and y.  Population covariance; equals
    skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False).
    Raises InputError where shapes do not fit or a side is shorter than the window.
    Qiang et al. 2019, Eq. 2, with c1 = (0.01 data_range)^2, c2 = (0.03 data_range)^2.
    """
    return ssim_map(x, y, data_range=data_range).mean(dim=(-3, -2, -1))


def ssim_map(x: Tensor, y: Tensor, *, data_range: float = 1.0) -> Tensor:
    """SSIM of each window of the valid region: (..., C, H, W) -> (..., C, H - 10, W - 10); see `ssim`."""
    check_pair(x, y)
    if not data_range > 0:
        raise InputError(f"data_range: expected > 0, got {data_range}")
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mu1, mu2 = local_mean(x), local_mean(y)
    mu1_mu2, mu_squares = mu1 * mu2, mu1 * mu1 + mu2 * mu2
    # population covariance: E[xy] - E[x] E[y]
    s12 = local_mean(x * y) - mu1_mu2
    variances = local_mean(x * x + y * y) - mu_squares
    return ((2 * mu1_mu2 + c1) * (2 * s12 + c2)) / ((mu_squares + c1) * (variances + c2))


def local_mean(x: Tensor) -> Tensor:
    """Mean of x under the window at each position of the valid region: (..., H, W) -> (..., H - 10, W - 10)."""
    rows, columns = (banded(size, x.dtype, x.device) for size in x.shape[-2:])
    return rows @ x @ columns.T


@lru_cache(maxsize=16)
def banded(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix (size - 10, size) whose product with a signal is its local mean; rows sum to 1."""
    if size < WINDOW:
        raise InputError(f"image: expected sides of at least {WINDOW}, the window, got {size}")
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    matrix = torch.zeros(size - WINDOW + 1, size, dtype=torch.float64)
    for row in range(len(matrix)):
        matrix[row, row : row + WINDOW] = window / window.sum()
    return matrix.to(device, dtype)
