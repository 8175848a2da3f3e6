"""Conjugate gradients on the missing pixels of images, preconditioned by a multigrid cycle (Trottenberg et al. 2001).

Each level of the multigrid holds every second row and column of the one before, the even ones; a pixel of it is known
if it was known.  The missing ones are joined to their missing neighbours by edges of conductance k and to the known
pixels by a conductance g:  (A u)_p = g_p u_p + sum over the missing neighbours q of p of k (u_p - u_q).  On the finest
level k = 1 and g_p counts the known neighbours of p.  A coarser level has g_coarse = P^T g, P being bilinear
interpolation, and at least an edge to each known neighbour: what holds a pixel to the known ones is shared out among
the coarse pixels around it, so that known pixels that lie between the coarse ones, alone or in a line, still count.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from faceinpaint_fast.arrays import module_of
from faceinpaint_fast.blend.planes import zeros

MOST_CYCLES = 100
# the last correction makes the residual smaller by a factor that is larger than this
LAST = 3
# r is held in float32: when it has come down this far it is taken anew from f, in float64
WORN = 3e-6
# in the place of zero as a divisor
TINY = 1e-300
# the largest number of the error, as a share of the correction, for a relative residual of 1
ERROR = 10


class Multigrid:
    """Poisson's equation on the holes of these levels, finest first, with the kernels for where they lie."""

    def __init__(self, levels: list[Any], kernels: Any) -> None:
        self._levels, self._coarse = levels, levels[1:]
        self._kernels = kernels

    def solve(self, f: Any, guidance: Any | None, tolerance: float) -> int:
        """Puts into the missing pixels of f what has the guidance as its Laplacian.

        A small residual alone is no small error, but what a cycle finds in it is close to the error: its largest
        number comes down to ERROR times `tolerance` of what it is at first.
        """
        xp, planes = module_of(f), len(f)
        finest, second, *_ = self._levels
        size, *coarse = ((level.height, level.width) for level in self._levels)
        r, z, p, *below = zeros(xp, planes, [size] * 3 + coarse * 2, np.float32)
        b, u = below[: len(self._coarse)], below[len(self._coarse) :]
        squares, alpha, products, energies = (xp.zeros(planes) for _ in range(4))
        largest = xp.zeros(planes, np.float32)
        finest.residual(f, guidance, xp.ones(planes, bool), r, squares)
        goal = tolerance**2 * squares
        content, worn_at = LAST**2 * goal, WORN**2 * squares
        unsolved = squares > goal
        if not unsolved.any():
            return 0
        finest.restrict(r, second, b[0])
        for cycle in range(1, MOST_CYCLES + 1):
            before = products.copy()
            self._kernels.solve_coarse(self._coarse, b, u)
            finest.correct(r, second, u[0], z, products, energies, largest)
            if cycle == 1:
                enough = ERROR * tolerance * largest
            done = unsolved & (squares <= content) & (largest <= enough)
            if any_done := bool(done.any()):
                # the estimate of the error is its correction too
                f += z if done.all() else z * done[:, None, None]
                finest.residual(f, guidance, done, r, squares)
                unsolved &= ~done | (squares > goal)
                if not unsolved.any():
                    return cycle
            active = unsolved & ~done
            beta, alpha = _step(xp, active, alpha, before, products, energies)
            finest.advance(z, beta, alpha, p, f, r, squares, second, b[0])
            worn = active & (squares <= worn_at)
            if any_worn := bool(worn.any()):
                finest.residual(f, guidance, worn, r, squares)
                finest.restrict(r, second, b[0])
            if any_done or any_worn:
                checked = worn | done
                # since r was last true it has to have become smaller
                if (unsolved & checked & (squares > worn_at / WORN**2 / 4)).any():
                    break
                worn_at = xp.where(checked, WORN**2 * squares, worn_at)
        reached = float(np.sqrt(squares[unsolved] / goal[unsolved]).max()) * tolerance
        raise ArithmeticError(f"Poisson solve: expected a relative residual of {tolerance:g}, got {reached:.2g}")


def _step(xp: Any, active: Any, alpha: Any, before: Any, products: Any, energies: Any) -> tuple[Any, Any]:
    """Returns beta and alpha of the active planes' next step, and turns their z . A z (`energies`) into p . A p.

    That is from z . A z, so that nothing waits for the new p (Chronopoulos and Gear 1989).  A plane that made no step,
    whose alpha is 0, begins anew.
    """
    beta = products * (active & (alpha > 0)) / xp.maximum(before, TINY)
    energies -= beta * products / xp.maximum(alpha, TINY)
    return beta, products * (active & (energies > 0)) / xp.maximum(energies, TINY)
