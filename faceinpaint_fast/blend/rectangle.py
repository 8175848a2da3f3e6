"""Poisson's equation on a rectangle, by its modes: sines, or cosines towards a side through which nothing flows.

A is the sum of a second difference along the rows and one down the columns, and each of them has eigenvectors in closed
form (Strang 1999, "The discrete cosine transform"): four products with small matrices are the whole solution.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend.equation import expect_reached


class Rectangle:
    """The equation on a hole (H, W), bool, that is a rectangle, whose finest level is `level`."""

    def __init__(self, hole: NDArray[np.bool_], level: _cpu.Grid) -> None:
        self._level = level
        rows, columns = (missing_part(np.asarray(hole.any(axis=axis))) for axis in (1, 0))
        self._corner = rows.start, columns.start
        (down, of_down), (across, of_across) = (
            modes(part.stop - part.start, part.start == 0, part.stop == size)
            for part, size in zip((rows, columns), hole.shape, strict=True)
        )
        inverse = (1 / (of_down[:, None] + of_across)).astype(np.float32)
        self._down, self._down_transposed = down, down.T.copy()
        self._across, self._across_transposed, self._inverse = map(in_vectors, (across, across.T, inverse))

    def workspace(self, xp: Any, planes: int) -> list[Any]:  # noqa: ARG002 - as OnPlanes has it
        """None is needed: it works in the cache."""
        return []

    def solve(self, f: Any, guidance: Any | None, tolerance: float, workspace: list[Any]) -> int:  # noqa: ARG002
        """Puts into the missing pixels of f what has the guidance as its Laplacian, and returns 1 cycle."""
        reached = np.empty(len(f))
        _cpu.solve_rectangle(
            self._level,
            *self._corner,
            self._down,
            self._down_transposed,
            self._across,
            self._across_transposed,
            self._inverse,
            f,
            guidance,
            tolerance,
            reached,
        )
        expect_reached("Poisson", reached, tolerance)
        return 1


def missing_part(missing: NDArray[np.bool_]) -> slice:
    """Returns the slice from the first True to the last."""
    return slice(int(missing.argmax()), len(missing) - int(missing[::-1].argmax()))


def in_vectors(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the matrix with zeros behind its rows, to a multiple of 16 numbers."""
    height, width = matrix.shape
    # not np.pad, which takes as long as a small hole's solution
    padded = np.zeros((height, width + -width % 16), matrix.dtype)
    padded[:, :width] = matrix
    return padded


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
