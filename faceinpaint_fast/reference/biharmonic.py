"""Biharmonic blending (Damelin and Hoang 2018): the offset of the source goes on into the hole with its slope.

f = source + u, where u is target - source at the known pixels h' and makes the sum of (L u)^2 over all pixels least, L
being the Laplacian of the 4-neighbour grid, without an edge across the border.  That asks of the missing pixels h

    (L^2)_hh u_h = -(L^2)_hh' u_h'.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from faceinpaint_fast.reference.mask import known_pixels
from faceinpaint_fast.reference.poisson import laplacian

Array = NDArray[np.float64]


def biharmonic_blend(target: ArrayLike, source: ArrayLike, hole: ArrayLike) -> Array:
    """`target` with its hole filled by `source`, smoothly: (H, W, C) or (B, H, W, C), hole (H, W) or (B, H, W).

    What `target` holds in the hole never matters; its known pixels come back as they are.  Raises ValueError for an
    image without a known pixel: its solution is determined up to a constant only.
    """
    target, source = np.asarray(target, np.float64), np.asarray(source, np.float64)
    missing = np.broadcast_to(~known_pixels(hole), target.shape[:-1])
    if target.ndim == 4:
        return np.stack([biharmonic_blend(*image) for image in zip(target, source, missing, strict=True)])
    if missing.all():
        raise ValueError("hole: expected at least one known pixel, got none")
    result = target.copy()
    if not missing.any():
        return result
    H, W, C = target.shape
    inside = missing.ravel()
    L = laplacian(H, W)
    rows = (L @ L)[inside]
    offset = (target - source).reshape(-1, C)[~inside]
    u = splu(sparse.csc_array(rows[:, inside])).solve(-(rows[:, ~inside] @ offset))
    result[missing] = source[missing] + u
    return result
