"""Blending, section 3.3 (Perez et al. 2003): the f that solves  laplace f = div v  in the hole, f = I outside of it.

The guidance v is the gradient of the source on every edge between 4-neighbours that touches the hole.  Written out,
at each missing pixel p, over its 4-neighbours q inside the image, of which the known ones have f = I:

    sum_q (f(q) - f(p)) = sum_q (source(q) - source(p)).

A neighbour beyond the border takes part on neither side: no flux leaves the image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from faceinpaint_fast.reference.mask import known_pixels

Array = NDArray[np.float64]
Field = tuple[Array, Array]  # on the edges down the columns (H - 1, W, C) and along the rows (H, W - 1, C)


def poisson_blend(target: ArrayLike, source: ArrayLike, hole: ArrayLike) -> Array:
    """`target` with its hole filled by `source`, seamlessly: (H, W, C) or (B, H, W, C), hole (H, W) or (B, H, W).

    What `target` holds in the hole never matters; its known pixels come back as they are.  Raises ValueError for an
    image without a known pixel: its solution is determined up to a constant only.
    """
    target, source = np.asarray(target, np.float64), np.asarray(source, np.float64)
    missing = np.broadcast_to(~known_pixels(hole), target.shape[:-1])
    if target.ndim == 4:
        return np.stack([poisson_blend(*image) for image in zip(target, source, missing, strict=True)])
    if missing.all():
        raise ValueError("hole: expected at least one known pixel, got none")
    target = np.where(missing[..., None], 0.0, target)
    guidance = merge(gradient(target), gradient(source), missing)
    return solve(divergence(guidance), target, missing)


def gradient(image: Array) -> Field:
    """Step 1: the differences along every edge."""
    return np.diff(image, axis=0), np.diff(image, axis=1)


def merge(of_target: Field, of_source: Field, missing: NDArray[np.bool_]) -> Field:
    """Step 2: the source's gradient on every edge that touches a missing pixel, the target's on all others."""
    down = (missing[1:] | missing[:-1])[..., None]
    along = (missing[:, 1:] | missing[:, :-1])[..., None]
    return np.where(down, of_source[0], of_target[0]), np.where(along, of_source[1], of_target[1])


def divergence(field: Field) -> Array:
    """Step 3: at each pixel the field on its edges ahead less that on its edges behind; 0 across the border."""
    down, along = field
    down = np.pad(down, [(1, 1), (0, 0), (0, 0)])
    along = np.pad(along, [(0, 0), (1, 1), (0, 0)])
    return np.diff(down, axis=0) + np.diff(along, axis=1)


def solve(div: Array, target: Array, missing: NDArray[np.bool_]) -> Array:
    """Step 4: laplace f = div at the missing pixels, with the known pixels of `target` as boundary."""
    if not missing.any():
        return target
    H, W, C = target.shape
    inside = missing.ravel()
    rows = laplacian(H, W)[inside]
    boundary = rows[:, ~inside] @ target.reshape(-1, C)[~inside]
    result = target.copy()
    result[missing] = splu(sparse.csc_array(rows[:, inside])).solve(div[missing] - boundary)
    return result


def laplacian(height: int, width: int) -> sparse.csr_array:
    """Returns f -> at each pixel the sum of f(q) - f(p) over its 4-neighbours q inside the image."""
    return sparse.csr_array(
        sparse.kron(_second_difference(height), sparse.eye_array(width))
        + sparse.kron(sparse.eye_array(height), _second_difference(width))
    )


def _second_difference(n: int) -> sparse.csr_array:
    """Returns f -> the sum of f(q) - f(p) over the one or two neighbours q of p on a line of n pixels."""
    forward = sparse.eye_array(n - 1, n, k=1) - sparse.eye_array(n - 1, n)
    return sparse.csr_array(-forward.T @ forward)
