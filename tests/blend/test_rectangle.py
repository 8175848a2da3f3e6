"""A rectangle's modes against multigrid's answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend.planes import inside, zeros
from faceinpaint_fast.blend.poisson import POISSON
from faceinpaint_fast.blend.rectangle import rectangle
from faceinpaint_fast.blend.solver import Solver
from tests.csrc.calls import RECTANGLE


@pytest.mark.parametrize("touching", list(itertools.product([False, True], repeat=4)))
def test_a_rectangle_s_modes_are_multigrid_s_answer(touching, rng):
    top, bottom, left, right = touching
    hole = np.zeros((50, 40), np.bool_)
    hole[0 if top else 7 : 50 if bottom else 31, 0 if left else 5 : 40 if right else 22] = True
    if hole.all():
        pytest.skip("nothing would be known")
    assert isinstance(Solver(hole[None], POISSON)._methods[0], _cpu.Rectangle)
    f, v = zeros(np, 4, [(50, 40)] * 2, np.float64)
    inside(f, 40)[:, ~hole] = rng.random((4, (~hole).sum()))
    inside(v, 40)[...] = rng.random((4, 50, 40))
    found = []
    for solver in (rectangle(hole), _cpu.Multigrid(hole[None])):
        for guidance in (None, v):
            found.append(f.copy())
            reached = np.full(4, np.nan)
            assert solver.solve(found[-1], guidance, 1e-12, reached) >= 1
            assert (reached <= 1e-12).all()
            assert_array_equal(found[-1][:, 1:-1, :40][:, ~hole], f[:, 1:-1, :40][:, ~hole])
    # two answers within 1e-12 of the residual, times a condition of 10^3
    assert_allclose(found[:2], found[2:], atol=1e-9)


def test_what_a_rectangle_cannot_reach_is_told(rng):
    hole = np.zeros((20, 30), np.bool_)
    hole[4:15, 5:22] = True
    f, _ = zeros(np, 2, [(20, 30)] * 2, np.float64)
    # the second has nothing to do
    inside(f[:1], 30)[:, ~hole] = rng.random((~hole).sum())
    reached = np.full(2, np.nan)
    rectangle(hole).solve(f, None, 1e-20, reached)
    assert 1e-18 < reached[0] < 1e-14
    assert reached[1] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"missing": np.ones((1, 9, 8), np.bool_)}, r"missing: expected shape \(height, width\)"),
        ({"top": -1}, "top, left: expected a rectangle in the image"),
        ({"left": 5}, "top, left: expected a rectangle in the image"),
        ({"top": 2**63 - 1}, "top, left: expected a rectangle in the image"),
        ({"down": np.zeros((4, 3), np.float32)}, r"down: expected shape \(pixels, pixels\)"),
        ({"of_across": np.zeros(3)}, r"of_across: expected shape \(4\)"),
    ],
)
def test_what_is_no_rectangle_in_the_image_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        _cpu.Rectangle(**RECTANGLE | change)
