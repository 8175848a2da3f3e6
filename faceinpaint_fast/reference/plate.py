"""Blends of fourth order, which meet the known pixels with their slopes too: biharmonic, and a plate under tension.

F = target at the known pixels h' and makes least the sum of (L F - c L S)^2 over all pixels and of tension ((F - S)_q -
(F - S)_p)^2 over all edges, S being the source and L the Laplacian of the 4-neighbour grid, without an edge across the
border.  With K = L^2 - tension L that asks of the missing pixels h

    K_hh F_h = (L (c L S - tension S))_h - K_hh' F_h'.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.ndimage import distance_transform_edt
from scipy.sparse.linalg import splu

from faceinpaint_fast.reference.mask import known_pixels
from faceinpaint_fast.reference.poisson import laplacian

DEPTH = 3.0

Array = NDArray[np.float64]


def biharmonic_blend(target: ArrayLike, source: ArrayLike, hole: ArrayLike) -> Array:
    """`target` with its hole filled by `source`, smoothly: (H, W, C) or (B, H, W, C), hole (H, W) or (B, H, W).

    c = 1 and no tension (Damelin and Hoang 2018): the offset F - S goes on into the hole with its slope.  What `target`
    holds in the hole never matters; its known pixels come back as they are.  Raises ValueError for an image without a
    known pixel: its solution is determined up to a constant only.
    """
    return _blend(target, source, hole, tension=0.0)


def tension_blend(target: ArrayLike, source: ArrayLike, hole: ArrayLike, *, tension: float) -> Array:
    """The same under tension (Franke 1985): smooth at the known pixels, the source's content further away.

    c = 1 - exp(-tension (d / DEPTH)^2) at a distance d from the nearest known pixel.
    """
    return _blend(target, source, hole, tension=tension)


def _blend(target: ArrayLike, source: ArrayLike, hole: ArrayLike, *, tension: float) -> Array:
    target, source = np.asarray(target, np.float64), np.asarray(source, np.float64)
    missing = np.broadcast_to(~known_pixels(hole), target.shape[:-1])
    if target.ndim == 4:
        return np.stack([_blend(*image, tension=tension) for image in zip(target, source, missing, strict=True)])
    if missing.all():
        raise ValueError("hole: expected at least one known pixel, got none")
    result = target.copy()
    if not missing.any():
        return result
    H, W, C = target.shape
    inside = missing.ravel()
    L = laplacian(H, W)
    K = (L @ L - tension * L)[inside]
    c = 1 - np.exp(-tension * (distance_transform_edt(missing).reshape(-1, 1) / DEPTH) ** 2) if tension else 1.0
    S = source.reshape(-1, C)
    expected = L @ (c * (L @ S) - tension * S)
    F_known = target.reshape(-1, C)[~inside]
    result[missing] = splu(sparse.csc_array(K[:, inside])).solve(expected[inside] - K[:, ~inside] @ F_known)
    return result
