"""That blends are compared with what solves the same equations, and that a wrong one is noticed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceinpaint_fast import PoissonSolver, reference
from faceinpaint_fast.benchmarks.blend import batch, case, direct, linearity, multigrid, plate, seamless_clone

CASES = {
    "direct": partial(direct, "centre", 64, None),
    "direct, scattered": partial(direct, "drop-80", 64, None),
    "batch": partial(batch, 3),
    "multigrid": partial(multigrid, 64, 0.0),
    "clone": partial(seamless_clone, 64),
    "linearity": partial(linearity, 32, 16),
}


@pytest.fixture(params=CASES)
def comparison(request):
    needs = {"multigrid": "pyamg", "clone": "cv2"}
    if request.param in needs:
        pytest.importorskip(needs[request.param])
    return CASES[request.param]()


def test_what_is_compared_agrees(comparison):
    comparison.check()
    comparison.ours()
    comparison.theirs()


def test_the_default_blend_agrees():
    tension = plate("drop-80", 24, 2.0)
    tension.check()
    tension.ours()
    tension.theirs()


@pytest.mark.parametrize("wrong", ["a missing pixel", "a known pixel", "all that is missing"])
def test_a_blend_that_is_wrong_is_noticed(comparison, wrong, monkeypatch):
    blend = PoissonSolver.blend

    def off(self, target, source, **options):
        if wrong == "all that is missing":
            # pasted, not blended
            return np.where(self._hole[..., None], source, target)
        result = blend(self, target, source, **options)
        pixel = np.argwhere(self._hole if wrong == "a missing pixel" else ~self._hole)[0]
        result[..., *pixel, 0] += 2 if result.dtype == np.uint8 else 2e-4
        return result

    monkeypatch.setattr(PoissonSolver, "blend", off)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        comparison.check()


@pytest.mark.parametrize("hole", ["centre", "left", "drop-80", "circle"])
def test_what_comparisons_are_checked_against_is_the_reference_s(hole):
    this = case(hole, 40)
    assert_allclose(this.answer, reference.poisson_blend(*this.images, this.hole), atol=1e-12)
