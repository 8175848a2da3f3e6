"""Poisson's equation on a rectangle, by its modes: sines, or cosines towards a side through which nothing flows.

A is the sum of a second difference along the rows and one down the columns, and each of them has eigenvectors in closed
form (Strang 1999, "The discrete cosine transform"): four products with small matrices are the whole solution.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import _cpu


def rectangle(hole: NDArray[np.bool_]) -> _cpu.Rectangle:
    """Returns the equation on a hole (H, W) that is a rectangle."""
    rows, columns = (missing_part(np.asarray(hole.any(axis=axis))) for axis in (1, 0))
    down, across = (
        modes(part.stop - part.start, part.start == 0, part.stop == size)
        for part, size in zip((rows, columns), hole.shape, strict=True)
    )
    return _cpu.Rectangle(hole, rows.start, columns.start, *down, *across)


def missing_part(missing: NDArray[np.bool_]) -> slice:
    """Returns the slice from the first True to the last."""
    return slice(int(missing.argmax()), len(missing) - int(missing[::-1].argmax()))


@lru_cache(maxsize=64)
def modes(n: int, open_start: bool, open_end: bool) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Returns eigenvectors and eigenvalues of minus the second difference on n points.

    A start or end that is not open has a 0 before or after it.  The eigenvectors, of length 1, are rows (n, n), the
    eigenvalues (n,) are 2 - 2 cos of their frequency.
    """
    # an open end is a mirror half a point outside, another a zero one point outside
    place = np.arange(n) + (0.5 if open_start else 1)
    length = n - 1 + (0.5 if open_start else 1) + (0.5 if open_end else 1)
    order = np.arange(n) + (0 if open_start and open_end else 0.5 if open_start or open_end else 1)
    frequency = np.pi * order / length
    vectors = (np.cos if open_start else np.sin)(place * frequency[:, None])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), 2 - 2 * np.cos(frequency)
