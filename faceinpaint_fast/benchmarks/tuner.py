"""Which way of cutting a kernel's work is fastest on the card at hand: measured, and written down as a table.

A family is kernels that are cut alike.  Of every case the likeliest candidate is tried first, then the second of every
case, and so on until the time is up: what there was no time for is worse known, not unknown.  A candidate counts if its
result is the plain op's.  Compiling, which takes most of the time, is done by all processors at once, measuring by one.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Protocol

import torch

from faceinpaint_fast import tuning
from faceinpaint_fast.tuning import Card, Choice, Table

SECONDS = 85.0  # for all; a family's checks may end a little later
BATCHES = (1, 4, 16, 64, 256, 1024)
REPLAYS = 7
LAUNCHES = 20  # of one candidate in a graph: as in use, each finds the caches as its like has left them
HOPELESS = 2.0  # times the best so far: not worth more than one replay
VERSIONS = ("faceinpaint_fast", "torch", "triton")


class Family(Protocol):
    """Kernels that are cut alike; cases are frozen dataclasses with `rows`, candidates too, or names."""

    @property
    def name(self) -> str:
        """What a table calls them."""

    def cases(self, batches: Sequence[int]) -> Iterable[Any]:
        """Returns what is asked of the kernels at these sizes of batches, in either precision."""

    def candidates(self, case: Any) -> Iterable[Any]:
        """Returns ways to cut it, the likeliest first."""

    def launch(self, case: Any, candidate: Any) -> Callable[[], Any]:
        """Returns what does it once, in memory that stays where it is; several may be made at once."""

    def check(self, case: Any, launch: Callable[[], Any]) -> None:
        """Raises AssertionError unless the result is the plain op's."""


class Clock(Protocol):
    """Tells the time, and how long the device takes."""

    def now(self) -> float:
        """Returns seconds since some beginning."""

    def seconds(self, launch: Callable[[], Any], best: float) -> float:
        """Returns what a launch takes; `best` of the others took so long."""


class GraphClock:
    """Medians of replays of a CUDA graph."""

    def now(self) -> float:
        """Returns the clock's seconds."""
        return time.monotonic()

    def seconds(self, launch: Callable[[], Any], best: float) -> float:
        """Returns the median of a launch within a graph of LAUNCHES; fewer replays where it is far from the best."""
        graph = torch.cuda.CUDAGraph()
        # what other threads still do with the device is no part of it
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            for _ in range(LAUNCHES):
                launch()
        graph.replay()
        times: list[float] = []
        while len(times) < REPLAYS:
            begun, done = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begun.record()
            graph.replay()
            done.record()
            done.synchronize()
            times.append(begun.elapsed_time(done) / LAUNCHES / 1e3)
            if times[-1] > HOPELESS * best:
                break
        return statistics.median(times)


@dataclass(slots=True)
class Tuned:
    """A case on its way: the candidates that are left, and the best so far."""

    family: Family
    case: Any
    left: Iterator[Any]
    best: Any = None
    seconds: float = float("inf")
    tried: int = 0

    def take(self, candidate: Any, seconds: float) -> None:
        """Keeps a candidate if it is the best so far."""
        self.tried += 1
        if seconds < self.seconds:
            self.best, self.seconds = candidate, seconds

    @property
    def choice(self) -> Choice:
        """The best as a line of the table."""
        return Choice(self.family.name, named(self.case), named(self.best), round(1e6 * self.seconds, 2))


def tune(families: Sequence[Family], device: torch.device, report: Callable[[str], None]) -> Table:
    """Measures on a CUDA device, writes the table into the user's folder and returns it; `report` hears of it."""
    card = Card.of(device)
    with torch.cuda.device(device):
        table = measure(families, card, report, GraphClock())
    path = tuning.users() / card.file
    table.write(path)
    tuning.table_of.cache_clear()
    report(f"{len(table.choices)} choices for {card.name}: {path}")
    return table


def measure(
    families: Sequence[Family],
    card: Card,
    report: Callable[[str], None],
    clock: Clock,
    seconds: float = SECONDS,
) -> Table:
    """Returns the table of the card, which is the current device; `report` hears what was found, and what was wrong."""
    end = clock.now() + seconds
    cases = [
        Tuned(family, case, iter(family.candidates(case))) for family in families for case in family.cases(BATCHES)
    ]
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        for few in turns(cases, threads):
            if clock.now() > end:
                break
            launches = pool.map(lambda pair: prepared(pair[0], pair[1], report), few)
            # nothing else is to run on the device while one is measured
            for (tuned, candidate), launch in zip(few, list(launches), strict=True):
                if launch is not None:
                    tuned.take(candidate, clock.seconds(launch, tuned.seconds))
    known = [tuned for tuned in cases if tuned.tried]
    for tuned in known:
        line = tuned.choice
        report(f"{line.kernel} {show(line.case)}: {show(line.choice)}, {line.microseconds} us, best of {tuned.tried}")
    if len(known) < len(cases):
        report(f"{len(cases) - len(known)} of {len(cases)} cases: nothing was measured")
    return Table(card, made_with(), tuple(tuned.choice for tuned in known))


def turns(cases: Sequence[Tuned], size: int) -> Iterator[Sequence[tuple[Tuned, Any]]]:
    """Yields every case's next candidate, so many at a time, round after round, until there is none."""
    nothing = object()
    while pairs := [(tuned, next(tuned.left, nothing)) for tuned in cases]:
        pairs = [(tuned, candidate) for tuned, candidate in pairs if candidate is not nothing]
        for first in range(0, len(pairs), size):
            yield pairs[first : first + size]
        cases = [tuned for tuned, _ in pairs]


def prepared(tuned: Tuned, candidate: Any, report: Callable[[str], None]) -> Callable[[], Any] | None:
    """Returns the launch of a candidate, compiled and checked; None where it is not to be had, which is reported."""
    try:
        launch = tuned.family.launch(tuned.case, candidate)
        tuned.family.check(tuned.case, launch)
    # a card may have too little shared memory for it, a compiler may refuse it
    except Exception as error:
        what = "wrong" if isinstance(error, AssertionError) else "not possible"
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        report(f"{tuned.family.name} {show(named(tuned.case))}: {show(named(candidate))} is {what}: {reason}")
        return None
    return launch


def made_with() -> Mapping[str, str]:
    """Returns the day, and with what."""
    versions = {name: importlib.metadata.version(name) for name in VERSIONS}
    return {"date": datetime.date.today().isoformat(), **versions, "cuda": str(torch.version.cuda)}


def named(value: Any) -> Any:
    """Returns a case or a candidate as it stands in a table."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def show(value: Any) -> str:
    """Returns a case or a candidate on a line of text."""
    return " ".join(f"{name}={part}" for name, part in value.items()) if isinstance(value, Mapping) else str(value)
