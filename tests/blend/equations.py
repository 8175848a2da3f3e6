"""Holes and images for the blends' equations, and what is right there: the reference's direct solve, a residual."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from faceinpaint_fast import masks, reference
from faceinpaint_fast._cpu import DEPTH
from faceinpaint_fast.blend.operators import POISSON, Operator, of_plate

# None: Poisson's equation; tensions with a polynomial of any degree, and without one
TENSIONS = [None, 0.0, 0.05, 0.1, 0.5, 50.0, 1e12]


def holes_of(height: int, width: int) -> np.ndarray:
    """Kinds of holes (N, H, W), easy and hard ones."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    one, wall = np.zeros((2, height, width), np.bool_)
    one[height // 2, width // 3] = wall[2:, width // 2] = True
    corner = (y == height - 1) & (x == width - 1)
    holes = [
        x < width // 2,
        (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 3) ** 2,
        masks.free_form((height, width), 1),
        *(rng.random((height, width)) < share for share in (0.2, 0.8, 0.99)),
        one,
        ~one,
        corner,
        ~corner,
        y % 8 > 0,
        (y % 16 != 5) | (x % 16 != 3),
        (y + x) % 2 == 0,
        ~wall,
        np.zeros_like(wall),
    ]
    return np.stack([hole for hole in holes if not hole.all()])


def exact(target: Any, source: Any, hole: Any, tension: float | None) -> np.ndarray:
    if tension is None:
        return reference.poisson_blend(target, source, hole)
    if tension == 0:
        return reference.biharmonic_blend(target, source, hole)
    return reference.tension_blend(target, source, hole, tension=tension)


def operator_of(tension: float | None) -> Operator:
    return POISSON if tension is None else of_plate(tension, DEPTH)


def laplacian(image: Any) -> Any:
    """L of an image (H, W)."""
    beyond = np.pad(image, 1, mode="edge")
    return beyond[2:, 1:-1] + beyond[:-2, 1:-1] + beyond[1:-1, 2:] + beyond[1:-1, :-2] - 4 * image


def interpolation(n: int) -> np.ndarray:
    """P of a line of n pixels, by its definition: (n, coarse n)."""
    P = np.zeros((n, (n + 1) // 2))
    for i in range(n):
        P[i, i // 2] += 0.5
        P[i, min((i + 1) // 2, P.shape[1] - 1)] += 0.5
    return P


def images(rng: np.random.Generator, holes: np.ndarray, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    target, source = rng.random((2, *holes.shape, channels))
    return target + np.linspace(0, 1, holes.shape[2])[:, None], source


def residual(found: Any, target: Any, source: Any, hole: Any, tension: float | None) -> float:
    """The norm of what F leaves of its equation, by the definition, beside that of F = source in the hole."""
    squares = distance_transform_edt(hole) ** 2

    def left(offset: Any) -> float:
        if tension is not None:
            offset = laplacian(offset) - tension * offset
            if tension:
                offset += np.exp(-tension * squares / DEPTH**2) * laplacian(source)
        return float(np.linalg.norm(laplacian(offset)[hole]))

    return left(found - source) / left(np.where(hole, 0, target - source))
