"""What an equation tells the solver: how far it looks, what its source is to it, and what solves it where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend.operators import Operator


class Limits(NamedTuple):
    """Which method solves an image of which size."""

    whole: int  # images of so many pixels are solved whole, many holes at a time; larger ones where the hole is
    modes: int  # rectangles of so many rows and columns are solved by their modes, at a cost of n^3
    at_a_time: int  # of so many pixels the arrays of a solution stay in a cache, or are enough to keep a device busy


class OnPlanes(Protocol):
    """What solves an equation on the holes of a part, on padded planes (blend/planes.py) of offsets or images."""

    def solve(self, f: Any, guidance: Any | None, tolerance: float) -> int:
        """Puts the solution into the missing pixels of f and returns the most cycles that a plane took.

        f, guidance  (planes, H + 2, pitch) float64, f with 0 at the missing pixels; guidance None: 0
        tolerance    share of the residual's norm at f = 0 that may be left

        Raises ArithmeticError where float64 does not allow the tolerance.
        """


class Equation(NamedTuple):
    """What F has to meet at the missing pixels.

    reach     how many pixels away a missing pixel's equation looks
    guided    False: F - source is solved for, following a divergence or 0; True: F is, pulled to the source
    on_cpu    which method solves what there
    method    of what is missing, (holes, h, w), and whether that is a small rectangle: what solves the equation there
    operator  what a CUDA device has to know of it
    """

    reach: int
    guided: bool
    on_cpu: Limits
    method: Callable[[Any, bool], OnPlanes]
    operator: Operator


class OnCpu:
    """`OnPlanes` by a solver of `_cpu`, whose equation is called by that name in an error."""

    def __init__(self, equation: str, solver: _cpu.Multigrid | _cpu.Plates | _cpu.Rectangle) -> None:
        self._equation, self._solver = equation, solver

    def solve(self, f: NDArray[np.float64], guidance: NDArray[np.float64] | None, tolerance: float) -> int:
        """Puts the solution into the missing pixels of f and returns the most cycles that a plane took."""
        reached = np.empty(len(f))
        cycles = self._solver.solve(f, guidance, tolerance, reached)
        if not (reached <= tolerance).all():
            raise ArithmeticError(
                f"{self._equation} solve: expected a relative residual of {tolerance:g}, got {reached.max():.2g}"
            )
        return cycles
