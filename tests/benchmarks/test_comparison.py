"""How two functions are compared."""

from __future__ import annotations

import pytest
import torch

from faceinpaint_fast.benchmarks import comparison
from faceinpaint_fast.benchmarks.comparison import NOISE, Comparison, Measurement, measure

CPU = torch.device("cpu")


def this_and_that(at_least=None, work=(1.0, 1.0), **options):
    return Comparison(
        what="this", rival="that", ours=lambda: None, theirs=lambda: None, at_least=at_least, work=work, **options
    )


def test_a_ratio_is_of_times_or_of_rates():
    assert Measurement(this_and_that(), 0.5, 2.0).ratio == pytest.approx(4)
    # 30 in half a second are 60 a second, 40 in 2 are 20
    assert Measurement(this_and_that(work=(30.0, 40.0)), 0.5, 2.0).ratio == pytest.approx(3)


def test_falling_short_is_by_more_than_noise():
    assert not Measurement(this_and_that(), 1.0, 0.1).falls_short
    assert not Measurement(this_and_that(at_least=2.0), 1.0, 2.0 * (1 - NOISE) + 0.01).falls_short
    assert Measurement(this_and_that(at_least=2.0), 1.0, 2.0 * (1 - NOISE) - 0.01).falls_short


def test_medians_of_either_in_turns(monkeypatch):
    """By a clock of our own, on which the first run of either in a turn, which is not counted, takes 0.9 seconds."""
    now, calls = [0.0], []
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: now[0])

    def takes(name, seconds):
        def run():
            now[0] += seconds if calls and calls[-1] == name else 0.9
            calls.append(name)

        return run

    ours, theirs = takes("ours", 1 / 512), takes("theirs", 1 / 128)
    measured = measure(Comparison(what="", rival="", ours=ours, theirs=theirs, at_least=None), CPU)
    assert (measured.ours, measured.theirs) == (1 / 512, 1 / 128)
    assert measured.theirs > measured.ours >= 0.001
    assert calls.count("ours") == calls.count("theirs")
    # neither waits until the other has done all
    assert calls.index("theirs") < len(calls) - 1 - calls[::-1].index("ours")


@pytest.mark.parametrize(("a_run", "runs"), [(16.0, 1), (2.0, 4), (0.5, 24), (0.001, 36)])
def test_slow_sides_run_less_often(a_run, runs, monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: now[0])

    def theirs():
        now[0] += a_run
        calls.append(a_run)

    slow = measure(Comparison(what="", rival="", ours=lambda: None, theirs=theirs, at_least=None), CPU)
    assert slow.theirs == pytest.approx(a_run)
    assert len(calls) == runs


def test_nothing_is_measured_that_is_wrong():
    def check():
        raise AssertionError("not the same")

    with pytest.raises(AssertionError, match="not the same"):
        measure(this_and_that(check=check), CPU)
