"""Pictures restored: they are read ahead, restored, written behind, and each has its line in a manifest."""

from __future__ import annotations

import errno
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from faceinpaint_fast import holes
from faceinpaint_fast.ahead import Ahead
from faceinpaint_fast.arrays import out_of_memory
from faceinpaint_fast.batches import partly_known
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.folders.engine import Damaged, Engine, Restored
from faceinpaint_fast.folders.manifest import Record, record_of
from faceinpaint_fast.folders.plan import Item, Task
from faceinpaint_fast.folders.sources import Stored, opened
from faceinpaint_fast.picture_file import PictureFile

READERS, WRITERS = 4, 2  # threads
ROOM = 2**29  # bytes of pictures that may wait for the engine
FULL = {errno.ENOSPC, errno.EDQUOT}  # what a disk says that takes no more


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A picture with what is damaged in it, and what there is to say of that."""

    item: Item
    picture: PictureFile
    damaged: Damaged
    remarks: Sequence[str]

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return int(self.picture.levels.nbytes + self.damaged.pixels.nbytes + self.damaged.missing.nbytes)


@dataclass(frozen=True, slots=True, eq=False)
class _Unread:
    """A picture that cannot be read, or its hole."""

    item: Item
    error: Exception
    nbytes: int = 0


@dataclass(slots=True, eq=False)
class Work:
    """A run through pictures: what it works with, and how far it is.

    task      what is asked of them
    engine    what restores them
    add       adds the line of a picture to a manifest, and is called by several threads
    keys      of the lines, by the pictures' names
    on_done   hears the line of each picture, from several threads, one at a time
    stopped   says between two batches whether to leave it at that
    restored  pictures so far
    failed    pictures that could not be restored
    full      what said that nothing more can be written; None: nothing did
    """

    task: Task
    engine: Engine
    add: Callable[[Record], None]
    keys: Mapping[Path, str]
    on_done: Callable[[Record], None] = lambda _: None
    stopped: Callable[[], bool] = lambda: False
    restored: int = 0
    failed: int = 0
    full: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: list[Future[None]] = field(default_factory=list)

    def through(self, items: Sequence[Item]) -> None:
        """Restores all of them, unless it is stopped or ends."""
        most = 2 * self.task.batch + READERS
        reading = Ahead(items, self._load, size=lambda each: each.nbytes, threads=READERS, most=most, room=ROOM)
        # a batch is of one kind of numbers
        waiting: dict[np.dtype[Any], list[_Loaded]] = defaultdict(list)
        with ThreadPoolExecutor(WRITERS) as writers, reading as read:
            for loaded in read:
                if self._ends():
                    break
                if isinstance(loaded, _Unread):
                    self._hand_over(writers, [partial(self._failed, loaded.item, loaded.error)])
                elif self.engine.is_aligned(loaded.damaged):
                    alike = waiting[loaded.damaged.pixels.dtype]
                    alike.append(loaded)
                    if len(alike) >= self.engine.batch:
                        self._restore(writers, waiting.pop(loaded.damaged.pixels.dtype))
                else:
                    self._restore(writers, [loaded])
            for alike in waiting.values():
                if not self._ends():
                    self._restore(writers, alike)
            self._wait()

    def _ends(self) -> bool:
        enough = self.failed > 0 and self.task.on_error == "fail"
        return enough or self.full is not None or self.stopped()

    def _load(self, item: Item) -> _Loaded | _Unread:
        """Reads a picture and its hole; called by several threads."""
        try:
            if isinstance(item.hole, InputError):
                raise item.hole
            picture = PictureFile.read(opened(item.where), name=str(item.where))
            missing, found = holes.read_hole(
                str(item.hole),
                picture,
                item.seed,
                invert=self.task.invert,
                force=self.task.force,
                source=item.hole.open() if isinstance(item.hole, Stored) else None,
            )
            (height, width), (rows, columns) = picture.levels.shape[:2], missing.shape
            if (height, width) != (rows, columns):
                raise InputError(f"{item.hole}: expected {width}x{height} pixels, as its picture, got {columns}x{rows}")
            damaged = Damaged(pixels=picture.pixels, missing=partly_known(missing), seed=item.seed)
            return _Loaded(item, picture, damaged, [found] if found else [])
        except Exception as error:
            return _Unread(item, error.with_traceback(None))

    def _restore(self, writers: ThreadPoolExecutor, loaded: Sequence[_Loaded]) -> None:
        """Restores pictures, and has them written."""
        start = time.monotonic()
        found = self.engine.restore([each.damaged for each in loaded])
        seconds = (time.monotonic() - start) / len(loaded)
        pairs = zip(loaded, found, strict=True)
        self._hand_over(writers, [partial(self._written, each, restored, seconds) for each, restored in pairs])

    def _hand_over(self, writers: ThreadPoolExecutor, lines: Sequence[Callable[[], Record]]) -> None:
        """Has lines written, with what they come of, once those before them are."""
        self._wait()
        self.writing = [writers.submit(self._add, line) for line in lines]

    def _wait(self) -> None:
        for each in self.writing:
            each.result()
        self.writing = []

    def _add(self, line: Callable[[], Record]) -> None:
        """Adds the line of a picture to the manifest; called by several threads."""
        try:
            record = line()
            self.add(record)
        except Exception as error:
            # nothing else could be written either: it is not this picture that failed
            self.full = _said(error)
            return
        with self.lock:
            self.restored += record["error"] is None
            self.failed += record["error"] is not None
            self.on_done(record)

    def _failed(self, item: Item, error: Exception, remarks: Sequence[str] = ()) -> Record:
        return record_of(item, self.keys[item.name], remarks=remarks, error=_said(error))

    def _written(self, loaded: _Loaded, found: Restored | Exception, seconds: float) -> Record:
        """Writes a restored picture, and returns its line; raises what says that there is no room for it."""
        item, remarks = loaded.item, [*loaded.remarks]
        if isinstance(found, Exception):
            return self._failed(item, found, remarks)
        remarks += found.remarks
        try:
            filled = loaded.picture.filled(found.pixels, loaded.damaged.missing)
            filled.write(self.task.out / item.output, remarks.append)
        except Exception as error:
            if _is_for_want_of_room(error):
                raise
            return self._failed(item, error, remarks)
        key = self.keys[item.name]
        return record_of(item, key, faces=found.faces, losses=found.losses, seconds=seconds, remarks=remarks)


def _is_for_want_of_room(error: BaseException | None) -> bool:
    """Returns whether a disk is full, by an error or by what it came of."""
    return error is not None and (
        (isinstance(error, OSError) and error.errno in FULL) or _is_for_want_of_room(error.__cause__)
    )


def _said(error: Exception) -> str:
    """Returns what an error says, in a line."""
    if out_of_memory(error):
        return "out of memory"
    said = " ".join(str(error).split())
    return (
        said if isinstance(error, InputError | ModelError | OSError) else f"unforeseen {type(error).__name__}: {said}"
    )
