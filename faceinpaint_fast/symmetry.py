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
from scipy import ndimage

from faceinpaint_fast.arrays import is_cupy

LARGEST = 0.8  # weight of a mirrored pixel
TOLERATED = 0.1  # root of the asymmetry at which the weight has fallen to a half
SMOOTH, DEEP = 1 / 8, 1 / 16  # of the width
LEAST = 1e-6  # share of known mirrored pixels under the Gaussian


def mirrored(images: Any, missing: Any, generated: Any) -> Any:
    """Returns T with mirrored known pixels mixed in, by this module's formula; of NumPy or CuPy, as what it is given.

    images     (B, H, W, C) in [0, 1]; what they hold where missing does not matter
    missing    (B, H, W)
    generated  T, (B, H, W, C) in [0, 1]
    """
    filters = _filters_for(images)
    other, there = images[:, :, ::-1], ~missing[:, :, ::-1]
    face = np.where(missing[..., None], generated, images)
    squares = np.where(there, ((face - other) ** 2).mean(axis=-1), 0)
    width = images.shape[2]
    # none from one image to the next
    smooth = (0, SMOOTH * width, SMOOTH * width)
    known = filters.gaussian_filter(there.astype(np.float64), smooth)
    asymmetry = filters.gaussian_filter(squares, smooth) / np.maximum(known, LEAST)
    distances = np.stack([filters.distance_transform_edt(hole) for hole in missing])
    depth = 1 - np.exp(-((distances / (DEEP * width)) ** 2))
    weight = (LARGEST / (1 + asymmetry / TOLERATED**2) * depth).astype(generated.dtype)
    mixed = np.where(there & missing, weight, 0)[..., None]
    # where, not a product alone: mirrored holes may hold anything
    return generated + mixed * np.where(mixed > 0, other - generated, 0)


def _filters_for(array: Any) -> Any:
    """Returns SciPy's filters, or CuPy's of the same names."""
    if not is_cupy(array):
        return ndimage
    import cupyx.scipy.ndimage

    return cupyx.scipy.ndimage
