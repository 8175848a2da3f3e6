"""Holes: what a user's mask means, read from a picture or drawn: centre, halves, rectangle, random, free-form.

A hole is True, or white, where the image is missing and to be filled: the convention of every inpainting tool.
The paper's M is its complement, 1 = known; inside the package that array is called `known`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.errors import InputError


def threshold(hole: NDArray[Any], name: str = "hole") -> float:
    """The level from which on a pixel of `hole` is missing.

    True for bool; 0.5 for float; 128 for uint8, or 1 where it holds only 0 and 1.  Raises InputError for any other
    dtype and for NaN.
    """
    if hole.dtype == np.bool_:
        return 1
    if hole.dtype == np.uint8:
        return 1 if hole.max(initial=0) <= 1 else 128
    if np.issubdtype(hole.dtype, np.floating):
        if np.isnan(hole.max(initial=0.0)):
            raise InputError(f"{name}: expected numbers, got NaN")
        return 0.5
    raise InputError(f"{name}: expected bool, uint8 or float, got {hole.dtype}")


def as_hole(hole: NDArray[Any], name: str = "hole") -> NDArray[np.bool_]:
    """`hole` as bool, True = missing; see `threshold`."""
    return np.asarray(hole >= threshold(hole, name))
