"""The losses, Eq. 3 to 6 and 8, of an image x against the known pixels of an image y; both lie in [0, 1].

`normalization` is Eq. 5's and 6's, to the letter.  The `masked_` forms are this project's: normalised by how much of
the image is known, and never clamped, so that their gradient never dies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.reference.ssim import ssim, windowed_mean

Array = NDArray[np.float64]


def weighted_l1(x: ArrayLike, y: ArrayLike, w: ArrayLike) -> Array:
    """||w*x - w*y||_1 of each image, the norm of Eq. 6: (..., H, W, C) and w >= 0 (..., H, W) -> (...)."""
    x, y, w = (np.asarray(a, np.float64) for a in (x, y, w))
    return (w[..., None] * np.abs(x - y)).sum(axis=(-3, -2, -1))


def weighted_l1_gradient(x: ArrayLike, y: ArrayLike, w: ArrayLike) -> Array:
    """Gradient of `weighted_l1` in x, w * sign(x - y); 0, of all the subgradients, where x = y."""
    x, y, w = (np.asarray(a, np.float64) for a in (x, y, w))
    return w[..., None] * np.sign(x - y)


def discriminator_loss(logit: ArrayLike) -> Array:
    """Eq. 3: L_d = log(1 - D(x)), where D(x) = 1 / (1 + exp(-logit)); elementwise.

    1 - D = 1 / (1 + exp(logit)), so L_d = -log(exp(0) + exp(logit)), which neither overflows nor rounds to log(0).
    """
    return -np.logaddexp(0.0, np.asarray(logit, np.float64))


def structural_loss(ssim: ArrayLike, normalization: Normalization) -> Array:
    """Eq. 5: L_s = 1 if SSIM < s_min; (s_max - SSIM) / (s_max - s_min) between; 0 if SSIM > s_max; elementwise."""
    s, n = np.asarray(ssim, np.float64), normalization
    return np.where(s < n.s_min, 1.0, np.where(s > n.s_max, 0.0, (n.s_max - s) / (n.s_max - n.s_min)))


def context_loss(l1: ArrayLike, normalization: Normalization) -> Array:
    """Eq. 6: L_c = 1 if L1 > c_max; L1 / (c_max - c_min) between; 0 if L1 < c_min; elementwise.

    As printed: without a c_min in the numerator, so that it jumps at both bounds and exceeds 1 below c_max.
    """
    c, n = np.asarray(l1, np.float64), normalization
    return np.where(c > n.c_max, 1.0, np.where(c < n.c_min, 0.0, c / (n.c_max - n.c_min)))


def masked_structural_loss(x: ArrayLike, y: ArrayLike, W: ArrayLike, known: ArrayLike) -> Array:
    """L_s = 1 - sum_p q(p) SSIM(p) / sum_p q(p), SSIM between W*M*x and W*M*y: (..., H, W, C) -> (...).

    q(p) is the mean of M (`known`) under the window at p.  0 where no window sees a known pixel.
    """
    x, y, W, known = (np.asarray(a, np.float64) for a in (x, y, W, known))
    w = (W * known)[..., None]
    return 1 - ssim(w * x, w * y, weights=windowed_mean(known[..., None])[..., 0])


def masked_context_loss(x: ArrayLike, y: ArrayLike, W: ArrayLike, known: ArrayLike) -> Array:
    """L_c = sum(W*M*|x - y|) / (C sum(W*M)), C channels: (..., H, W, C) -> (...).  0 where nothing is known."""
    w = np.asarray(W, np.float64) * np.asarray(known, np.float64)
    total = np.shape(x)[-1] * w.sum(axis=(-2, -1))
    return weighted_l1(x, y, w) / np.where(total > 0, total, 1.0)


def total_loss(discriminator: ArrayLike, context: ArrayLike, structural: ArrayLike, config: InpaintConfig) -> Array:
    """Eq. 4 and 8: L = lambda_d L_d + lambda_c L_c + lambda_s L_s; elementwise."""
    d, c, s = (np.asarray(loss, np.float64) for loss in (discriminator, context, structural))
    return config.lambda_d * d + config.lambda_c * c + config.lambda_s * s
