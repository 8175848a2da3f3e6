"""A thin plate under tension, and the biharmonic equation, which is one without.

What fills the hole is continuous not in value alone but in slope too.

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
runs in float64, and only the V-cycle that preconditions it in float32 (csrc/blend/plate.hpp, which has DEPTH too).
"""

from __future__ import annotations

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend.equation import Equation, Limits
from faceinpaint_fast.blend.operators import of_plate

ON_CPU = Limits(whole=128 * 128, modes=0, at_a_time=2**16)


def under_tension(tension: float) -> Equation:
    """Returns the equation of a plate under this tension, >= 0, which follows its source if that is more than 0."""
    return Equation(
        "biharmonic",
        reach=2,
        guided=tension > 0,
        on_cpu=ON_CPU,
        method=lambda missing, _: _cpu.Plates(missing, tension),
        operator=of_plate(tension, _cpu.DEPTH),
    )


BIHARMONIC = under_tension(0.0)
