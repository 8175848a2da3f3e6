"""How two functions are compared, on the device at hand.

Both sides of a comparison are measured in one process, in turns of a few runs each after one that is not counted: in
use, either finds in the caches what it left there itself.  A run longer than LONG has little use of that: it is the
only one of its turn, and counts.  A side whose runs took ENOUGH has no more turns.  A ratio is that of medians.  On a
shared machine the ratios of two runs of this differ by up to NOISE.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

NOISE = 0.1
TURNS, RUNS = 9, 3
LONG, ENOUGH = 1.0, 8.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two functions to compare.

    at_least  what theirs / ours, in seconds, should be; None where the comparison only informs
    work      what ours and theirs do in a run, if not the same: the ratio is then that of rates
    check     raises AssertionError if ours does not give what it should
    """

    what: str
    rival: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    at_least: float | None
    work: tuple[float, float] = (1.0, 1.0)
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Measurement:
    """A comparison with the medians, in seconds, that its two sides took."""

    comparison: Comparison
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is; of rates, where the work differs."""
        ours, theirs = self.comparison.work
        return (ours / self.ours) / (theirs / self.theirs)

    @property
    def falls_short(self) -> bool:
        """Whether the ratio misses its aim by more than noise."""
        aim = self.comparison.at_least
        return aim is not None and self.ratio < aim * (1 - NOISE)


def measure(comparison: Comparison, device: torch.device) -> Measurement:
    """Returns what either side takes on the device, in seconds.

    Raises AssertionError, before anything is measured, if ours does not give what it should.
    """
    comparison.check()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for function, column in zip((comparison.ours, comparison.theirs), times, strict=True):
            if sum(column) >= ENOUGH:
                continue
            first = seconds(function, device)
            column += [first] if first > LONG else [seconds(function, device) for _ in range(RUNS)]
    return Measurement(comparison, *(statistics.median(column) for column in times))


def seconds(function: Callable[[], Any], device: torch.device) -> float:
    """Returns the seconds of a run, until the device has done it."""
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
