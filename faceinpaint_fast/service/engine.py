"""The worker that owns the engine: one thread, which makes batches of the aligned faces that wait for it.

A face waits for company for a moment at most; while a batch is searched, the next one gathers.  Those of a batch are
alike: of one kind of numbers, and searched as long.  Results do not depend on the batch, so nobody can tell.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import out_of_memory
from faceinpaint_fast.pipeline import Inpainter, Inpainting
from faceinpaint_fast.service import refusal
from faceinpaint_fast.service.call import Call

NICE = 5  # of threads that work, over the one that answers
SEARCHES = 4  # kinds of searches by their iterations, whose graphs and steps are kept


@dataclass(slots=True, eq=False)
class Face:
    """An aligned face that waits to be restored.

    pixels      (H, W, 3), uint8 or float32 in [0, 1]
    missing     its hole (H, W)
    seed        of its search
    iterations  over z; None: those of the engine
    call        the request that it is of
    spread      how far from its guess the search begins
    done        what comes of it
    """

    pixels: NDArray[Any]
    missing: NDArray[np.bool_]
    seed: int
    iterations: int | None
    call: Call
    spread: float = 0.0
    done: Future[Inpainting[NDArray[Any]]] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)

    @property
    def kind(self) -> tuple[int | None, np.dtype[Any]]:
        """What it has in common with those of its batch."""
        return self.iterations, self.pixels.dtype


class Engine:
    """Restores faces by an `Inpainter`, in batches.

    batch    faces of a batch, at most; half of it when memory has run out
    window   seconds that a face waits for others
    batched  hears the size of each batch
    """

    def __init__(
        self,
        inpainter: Inpainter,
        *,
        batch: int,
        window: float,
        batched: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.inpainter, self.batch, self._window, self._batched = inpainter, batch, window, batched
        self._searches: OrderedDict[int | None, Inpainter] = OrderedDict({None: inpainter})
        self._waiting: deque[Face] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)

    def start(self) -> None:
        """Begins to work."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many faces wait."""
        return len(self._waiting)

    def submit(self, face: Face) -> Future[Inpainting[NDArray[Any]]]:
        """Has a face restored: its future has the result of the face alone, or a Refusal, or what went wrong."""
        with self._changed:
            if self._closed:
                face.done.set_exception(refusal.closing())
            else:
                self._waiting.append(face)
                self._changed.notify_all()
        return face.done

    def close(self) -> None:
        """Ends the work: what waits is refused, and what is searched is finished."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, deque()
            self._changed.notify_all()
        for face in waiting:
            if face.done.set_running_or_notify_cancel():
                face.done.set_exception(refusal.closing())
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        give_way()
        while faces := self._next():
            now = time.monotonic()
            # a face whose future was cancelled has been given up by who waits for it
            begun = [face for face in faces if face.done.set_running_or_notify_cancel()]
            for face in begun:
                face.call.took("queue", now - face.since)
            late = [face for face in begun if now >= face.call.until]
            for face in late:
                face.done.set_exception(refusal.late())
            if in_time := [face for face in begun if face not in late]:
                self._restore(in_time)
            # not held on to while the next ones are waited for
            del faces, begun, late, in_time

    def _next(self) -> list[Face]:
        """Returns the next batch, once it is full or its first face has waited long enough; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return []
            first = self._waiting[0]
            full = first.since + self._window

            def alike() -> list[Face]:
                return [face for face in self._waiting if face.kind == first.kind][: self.batch]

            while len(alike()) < self.batch and (left := full - time.monotonic()) > 0 and not self._closed:
                self._changed.wait(left)
            faces = alike()
            taken = set(map(id, faces))
            self._waiting = deque(face for face in self._waiting if id(face) not in taken)
            return faces

    def _restore(self, faces: Sequence[Face]) -> None:
        """Restores faces that are alike; a batch of which one fails is done in halves, so that it fails alone."""
        start = time.perf_counter()
        try:
            found = self._found(faces)
        except Exception as error:
            # without the frames that it came through, which hold on to memory
            raised = error.with_traceback(None)
        else:
            seconds = time.perf_counter() - start
            self._batched(len(faces))
            for face, one in zip(faces, found, strict=True):
                face.call.took("search", seconds)
                face.done.set_result(one)
            return
        half = len(faces) // 2
        if not half:
            faces[0].done.set_exception(raised)
            return
        if out_of_memory(raised):
            self.batch = min(self.batch, half)
        del raised
        self._restore(faces[:half])
        self._restore(faces[half:])

    def _found(self, faces: Sequence[Face]) -> list[Inpainting[NDArray[Any]]]:
        inpainter = self._search(faces[0].iterations)
        steps = inpainter.config.steps
        told = -1

        def heard(share: float) -> None:
            nonlocal told
            if (done := round(share * steps)) != told:
                told = done
                for face in faces:
                    face.call.heard("search", done, steps)

        found = inpainter(
            np.stack([face.pixels for face in faces]),
            np.stack([face.missing for face in faces]),
            seed=[face.seed for face in faces],
            spread=[face.spread for face in faces],
            progress=heard,
        )
        return list(found.each())

    def _search(self, iterations: int | None) -> Inpainter:
        """Returns what searches so long; those that were asked for last are kept."""
        if iterations not in self._searches:
            assert iterations is not None
            self._searches[iterations] = self.inpainter.iterating(iterations)
        self._searches.move_to_end(iterations)
        if len(self._searches) > SEARCHES:
            oldest = next(each for each in self._searches if each is not None)
            del self._searches[oldest]
        return self._searches[iterations]


def give_way() -> None:
    """Has this thread, and those that it begins, give way to the one that answers."""
    # elsewhere niceness is the process's
    if sys.platform == "linux":
        os.nice(NICE)
