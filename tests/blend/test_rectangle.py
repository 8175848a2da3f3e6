"""A rectangle's modes against multigrid's answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend.conjugate_gradients import Multigrid
from faceinpaint_fast.blend.poisson import POISSON
from faceinpaint_fast.blend.rectangle import Rectangle
from faceinpaint_fast.blend.solver import Part, Solver, Workspace


@pytest.mark.parametrize("touching", list(itertools.product([False, True], repeat=4)))
def test_a_rectangle_s_modes_are_multigrid_s_answer(touching, rng):
    top, bottom, left, right = touching
    hole = np.zeros((50, 40), np.bool_)
    hole[0 if top else 7 : 50 if bottom else 31, 0 if left else 5 : 40 if right else 22] = True
    if hole.all():
        pytest.skip("nothing would be known")
    assert isinstance(Solver(hole[None], POISSON)._methods[0], Rectangle)
    levels = _cpu.levels(hole[None])
    target, source, v = rng.random((3, 2, 50, 40, 2))
    found = []
    for method in (Rectangle(hole, levels[0]), Multigrid(levels, _cpu)):
        out = target.copy()
        part = Part(*np.s_[:, :, :], hole[None], is_rectangle=True)
        Workspace(part, method, target).fill(target, source, v, 1e-12, out)
        found.append(out)
    # two answers within 1e-12 of the residual, times a condition of 10^3
    assert_allclose(*found, atol=1e-9)
