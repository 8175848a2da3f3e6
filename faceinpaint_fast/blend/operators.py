"""What a CUDA device has to know of an equation: its operator E on u = F - source, and what preconditions it.

Poisson's equation has E = A, minus the Laplacian of the image's grid; a plate's has E = A (flex A + pull).  What
preconditions it is p(A) V p(A), V being a cycle of Poisson's multigrid and p the Chebyshev polynomial of lowest degree
that is close to 1 / sqrt(flex A + pull) on A's eigenvalues.  Where that would be of a high degree, for a tension below
0.1, V V takes its place.
"""

from __future__ import annotations

import math
from typing import NamedTuple

# the polynomial is to be so close; of a higher degree there is none
CLOSE, MOST_DEGREE = 0.15, 8
# A's largest eigenvalue
LARGEST = 8


class Operator(NamedTuple):
    """E of an equation.

    order       1 Poisson's, 2 a plate's
    flex, pull  of E; Poisson's 0 and 1
    depth       a plate bends as its source by c = 1 - exp(-depth d^2) at d pixels from the nearest known one; 0: c = 1
    degree      of the polynomial; 0: there is none
    """

    order: int
    flex: float
    pull: float
    depth: float
    degree: int

    @property
    def error(self) -> float:
        """The largest number of the error, as a share of the correction, for a relative residual of 1."""
        return 10.0 if self.order == 1 else 100.0


POISSON = Operator(order=1, flex=0.0, pull=1.0, depth=0.0, degree=0)


def of_plate(tension: float, depth: float) -> Operator:
    """Returns E of a plate under this tension, >= 0, with DEPTH as blend/plate.py has it."""
    return Operator(2, 1 / (1 + tension), tension / (1 + tension), tension / depth**2, _degree(tension))


def _degree(tension: float) -> int:
    if tension == 0:
        return 0
    root = math.sqrt(LARGEST / tension + 1)
    # by which each degree brings an interpolation at Chebyshev's zeros closer
    rate = (root - 1) / (root + 1)
    degree = max(math.ceil(math.log(CLOSE) / math.log(rate)) - 1, 1)
    return degree if degree <= MOST_DEGREE else 0
