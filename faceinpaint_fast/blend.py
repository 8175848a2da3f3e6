"""Poisson blending, section 3.3 (Perez et al. 2003): the generated content, seamless in the hole.

Four steps: the gradient fields of I and T; merged by the mask, T's inside the hole; the divergence v of the merged
field; the Poisson equation  Laplacian(F) = v  solved for the missing pixels, with the known ones as boundary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import Array, ImageBatch
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.masks import holes_of
from faceinpaint_fast.poisson import PoissonSolver

TOLERANCE = 1e-5  # relative residual, about 0.003 grey levels


class Gradients(NamedTuple):
    """Differences along the edges between neighbouring pixels of an image (H, W, C)."""

    down: NDArray[np.float64]  # (H - 1, W, C)
    right: NDArray[np.float64]  # (H, W - 1, C)


def gradient_fields(image: NDArray[np.float64]) -> Gradients:
    """Step 1: the gradient of an image (H, W, C)."""
    return Gradients(np.diff(image, axis=0), np.diff(image, axis=1))


def merge(target: Gradients, source: Gradients, hole: NDArray[np.bool_]) -> Gradients:
    """Step 2: the source's gradient on every edge that touches the hole (H, W), the target's elsewhere."""
    down, right = hole[1:] | hole[:-1], hole[:, 1:] | hole[:, :-1]
    return Gradients(
        np.where(down[..., None], source.down, target.down), np.where(right[..., None], source.right, target.right)
    )


def divergence(field: Gradients) -> NDArray[np.float64]:
    """Step 3: what flows out of each pixel minus what flows in, (H, W, C); no flow across the image border."""
    rows, columns = ((0, 0), (1, 1), (0, 0)), ((1, 1), (0, 0), (0, 0))
    down = np.diff(np.pad(field.down, columns), axis=0)
    return down + np.diff(np.pad(field.right, rows), axis=1)


def blend_images(
    target: NDArray[Any], source: NDArray[Any], holes: NDArray[np.bool_], *, tolerance: float = TOLERANCE
) -> NDArray[np.float64]:
    """All four steps, on images (B, H, W, C) with holes (B, H, W); one set-up serves a run of equal holes."""
    blended = target.astype(np.float64)
    source = source.astype(np.float64)
    solver = None
    for image, drawn, hole in zip(blended, source, holes, strict=True):
        if not hole.any():
            continue
        if solver is None or not np.array_equal(solver.hole, hole):
            solver = PoissonSolver(hole)
        # whatever it is, Inf included, it must not take part
        image[hole] = 0
        v = divergence(merge(gradient_fields(image), gradient_fields(drawn), hole))
        image[hole] = solver.solve(v, image, tolerance=tolerance)
    return blended


def poisson_blend(target: Array, source: Array, hole: Array, *, tolerance: float = TOLERANCE) -> Array:
    """Fill the hole of `target` with the content of `source`, made seamless; section 3.3 of Qiang et al. 2019.

    target, source  images of one shape, float (any range) or uint8 (as 0 to 1), any number of channels; NumPy or CuPy
                    (H, W, C) or (B, H, W, C), torch (C, H, W) or (B, C, H, W)
    hole            (H, W), for all images, or (B, H, W); missing where True, float >= 0.5, uint8 >= 128
    tolerance       largest relative residual of the linear system, in float64

    Returns an array of target's kind, shape and dtype.  Known pixels come back bit for bit; what the hole contains
    does not matter.  uint8 results are rounded and clipped, float ones are as the equation has them.  Raises
    InputError for shapes that do not fit, a NaN or Inf that matters, and an image of which nothing is known.
    """
    into, out_of = ImageBatch.of(target, "target"), ImageBatch.of(source, "source")
    if into.pixels.shape != out_of.pixels.shape:
        raise InputError(f"source: expected target's shape, {into.pixels.shape}, got {out_of.pixels.shape}")
    if not tolerance > 0:
        raise InputError(f"tolerance: expected > 0, got {tolerance}")
    holes = holes_of(hole, into.count, *into.pixels.shape[1:3])
    check_finite(into.pixels, holes, "target")
    check_finite(out_of.pixels, np.zeros_like(holes), "source")

    return into.filled(blend_images(into.unit(), out_of.unit(), holes, tolerance=tolerance), holes)


def check_finite(pixels: NDArray[np.generic], holes: NDArray[np.bool_], name: str) -> None:
    """InputError naming the first image (B, H, W, C) with NaN or Inf outside its hole (B, H, W)."""
    bad = (~np.isfinite(pixels).all(axis=-1) & ~holes).any(axis=(1, 2))
    if bad.any():
        raise InputError(f"{name}[{int(bad.argmax())}]: expected finite numbers, got NaN or Inf outside the hole")
