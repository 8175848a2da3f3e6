"""A face's other side in T: known pixels, mirrored, by how symmetric the face is around them, pixel by pixel.

    T <- T + w (M - T),   w = 0.8 / (1 + a / 0.1^2) (1 - exp(-(d / D)^2))

for missing pixels whose mirror image M is known; a: squared difference of M and the face, T in its hole, averaged over
channels and, with Gaussian weights, over the pixels around where M is known; d: distance to the nearest known pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def mirrored(images: Array, missing: NDArray[np.bool_], generated: Array) -> Array:
    """T with mirrored pixels, of images and T (B, H, W, C) and what is missing (B, H, W)."""
    return np.stack([_mirrored(*image) for image in zip(images, missing, generated, strict=True)])


def _mirrored(image: Array, missing: NDArray[np.bool_], T: Array) -> Array:
    height, width = missing.shape
    sigma, D = width / 8, width / 16
    M, known_there = image[:, ::-1], ~missing[:, ::-1]
    face = np.where(missing[..., None], T, image)
    squares = np.where(known_there, ((face - M) ** 2).mean(axis=2), 0.0)
    down, across = gaussian(height, sigma), gaussian(width, sigma)
    share = down @ known_there @ across.T
    a = (down @ squares @ across.T) / np.maximum(share, 1e-6)
    result = T.copy()
    rows, columns = np.nonzero(~missing)
    for y, x in zip(*np.nonzero(missing & known_there), strict=True):
        d = np.sqrt(((rows - y) ** 2 + (columns - x) ** 2).min())
        w = 0.8 / (1 + a[y, x] / 0.1**2) * (1 - np.exp(-((d / D) ** 2)))
        result[y, x] = T[y, x] + w * (M[y, x] - T[y, x])
    return result


def gaussian(size: int, sigma: float) -> Array:
    """Averaging of a line of that size under a Gaussian cut off at 4 sigma, (size, size); the line goes on mirrored."""
    reach = int(4 * sigma + 0.5)
    taps = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    matrix = np.zeros((size, size))
    for i in range(size):
        for tap, weight in zip(range(i - reach, i + reach + 1), taps / taps.sum(), strict=True):
            # ... 1 0 | 0 1 2 ... size - 1 | size - 1 ...
            place = tap % (2 * size)
            matrix[i, min(place, 2 * size - 1 - place)] += weight
    return matrix
