"""Poisson's equation, step 4 of section 3.3 (Perez et al. 2003, Eq. 4): the content of the source, seamless.

With the divergence v of a merged gradient field (blend/gradients.py), F equal to the target at the known pixels and L
the graph Laplacian of the image's 4-neighbour grid, no edge across the border,

    (L F)_p = v_p  at the missing pixels p.

Where the field is the source's own gradient, on every edge that touches the hole, u = F - source has L u = 0: it is the
offset target - source of the known pixels, brought into the hole as smoothly as can be.
"""

from __future__ import annotations

from typing import Any

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend import operators
from faceinpaint_fast.blend.equation import Equation, Limits, Method
from faceinpaint_fast.blend.rectangle import rectangle

ON_CPU = Limits(whole=128 * 128, modes=96, at_a_time=2**17)


def method(missing: Any, is_rectangle: bool) -> Method:
    """Returns what solves Poisson's equation on holes (holes, h, w): the modes of a rectangle, or multigrid."""
    return rectangle(missing[0]) if is_rectangle else _cpu.Multigrid(missing)


POISSON = Equation("Poisson", reach=1, guided=False, on_cpu=ON_CPU, method=method, operator=operators.POISSON)
