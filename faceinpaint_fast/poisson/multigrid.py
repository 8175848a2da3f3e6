"""Conjugate gradients on the missing pixels of images, preconditioned by a multigrid V-cycle (Trottenberg et al. 2001).

Each level of the multigrid holds every second row and column of the one before, the even ones; a pixel of it is known
if it was known.  The missing ones are joined to their missing neighbours by edges of conductance k and to the known
pixels by a conductance g:  (A u)_p = g_p u_p + sum over the missing neighbours q of p of k (u_p - u_q).  On the finest
level k = 1 and g_p counts the known neighbours of p.  A coarser level has g_coarse = P^T g, P being bilinear
interpolation: what holds a pixel to the known ones is shared out among the coarse pixels around it, so that known
pixels that lie between the coarse ones, alone or in a line, still count.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from faceinpaint_fast.arrays import module_of
from faceinpaint_fast.poisson.planes import zeros

MOST_CYCLES = 30


class Multigrid:
    """The inverse of A, from its levels, finest first."""

    def __init__(self, levels: list[Any]) -> None:
        self._levels = levels

    def add_solution(self, r: Any, squares: Any, goal: Any, f: Any) -> int:
        """f += u with A u = r, to r . r <= goal; the number of V-cycles that it took.

        r        (planes, H + 2, pitch) float32; what is left of it afterwards
        squares  (planes,) float64, r . r before and afterwards
        goal     (planes,) float64; planes that have reached it stay as they are
        f        (planes, H + 2, pitch) float64

        A small residual is no small error.  What a V-cycle finds in the residual is close to the error: its largest
        number must come down too, to ten times the share that the residual's norm comes down to.
        """
        xp, planes = module_of(f), len(f)
        b, u = ([zeros(xp, planes, a.height, a.width, np.float32) for a in self._levels] for _ in range(2))
        b[0] = r
        p = zeros(xp, planes, self._levels[0].height, self._levels[0].width, np.float32)
        products, energies, largest = xp.zeros(planes), xp.zeros(planes), xp.zeros(planes, np.float32)
        wanted = squares > goal
        share = 10 * xp.sqrt(goal / xp.where(wanted, squares, 1))
        beta = xp.zeros(planes, np.float32)
        for cycle in range(1, MOST_CYCLES + 1):
            before = products.copy()
            self._cycle(b, u, products, largest)
            if cycle == 1:
                enough = share * largest
            active = wanted & ((squares > goal) | (largest > enough))
            if not active.any():
                # the estimate of the error is its correction too
                f += u[0] if wanted.all() else u[0] * wanted[:, None, None]
                break
            if cycle > 1:
                beta = (products / xp.where(active, before, 1)).astype(np.float32)
            self._levels[0].direction(u[0], beta, p, energies)
            alpha = xp.where(active, products / xp.where(active, energies, 1), 0)
            self._levels[0].advance(p, alpha, f, r, squares)
        return cycle

    def _cycle(self, b: list[Any], u: list[Any], products: Any, largest: Any) -> None:
        """A V-cycle: u[0], an answer to b[0], with b . u and the largest |u| of each plane."""
        for k, (fine, coarse) in enumerate(pairwise(self._levels)):
            fine.restrict(b[k], coarse, b[k + 1])
        self._levels[-1].correct(b[-1], None, None, u[-1], products, largest)
        for k in range(len(b) - 2, -1, -1):
            self._levels[k].correct(b[k], self._levels[k + 1], u[k + 1], u[k], products, largest)
