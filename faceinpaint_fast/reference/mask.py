"""The mask M of the paper, 1 = known, from a hole as users hand it over: white = missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def known_pixels(hole: ArrayLike) -> NDArray[np.bool_]:
    """M = O - hole as bool, of the hole's shape.

    Missing is True, a float >= 0.5, a uint8 >= 128, or 1 in an image's uint8 hole (H, W) that holds only 0 and 1.
    """
    hole = np.asarray(hole)
    if hole.dtype == np.bool_:
        return ~hole
    if hole.dtype == np.uint8:
        highest = hole.max(axis=(-2, -1), initial=0, keepdims=True)
        return hole < np.where(highest <= 1, 1, 128)
    if np.issubdtype(hole.dtype, np.floating) and not np.isnan(hole).any():
        return hole < 0.5
    raise ValueError(f"hole: expected bool, uint8 or float without NaN, got {hole.dtype}")
