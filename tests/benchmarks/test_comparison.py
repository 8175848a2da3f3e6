"""How comparisons are measured and shown; and that what is compared does the same."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from faceinpaint_fast import PoissonSolver, reference
from faceinpaint_fast.benchmarks import blend as poisson_comparisons
from faceinpaint_fast.benchmarks import comparison as bench
from faceinpaint_fast.benchmarks.blend import batch, direct, linearity, multigrid, problem, seamless_clone
from faceinpaint_fast.benchmarks.comparison import NOISE, Measured, Row, markdown, measure
from faceinpaint_fast.benchmarks.search import assert_same_gradient, comparisons, images, user_pair

CPU = torch.device("cpu")


def row(at_least=None, work=(1.0, 1.0), **options):
    return Row(
        what="this", rival="that", ours=lambda: None, theirs=lambda: None, at_least=at_least, work=work, **options
    )


def test_a_ratio_is_of_times_or_of_rates():
    assert Measured(row(), 0.5, 2.0).ratio == pytest.approx(4)
    # 30 in half a second are 60 a second, 40 in 2 are 20
    assert Measured(row(work=(30.0, 40.0)), 0.5, 2.0).ratio == pytest.approx(3)


def test_falling_short_is_by_more_than_noise():
    assert not Measured(row(), 1.0, 0.1).falls_short
    assert not Measured(row(at_least=2.0), 1.0, 2.0 * (1 - NOISE) + 0.01).falls_short
    assert Measured(row(at_least=2.0), 1.0, 2.0 * (1 - NOISE) - 0.01).falls_short


def test_medians_of_either_in_turns(monkeypatch):
    """By a clock of our own, on which the first run of either in a turn, which is not counted, takes 0.9 seconds."""
    now, calls = [0.0], []
    monkeypatch.setattr(bench.time, "perf_counter", lambda: now[0])

    def takes(name, seconds):
        def run():
            now[0] += seconds if calls and calls[-1] == name else 0.9
            calls.append(name)

        return run

    ours, theirs = takes("ours", 1 / 512), takes("theirs", 1 / 128)
    measured = measure(Row(what="", rival="", ours=ours, theirs=theirs, at_least=None), CPU)
    assert (measured.ours, measured.theirs) == (1 / 512, 1 / 128)
    assert measured.theirs > measured.ours >= 0.001
    assert calls.count("ours") == calls.count("theirs")
    # neither waits until the other has done all
    assert calls.index("theirs") < len(calls) - 1 - calls[::-1].index("ours")


@pytest.mark.parametrize(("a_run", "runs"), [(16.0, 1), (2.0, 4), (0.5, 24), (0.001, 36)])
def test_slow_sides_run_less_often(a_run, runs, monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(bench.time, "perf_counter", lambda: now[0])

    def theirs():
        now[0] += a_run
        calls.append(a_run)

    slow = measure(Row(what="", rival="", ours=lambda: None, theirs=theirs, at_least=None), CPU)
    assert slow.theirs == pytest.approx(a_run)
    assert len(calls) == runs


def test_nothing_is_measured_that_is_wrong():
    def check():
        raise AssertionError("not the same")

    with pytest.raises(AssertionError, match="not the same"):
        measure(row(check=check), CPU)


def test_the_table():
    text = markdown([Measured(row(at_least=2.0), 0.001, 0.0012), Measured(row(), 0.5, 1.0)], {"threads": "1"})
    assert "| this | 1 ms | that | 1.2 ms | 1.20 | 2, missed |" in text
    assert "| this | 500 ms | that | 1e+03 ms | 2.00 |  |" in text
    assert "- threads: 1" in text


@pytest.mark.parametrize("name", ["iteration-1-fp32", "iteration-1-bf16", "pair-1", "ops-1", "batch-invariance"])
def test_what_is_compared_does_the_same(name):
    comparison = comparisons(CPU)[name]()
    comparison.check()
    comparison.ours()
    comparison.theirs()


@pytest.mark.parametrize("lost", ["SSIM", "L1"])
def test_a_gradient_without_one_of_its_parts_is_noticed(lost):
    x, y = images(CPU, (1, 3, 64, 64))
    whole = user_pair(x, y, with_l1=True)()
    of_ssim = user_pair(x, y, with_l1=False)()
    assert_same_gradient(whole, of_ssim + (x - y).sign(), x, y)
    with pytest.raises(AssertionError):
        assert_same_gradient(of_ssim if lost == "L1" else (x - y).sign(), whole, x, y)


POISSON = {
    "direct": partial(direct, "centre", 64, None),
    "direct, scattered": partial(direct, "drop-80", 64, None),
    "batch": partial(batch, 3),
    "multigrid": partial(multigrid, 64, 0.0),
    "clone": partial(seamless_clone, 64),
    "linearity": partial(linearity, 32, 16),
}


@pytest.fixture(params=POISSON)
def poisson_row(request):
    needs = {"multigrid": "pyamg", "clone": "cv2"}
    if request.param in needs:
        pytest.importorskip(needs[request.param])
    return POISSON[request.param]()


def test_poisson_rows_run_and_agree(poisson_row):
    poisson_row.check()
    poisson_row.ours()
    poisson_row.theirs()


@pytest.mark.parametrize("wrong", ["a missing pixel", "a known pixel", "all that is missing"])
def test_a_blend_that_is_wrong_is_noticed(poisson_row, wrong, monkeypatch):
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
        poisson_row.check()


@pytest.mark.parametrize("hole", ["centre", "left", "drop-80", "circle"])
def test_what_poisson_rows_are_checked_against_is_the_reference_s(hole):
    this = problem(hole, 40)
    assert_allclose(this.answer, reference.poisson_blend(*this.images, this.hole), atol=1e-12)


def test_poisson_rows_stay_away_with_their_rivals(monkeypatch):
    rivals = {"multigrid": "pyamg", "clone": "cv2"}
    for installed in ([], ["pyamg"], ["cv2"], ["pyamg", "cv2"]):
        monkeypatch.setattr(poisson_comparisons, "find_spec", lambda name, those=installed: name in those or None)
        kinds = {name.rpartition("-")[2] for name in comparisons(CPU) if name.startswith("poisson-")}
        assert {"centre", "scattered", "batch", "direct", "spsolve", "linearity"} <= kinds
        assert {kind for kind, rival in rivals.items() if rival in installed} == kinds & rivals.keys()
