"""Solve A f = b on the missing pixels, by a sparse factor that is made once for a hole."""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg
from numpy.typing import NDArray

from faceinpaint_fast.poisson.laplacian import laplacian, neighbour_sum


class PoissonSolver:
    """The equation on one hole (H, W), not empty, ready for any right-hand side."""

    def __init__(self, hole: NDArray[np.bool_]) -> None:
        self.hole = hole
        self._laplacian = laplacian(hole)
        self._factor = scipy.sparse.linalg.splu(
            self._laplacian, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )

    def solve(
        self, divergence: NDArray[np.float64], known: NDArray[np.float64], *, tolerance: float
    ) -> NDArray[np.float64]:
        """f with Laplacian `divergence` (H, W, C) at the N missing pixels: (N, C).

        `known` (H, W, C) holds the values outside the hole and 0 inside.  Raises ArithmeticError, with the figure
        reached, if the relative residual ||b - A f|| / ||b||, in float64, is above `tolerance`.
        """
        # A is minus the Laplacian; the known neighbours move to the right
        right = neighbour_sum(known)[self.hole] - divergence[self.hole]
        solution: NDArray[np.float64] = self._factor.solve(right)
        residual = np.linalg.norm(right - self._laplacian @ solution)
        scale = np.linalg.norm(right)
        if not residual <= tolerance * scale:
            raise ArithmeticError(f"Poisson solve: expected a relative residual of {tolerance}, got {residual / scale}")
        return solution
