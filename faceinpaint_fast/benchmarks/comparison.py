"""How two functions are compared, on the device at hand, and how comparisons are shown.

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

from faceinpaint_fast.markdown import page, table

NOISE = 0.1
TURNS, RUNS = 9, 3
LONG, ENOUGH = 1.0, 8.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Two functions to compare.

    at_least  what theirs / ours, in seconds, should be; None where the row only informs
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
class Measured:
    """A row with what came of it; medians, in seconds."""

    row: Row
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is; of rates, where the work differs."""
        return (self.row.work[0] / self.ours) / (self.row.work[1] / self.theirs)

    @property
    def falls_short(self) -> bool:
        """By more than noise."""
        return self.row.at_least is not None and self.ratio < self.row.at_least * (1 - NOISE)


def measure(row: Row, device: torch.device) -> Measured:
    row.check()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for function, column in zip((row.ours, row.theirs), times, strict=True):
            if sum(column) >= ENOUGH:
                continue
            first = seconds(function, device)
            column += [first] if first > LONG else [seconds(function, device) for _ in range(RUNS)]
    return Measured(row, *(statistics.median(column) for column in times))


def seconds(function: Callable[[], Any], device: torch.device) -> float:
    """Of one run, until the device has done it."""
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def markdown(measured: list[Measured], found: dict[str, str]) -> str:
    """Returns a page with a table of the comparisons, and below it what they were measured on."""
    rows = []
    for one in measured:
        wanted = "" if one.row.at_least is None else f"{one.row.at_least:g}{', missed' if one.falls_short else ''}"
        times = [f"{1e3 * seconds:.3g} ms" for seconds in (one.ours, one.theirs)]
        rows.append([one.row.what, times[0], one.row.rival, times[1], f"{one.ratio:.2f}", wanted])
    heads = ["what", "ours", "beside", "theirs", "ratio", "at least"]
    return page(table(heads, rows), found)
