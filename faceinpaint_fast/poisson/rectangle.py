"""Poisson's equation on a rectangle, by its modes: sines, or cosines towards a side through which nothing flows.

A is the sum of a second difference along the rows and one down the columns, and each of them has eigenvectors in closed
form (Strang 1999, "The discrete cosine transform"); four products with small matrices are the whole solution.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import module_of


class Rectangle:
    """The inverse of A on a hole (H, W) that is a rectangle."""

    def __init__(self, hole: Any) -> None:
        xp = module_of(hole)
        self._rows, self._columns = (span(hole.any(axis=axis)) for axis in (1, 0))
        modes = [
            eigenvectors(part.stop - part.start, part.start == 0, part.stop == size)
            for part, size in zip((self._rows, self._columns), hole.shape, strict=True)
        ]
        (down, of_down), (across, of_across) = modes
        self._down, self._across = xp.asarray(down), xp.asarray(across)
        self._inverse = xp.asarray(1 / (of_down[:, None] + of_across)).astype(np.float32)

    def add_solution(self, r: Any, squares: Any, goal: Any, f: Any) -> int:
        """f += u with A u = r; see Multigrid.add_solution."""
        picked = r[:, 1:-1][:, self._rows, self._columns]
        planes = len(picked)

        def transform(lines: Any, vectors: Any) -> Any:
            """(planes, m, n) @ (n, n), with the two axes of the result swapped, as one product."""
            product = lines.reshape(-1, len(vectors)) @ vectors
            return product.reshape(planes, -1, len(vectors)).swapaxes(1, 2)

        modes = transform(transform(picked, self._across), self._down) * self._inverse
        u = transform(transform(modes, self._across.T), self._down.T)
        to = f[:, 1:-1][:, self._rows, self._columns]
        to += u * (squares > goal)[:, None, None]
        return 1


def span(missing: Any) -> slice:
    """From the first to the last True."""
    return slice(int(missing.argmax()), len(missing) - int(missing[::-1].argmax()))


@lru_cache(maxsize=64)
def eigenvectors(n: int, open_start: bool, open_end: bool) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Of minus the second difference on n points, 0 before a start and after an end that are not open: (n, n), (n,).

    The eigenvectors are the columns, of length 1; eigenvalues 2 - 2 cos of their frequency, ascending.
    """
    # an open end is a mirror half a point outside, another a zero one point outside
    place = np.arange(n)[:, None] + (0.5 if open_start else 1)
    length = n - 1 + (0.5 if open_start else 1) + (0.5 if open_end else 1)
    order = np.arange(n) + (0 if open_start and open_end else 0.5 if open_start or open_end else 1)
    frequency = np.pi * order / length
    vectors = np.cos(place * frequency) if open_start else np.sin(place * frequency)
    return (vectors / np.linalg.norm(vectors, axis=0)).astype(np.float32), 2 - 2 * np.cos(frequency)
