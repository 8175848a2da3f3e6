"""Searches on a CUDA device: their courses as graphs, captured once a batch size and replayed in the same memory.

Batches are filled up to the next size of LADDER, so that a server that has met these meets no size that is new to it.
Larger ones are cut into parts of the largest, the last one filled up too: where a row stands decides nothing.  What
fills a batch up are rows that were there before; no kernel's result for a row depends on another's.

All graphs share the memory that they need on their way; what a course keeps is its size's own.  The sizes up to any
one add up to less than four times that one, and so does their memory.  Where even that is too much, the one that is
asked for stays alone.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from faceinpaint_fast.search.course import Course, Part

LADDER = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384, 512, 768, 1024)
LENGTH = 10  # iterations of a graph: so many are launched at once, and after so many their progress can be told

Replay = Callable[[], None]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a size: the course, the memory that it reads, and its parts, each to be replayed."""

    inputs: Sequence[Tensor]
    course: Course
    replays: Sequence[tuple[Part, Replay]]


class Graphs:
    """Courses in graphs, for several threads: they wait for each other.

    new         makes the course that reads this memory, tensors (B, ...)
    iterations  of a course
    """

    def __init__(self, new: Callable[[Sequence[Tensor]], Course], iterations: int) -> None:
        self._new, self._iterations = new, iterations
        self._pool: Any = None
        self._kept: dict[int, Kept] = {}
        self._lock = threading.Lock()
        self._last: torch.cuda.Event | None = None

    def run(
        self, inputs: Sequence[Tensor], taken: Callable[[Course, int], Result], progress: Callable[[float], None]
    ) -> list[Result]:
        """Returns what is taken of the course of these inputs, any number of rows: of each batch they are cut into.

        taken     copies what it wants of a course's first rows
        progress  hears the share that is done; of the last graph's iterations when they are sent to the device
        """
        count = len(inputs[0])
        size = rung(count)
        with self._lock, torch.cuda.device_of(inputs[0]):
            if self._last is not None:
                # another thread's search may be on its way, on another stream
                self._last.wait()
            kept = self._of(size, inputs)
            found = []
            try:
                for first in range(0, count, size):
                    rows = min(size, count - first)
                    for there, given in zip(kept.inputs, inputs, strict=True):
                        there[:rows].copy_(given[first : first + rows])
                    for share in self._replayed(kept):
                        progress((first + share * rows) / count)
                    found.append(taken(kept.course, rows))
            finally:
                self._last = marked()
        return found

    def _replayed(self, kept: Kept) -> Iterator[float]:
        """Sends all parts to the device, and yields the share of the iterations that is done, as `run` tells it.

        One graph waits there while another one runs.
        """
        sent = 0
        before: torch.cuda.Event | None = None
        for part, replay in kept.replays:
            for _ in range(part.times):
                replay()
                if part.iterations:
                    mark = marked()
                    if before is not None:
                        before.synchronize()
                        yield sent / self._iterations
                    before, sent = mark, sent + part.iterations
        yield 1.0

    def _of(self, size: int, inputs: Sequence[Tensor]) -> Kept:
        """Returns what is kept of this size."""
        if size not in self._kept:
            # filled up with the last row
            index = torch.arange(size, device=inputs[0].device).clamp(max=len(inputs[0]) - 1)
            full = [given[index] for given in inputs]
            if not self._make(size, full):
                self._kept.clear()
                self._make(size, full)
        return self._kept[size]

    def _make(self, size: int, inputs: Sequence[Tensor]) -> bool:
        """Captures a course of this size, if there is memory for it, or nothing else that could give way."""
        try:
            course = self._new(inputs)
            self._kept[size] = Kept(inputs, course, self._captured(course))
        except torch.OutOfMemoryError:
            if not self._kept:
                raise
        return size in self._kept

    def _captured(self, course: Course) -> list[tuple[Part, Replay]]:
        """Returns the parts of a course with what does each.

        From one on that cannot be captured they are called, with a warning that says why.
        """
        aside(partial(once, course))
        replays: list[tuple[Part, Replay]] = []
        capturing = True
        for part in course.parts(LENGTH):
            replay: Replay = part.do
            if capturing:
                try:
                    replay = captured(part.do, self._memory())
                except torch.OutOfMemoryError:
                    raise
                except RuntimeError as error:
                    reason = f"no CUDA graph, its kernels are launched one by one: {error}"
                    warnings.warn(f"generator: {reason}", stacklevel=2)
                    capturing = False
            replays.append((part, replay))
        return replays

    def _memory(self) -> Any:
        """Returns what all graphs share on their way."""
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        return self._pool


def captured(do: Callable[[], Any], pool: Any = None) -> Replay:
    """Returns what a function does on the device as one graph; its kernels have been launched before.

    pool  memory that it needs on its way; of graphs that share it one at a time may run
    """
    graph = torch.cuda.CUDAGraph()
    # what other threads do with the device meanwhile is no part of it
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        do()
    return graph.replay


def aside(do: Callable[[], Any]) -> None:
    """Does something on another stream, as what is captured later on was to be done before."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        do()
    torch.cuda.current_stream().wait_stream(stream)


def once(course: Course) -> None:
    """Does every part of a course once."""
    for part in course.parts(LENGTH):
        part.do()


def rung(count: int) -> int:
    """Returns the size of LADDER that so many rows are filled up to, or cut into."""
    return next((size for size in LADDER if size >= count), LADDER[-1])


def marked() -> torch.cuda.Event:
    """Returns an event behind what was sent to the device so far."""
    event = torch.cuda.Event()
    event.record()
    return event
