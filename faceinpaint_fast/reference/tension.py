"""Blending as a thin plate under tension (Franke 1985): smooth at the known pixels, the source's slopes further away.

F = target at the known pixels h' and makes least the sum of (L F)^2 over all pixels and of tension ((F - S)_q -
(F - S)_p)^2 over all edges, S being the source and L the Laplacian of the 4-neighbour grid, without an edge across the
border.  With K = L^2 - tension L that asks of the missing pixels h

    K_hh F_h = -(tension L S)_h - K_hh' F_h'.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from faceinpaint_fast.reference.mask import known_pixels
from faceinpaint_fast.reference.poisson import laplacian

Array = NDArray[np.float64]


def tension_blend(target: ArrayLike, source: ArrayLike, hole: ArrayLike, *, tension: float) -> Array:
    """`target` with its hole filled in the manner of `source`: (H, W, C) or (B, H, W, C), hole (H, W) or (B, H, W).

    What `target` holds in the hole never matters; its known pixels come back as they are.  Raises ValueError for an
    image without a known pixel: its solution is determined up to a constant only.
    """
    target, source = np.asarray(target, np.float64), np.asarray(source, np.float64)
    missing = np.broadcast_to(~known_pixels(hole), target.shape[:-1])
    if target.ndim == 4:
        return np.stack([tension_blend(*image, tension=tension) for image in zip(target, source, missing, strict=True)])
    if missing.all():
        raise ValueError("hole: expected at least one known pixel, got none")
    result = target.copy()
    if not missing.any():
        return result
    H, W, C = target.shape
    inside = missing.ravel()
    L = laplacian(H, W)
    K = (L @ L - tension * L)[inside]
    pull = -tension * (L[inside] @ source.reshape(-1, C))
    F_known = target.reshape(-1, C)[~inside]
    result[missing] = splu(sparse.csc_array(K[:, inside])).solve(pull - K[:, ~inside] @ F_known)
    return result
