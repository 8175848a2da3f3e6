"""The biharmonic equation on the missing pixels of images, and that of a thin plate under tension: continuous not in
value alone but in slope too.

L is the graph Laplacian of the whole image's 4-neighbour grid, no edge across the border.  With F = source + u the u
that is target - source at the known pixels and has the least sum of (L u)^2 over all pixels solves

    (L L u)_p = 0  at the missing pixels p

(Damelin and Hoang 2018, "On surface completion and image inpainting by biharmonic functions").  A thin plate F under
tension (Franke 1985, "Thin plate splines with tension") is pulled to the source's slopes, and bends as the source does
where the hole is deep: it has the least sum of (L F - c L source)^2 over all pixels and of tension ((F - source)_q -
(F - source)_p)^2 over all edges, that is

    (L (L F - c L source - tension (F - source)))_p = 0  at the missing pixels p,

with c = 1 - exp(-tension (d / DEPTH)^2), d being a pixel's distance from the nearest known one.  Either looks two
pixels far, and only there: a hole cut out with two known pixels around it has the whole image's equations.

The condition number grows with the fourth power of a hole's width, which float32 cannot follow: conjugate gradients
runs in float64, and only the V-cycle that preconditions it in float32 (csrc/blend/plate.hpp).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend.planes import inside, zeros
from faceinpaint_fast.blend.solver import Equation, Limits

# how far the residual comes down before it is taken anew from f
ROUND = 1e-12
# how deep a plate bends as the source does, in its reaches of 1 / sqrt(tension) pixels: docs/choices.md
DEPTH = 3.0


class Biharmonic:
    """The equation on one hole (1, H, W), bool, whose border is the image's or two known pixels away from it."""

    def __init__(self, missing: NDArray[np.bool_], _is_rectangle: bool, *, tension: float = 0.0) -> None:
        self._hole = _cpu.Biharmonic(missing[0], tension)
        self._tension = tension
        # c
        self._trust = -np.expm1(-tension * (distance_transform_edt(missing[0]) / DEPTH) ** 2) if tension else None

    def workspace(self, xp: Any, planes: int) -> list[Any]:
        """What `solve` works in: r."""
        return zeros(xp, planes, [(self._hole.height, self._hole.width)], np.float64)

    def solve(self, f: Any, source: Any | None, tolerance: float, workspace: list[Any]) -> int:
        """Put into the missing pixels of f, (planes, H + 2, pitch) float64, 0 there, what solves the equation.

        source     of f's shape, what a plate under tension is pulled to; None: 0
        tolerance  share of the residual's norm at f = 0 that may be left; the largest number of what a V-cycle finds in
                   it comes down to a hundred times that share
        workspace  a new one, or of another solution on this hole

        Returns the number of V-cycles it took.  Raises ArithmeticError where float64 does not allow that.
        """
        (r,), squares = workspace, np.zeros(len(f))
        expected = self._expected(source) if self._tension and source is not None else None
        self._hole.residual(f, expected, r, squares)
        goal, cycles = tolerance**2 * squares, 0
        while (squares > goal).any():
            before = squares.copy()
            # rounding comes on top of what a round is content with
            content = np.maximum(goal / 4, ROUND**2 * squares)
            cycles += self._hole.add_solution(r, squares, np.where(squares > goal, content, squares), f)
            self._hole.residual(f, expected, r, squares)
            if not (squares <= np.maximum(goal, before / 4)).all():
                reached = float(np.sqrt(squares / np.where(goal > 0, goal, 1)).max()) * tolerance
                raise ArithmeticError(
                    f"biharmonic solve: expected a relative residual of {tolerance:g}, got {reached:.2g}"
                )
        return cycles

    def _expected(self, source: Any) -> Any:
        """c L source - tension source."""
        pixels = inside(source, self._hole.width)
        expected = -self._tension * source
        inside(expected, self._hole.width)[:] += self._trust * laplacian(pixels)
        return expected


def laplacian(planes: Any) -> Any:
    """L of each plane (planes, H, W)."""
    beyond = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = beyond[:, 1:-1, 2:] + beyond[:, 1:-1, :-2]
    return across + beyond[:, 2:, 1:-1] + beyond[:, :-2, 1:-1] - 4 * planes


def under_tension(tension: float) -> Equation:
    """That of a thin plate, for images in place of divergences; BIHARMONIC is its limit without tension."""
    # every hole where it is, for its levels are its own
    limits = Limits(whole=0, modes=0, at_a_time=2**17)
    return Equation(reach=2, on_cpu=limits, method=partial(Biharmonic, tension=tension))


BIHARMONIC = under_tension(0.0)
