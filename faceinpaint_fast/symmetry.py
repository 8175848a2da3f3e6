"""A face's other side: known pixels, mirrored, mixed into T where they are known and T is not sure of anything better.

    T <- T + w (M - T),   w = 0.8 / (1 + a / 0.1^2) (1 - exp(-(d / D)^2))

M is the mirrored image, d the distance to the nearest known pixel, D a sixteenth of the width.  The asymmetry a is the
mean under a Gaussian, an eighth of the width wide, of the squared difference between M and the face with T in its hole:
a face that is turned, or lit from one side, gets little of it.  It is the second future direction of Qiang et al. 2019,
section 5; that the weights are these is measured, not derived (docs/choices.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

LARGEST = 0.8  # weight of a mirrored pixel
TOLERATED = 0.1  # root of the asymmetry at which the weight has fallen to a half
SMOOTH, DEEP = 1 / 8, 1 / 16  # of the width
LEAST = 1e-6  # share of known mirrored pixels under the Gaussian


def mirrored(images: NDArray[Any], missing: NDArray[np.bool_], generated: NDArray[Any]) -> NDArray[Any]:
    """Returns T with mirrored known pixels mixed in, by this module's formula.

    images     (B, H, W, C) in [0, 1]; what they hold where missing does not matter
    missing    (B, H, W)
    generated  T, (B, H, W, C) in [0, 1]
    """
    other, there = images[:, :, ::-1], ~missing[:, :, ::-1]
    face = np.where(missing[..., None], generated, images)
    squares = np.where(there, ((face - other) ** 2).mean(axis=-1), 0)
    width = images.shape[2]
    weight = np.empty(missing.shape, generated.dtype)
    for i in range(len(images)):
        known = gaussian_filter(there[i].astype(np.float64), SMOOTH * width)
        asymmetry = gaussian_filter(squares[i], SMOOTH * width) / np.maximum(known, LEAST)
        depth = 1 - np.exp(-((distance_transform_edt(missing[i]) / (DEEP * width)) ** 2))
        weight[i] = LARGEST / (1 + asymmetry / TOLERATED**2) * depth
    mixed = np.where(there & missing, weight, 0)[..., None]
    # where, not a product alone: mirrored holes may hold anything
    return generated + mixed * np.where(mixed > 0, other - generated, 0)
