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
    """The equation on a hole (H, W) that is a rectangle, whose finest level is `level`."""

    def __init__(self, hole: Any, level: Any) -> None:
        self._level = level
        xp = module_of(hole)
        self._rows, self._columns = (span(hole.any(axis=axis)) for axis in (1, 0))
        modes = [
            eigenvectors(part.stop - part.start, part.start == 0, part.stop == size)
            for part, size in zip((self._rows, self._columns), hole.shape, strict=True)
        ]
        (down, of_down), (across, of_across) = modes
        self._down, self._across = xp.asarray(down), xp.asarray(across)
        self._inverse = xp.asarray(1 / (of_down[:, None] + of_across)).astype(np.float32)

    def solve(self, f: Any, v: Any | None, r: Any, squares: Any, tolerance: float) -> int:
        """Laplacian(f) = v, as Multigrid.solve; how often it took the modes: twice where float32 does not do."""
        goal = tolerance**2 * squares
        times = 0
        while (unsolved := squares > goal).any():
            before = squares.copy()
            f[:, 1:-1][:, self._rows, self._columns] += self._inverse_of(r) * unsolved[:, None, None]
            self._level.residual(f, v, unsolved, r, squares)
            times += 1
            if not (squares <= np.maximum(goal, before / 4)).all():
                reached = float(np.sqrt(squares / goal)[unsolved].max()) * tolerance
                raise ArithmeticError(
                    f"Poisson solve: expected a relative residual of {tolerance:g}, got {reached:.2g}"
                )
        return times

    def _inverse_of(self, r: Any) -> Any:
        """(planes, h, w), float32: on the rectangle, u with A u = r."""
        picked = r[:, 1:-1][:, self._rows, self._columns]
        planes = len(picked)

        def transform(lines: Any, vectors: Any) -> Any:
            """(planes, m, n) @ (n, n), with the two axes of the result swapped, as one product."""
            product = lines.reshape(-1, len(vectors)) @ vectors
            return product.reshape(planes, -1, len(vectors)).swapaxes(1, 2)

        modes = transform(transform(picked, self._across), self._down) * self._inverse
        return transform(transform(modes, self._across.T), self._down.T)


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
