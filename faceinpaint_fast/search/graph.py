"""Searches on a CUDA device: their iterations as graphs, captured once a batch size and replayed in the same memory.

Batches are filled up to the next size of LADDER, so that a server that has met these meets no size that is new to it.
Larger ones are cut into parts of the largest, the last one filled up too: where a row stands decides nothing.  What
fills a batch up are rows that were there before; no kernel's result for a row depends on another's.

All graphs share the memory that an iteration needs on its way; what a search keeps is its size's own.  The sizes up to
any one add up to less than four times that one, and so does their memory.  Where even that is too much, the one that is
asked for stays alone.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

LADDER = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384, 512, 768, 1024)
LENGTH = 10  # iterations of a graph: so many are launched at once, and after so many their progress can be told
WARM_UP = 3  # iterations before a capture, by which every library has chosen its kernels


class Question(Protocol):
    """What a search is asked; each code, or a layer's activations, is a row.

    starts  (attempts, B, n), where each row begins, and begins again
    """

    @property
    def starts(self) -> Tensor:
        """Returns where rows begin, and begin again."""

    def rows(self, index: Tensor) -> Any:
        """Returns the question of these rows, in memory of its own."""


class Search(Protocol):
    """A search in memory that is its own from the first iteration to the last."""

    def begin(self, asked: Any) -> None:
        """Begins another search, of as many rows or fewer: the first ones."""

    def advance(self) -> None:
        """Does one iteration; nothing of it waits for the device."""

    def found(self, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what was found (rows, n), the losses (iterations, rows) and the attempts (rows,), copied."""


Replay = Callable[[], None]


class Graphs:
    """Searches in graphs, for several threads: they wait for each other.

    new         makes the search that is asked, in memory of its own
    iterations  of a search
    """

    def __init__(self, new: Callable[[Any], Search], iterations: int) -> None:
        self._new, self._lengths = new, lengths(iterations)
        self._capture = Capture()
        self._kept: dict[int, tuple[Search, dict[int, Replay]]] = {}
        self._lock = threading.Lock()
        self._last: torch.cuda.Event | None = None

    def run(self, asked: Question, progress: Callable[[float], None]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what `Search.found` returns of all that is asked, for any number of rows.

        progress  hears the share that is done; of the last graph's iterations when they are sent to the device
        """
        count = asked.starts.shape[1]
        size = rung(count)
        with self._lock, torch.cuda.device_of(asked.starts):
            if self._last is not None:
                # another thread's search may be on its way, on another stream
                self._last.wait()
            search, graphs = self._of(size, asked)
            found = []
            try:
                for first in range(0, count, size):
                    rows = min(size, count - first)
                    search.begin(asked if rows == count else asked.rows(indices(asked, first, rows)))
                    for share in self._replayed(graphs):
                        progress((first + share * rows) / count)
                    found.append(search.found(rows))
            finally:
                self._last = marked()
        z, losses, attempts = zip(*found, strict=True)
        return torch.cat(z), torch.cat(losses, dim=1), torch.cat(attempts)

    def _replayed(self, graphs: dict[int, Replay]) -> Iterator[float]:
        """Sends all iterations to the device, and yields the share of them that is done, as `run` tells it.

        One graph waits there while another one runs.
        """
        iterations, sent = sum(self._lengths), 0
        before: torch.cuda.Event | None = None
        for length in self._lengths:
            graphs[length]()
            mark = marked()
            if before is not None:
                before.synchronize()
                yield sent / iterations
            before, sent = mark, sent + length
        yield 1.0

    def _of(self, size: int, asked: Question) -> tuple[Search, dict[int, Replay]]:
        """Returns the search of this size and its graphs by their lengths."""
        if size not in self._kept:
            count = asked.starts.shape[1]
            # filled up with the last row
            full = asked.rows(indices(asked, 0, size).clamp(max=count - 1))
            if not self._make(size, full):
                self._kept.clear()
                self._make(size, full)
        return self._kept[size]

    def _make(self, size: int, asked: Question) -> bool:
        """Captures a search of this size, if there is memory for it, or nothing else that could give way."""
        try:
            search = self._new(asked)
            self._kept[size] = search, self._capture(search, asked, set(self._lengths))
        except torch.OutOfMemoryError:
            if not self._kept:
                raise
        return size in self._kept


class Capture:
    """Captures graphs, all of which use the same memory on their way: one at a time may run."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, search: Search, asked: Question, lengths: set[int]) -> dict[int, Replay]:
        """Returns so many iterations as one launch, for each of the lengths; the search is to begin anew.

        Where an iteration cannot be captured, it is called, with a warning that says why.
        """
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                search.begin(asked)
                search.advance()
        torch.cuda.current_stream().wait_stream(stream)
        return {length: self._graph(search.advance, length) for length in lengths}

    def _graph(self, advance: Callable[[], None], length: int) -> Replay:
        graph = torch.cuda.CUDAGraph()
        try:
            # what other threads do with the device meanwhile is no part of it
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                for _ in range(length):
                    advance()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            warnings.warn(f"generator: no CUDA graph, its kernels are launched one by one: {error}", stacklevel=2)
            return partial(_repeat, advance, length)
        self._pool = graph.pool()
        return graph.replay


def _repeat(advance: Callable[[], None], times: int) -> None:
    for _ in range(times):
        advance()


def rung(count: int) -> int:
    """Returns the size of LADDER that so many rows are filled up to, or cut into."""
    return next((size for size in LADDER if size >= count), LADDER[-1])


def lengths(iterations: int) -> list[int]:
    """Returns the iterations of one graph after the other."""
    whole, rest = divmod(iterations, LENGTH)
    return [LENGTH] * whole + ([rest] if rest else [])


def indices(asked: Question, first: int, count: int) -> Tensor:
    """Returns so many rows' numbers, (count,)."""
    return torch.arange(first, first + count, device=asked.starts.device)


def marked() -> torch.cuda.Event:
    """Returns an event behind what was sent to the device so far."""
    event = torch.cuda.Event()
    event.record()
    return event
