"""Structural similarity, Eq. 2: ((2 mu1 mu2 + c1)(2 s12 + c2)) / ((mu1^2 + mu2^2 + c1)(s1^2 + s2^2 + c2)).

Means, variances and the covariance are those of Wang et al. 2004: under an 11 x 11 Gaussian window of sigma 1.5, with
population moments, at every position where the window lies wholly inside the image, for each channel by itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

Array = NDArray[np.float64]

SIZE = 11
SIGMA = 1.5
K1 = 0.01
K2 = 0.03


def windowed_mean(image: Array) -> Array:
    """Mean under the window at every position inside the image: (..., H, W, C) -> (..., H - 10, W - 10, C)."""
    if min(image.shape[-3:-1]) < SIZE:
        raise ValueError(f"image: expected at least {SIZE} x {SIZE} pixels, got {image.shape}")
    offset = np.arange(SIZE) - SIZE // 2
    window = np.exp(-(offset**2) / (2 * SIGMA**2))
    window /= window.sum()
    r = SIZE // 2
    rows = correlate1d(image, window, axis=-3)[..., r:-r, :, :]
    return correlate1d(rows, window, axis=-2)[..., r:-r, :]


def ssim_map(x: ArrayLike, y: ArrayLike, *, data_range: float = 1.0) -> Array:
    """Eq. 2 at every position of the window: (..., H, W, C) -> (..., H - 10, W - 10, C)."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a1, a2, b1, b2 = _factors(x, y, data_range)
    return a1 * a2 / (b1 * b2)


def ssim(x: ArrayLike, y: ArrayLike, *, data_range: float = 1.0, weights: ArrayLike | None = None) -> Array:
    """Mean of Eq. 2 over channels and positions, (..., H, W, C) -> (...).

    `weights` (..., H - 10, W - 10) says how much each position counts; where they are all 0, nothing differs: 1.
    """
    local = ssim_map(x, y, data_range=data_range).mean(axis=-1)
    return 1 - (_shares(weights, local) * (1 - local)).sum(axis=(-2, -1))


def ssim_gradient(x: ArrayLike, y: ArrayLike, *, data_range: float = 1.0, weights: ArrayLike | None = None) -> Array:
    """Gradient of `ssim` in x, of the shape of x.

    With G* for the mean under the window, Eq. 2 is S = A1 A2 / (B1 B2), where

        m = G*x, n = G*y, p = G*(x^2), r = G*(xy)
        A1 = 2mn + c1,  A2 = 2(r - mn) + c2,  B1 = m^2 + n^2 + c1,  B2 = p - m^2 + G*(y^2) - n^2 + c2

    depends on x by way of m, p and r alone, each at its own position only:

        dS/dr = 2 A1 / (B1 B2)
        dS/dp = -S / B2
        dS/dm = 2n (A2 - A1) / (B1 B2) - 2m S (1 / B1 - 1 / B2)

    G* is linear, and its adjoint G^T spreads a value at a position over the pixels under the window.  So with u the
    share of a position in the mean, the chain rule gives

        d ssim / dx = G^T(u dS/dm) + 2x G^T(u dS/dp) + y G^T(u dS/dr).
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    m, n = windowed_mean(x), windowed_mean(y)
    a1, a2, b1, b2 = _factors(x, y, data_range)
    s = a1 * a2 / (b1 * b2)
    by_r = 2 * a1 / (b1 * b2)
    by_p = -s / b2
    by_m = 2 * n * (a2 - a1) / (b1 * b2) - 2 * m * s * (1 / b1 - 1 / b2)
    u = _shares(weights, s[..., 0])[..., None] / x.shape[-1]
    return _spread(u * by_m) + 2 * x * _spread(u * by_p) + y * _spread(u * by_r)


def _factors(x: Array, y: Array, data_range: float) -> tuple[Array, Array, Array, Array]:
    """The four brackets of Eq. 2, A1, A2, B1 and B2."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    m, n = windowed_mean(x), windowed_mean(y)
    variances = windowed_mean(x * x) - m * m + windowed_mean(y * y) - n * n
    covariance = windowed_mean(x * y) - m * n
    return 2 * m * n + c1, 2 * covariance + c2, m * m + n * n + c1, variances + c2


def _spread(a: Array) -> Array:
    """The adjoint of `windowed_mean`: (..., H - 10, W - 10, C) -> (..., H, W, C).  The window is symmetric."""
    r = SIZE - 1
    return windowed_mean(np.pad(a, [(0, 0)] * (a.ndim - 3) + [(r, r), (r, r), (0, 0)]))


def _shares(weights: ArrayLike | None, local: Array) -> Array:
    """The share of each position in the mean: they sum to 1 an image, or are 0 where all the weights are."""
    w = np.broadcast_to(np.asarray(1.0 if weights is None else weights, np.float64), local.shape)
    total = w.sum(axis=(-2, -1), keepdims=True)
    return w / np.where(total > 0, total, 1.0)
