"""What has been done in a folder: manifest.jsonl, a line a picture, by which an interrupted work goes on."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from faceinpaint_fast import holes
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import named, write_text
from faceinpaint_fast.folders.plan import Item

Record = dict[str, Any]


def key_of(item: Item, settings: Mapping[str, Any]) -> str:
    """Returns what tells whether a picture would be restored as before: it changes with whatever decides the result.

    That is the picture and the picture of its hole, by their sizes and times, as rsync has it; the hole, if it has a
    name; the seed; and settings, as JSON has them, of the engine.
    """
    hole = str(item.hole)
    decides = {
        "input": _stamp(item.path),
        "hole": hole if holes.is_said(hole) else _stamp(Path(hole)),
        "seed": item.seed,
        "settings": settings,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def record_of(
    item: Item,
    key: str,
    *,
    faces: int | None = None,
    losses: Mapping[str, float] | None = None,
    seconds: float | None = None,
    remarks: Collection[str] = (),
    error: str | None = None,
) -> Record:
    """Returns the line of a picture.

    faces    how many were found; None: none was looked for
    losses   of the search, by name; None: there was none
    seconds  of the engine, a picture's share of its batch's
    remarks  what there is to say of it, a line each
    error    why it could not be restored
    """
    return {
        "input": str(item.name),
        "hole": None if isinstance(item.hole, InputError) else item.hole,
        "output": str(item.output),
        "seed": item.seed,
        "faces": faces,
        "losses": losses,
        "seconds": seconds,
        "remarks": list(remarks),
        "error": error,
        "key": key,
    }


class Manifest:
    """The manifest of a folder, which nobody else may be writing to; a line is added by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Reads what is there; InputError for what is no manifest.  A kill may have cut the last line short."""
        self.path, self._lock = path, threading.Lock()
        self._records: dict[str, Record] = {}
        self._size = 0
        try:
            lines = path.read_bytes().decode().split("\n")[:-1] if path.exists() else []
            for record in map(json.loads, lines):
                _ = record["key"], record["error"]
                # of a picture that was done again, the last
                self._records[record["output"]] = record
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: expected a manifest of faceinpaint batch, got: {error!r}") from error

    def finished(self, item: Item, key: str) -> bool:
        """Returns whether a picture has been restored as it would be again, and is there."""
        record = self._records.get(str(item.output), {"error": "", "key": None})
        return record["error"] is None and record["key"] == key and (self.path.parent / item.output).is_file()

    def begin(self, items: Collection[Item]) -> None:
        """Takes out what is to be done, and what had failed; other lines stay, also of pictures that are no more."""
        outputs = {str(item.output) for item in items}
        self._records = {
            output: record
            for output, record in self._records.items()
            if output not in outputs and record["error"] is None
        }
        text = "".join(map(_line, self._records.values()))
        write_text(self.path, text)
        self._size = len(text)

    def add(self, record: Record) -> None:
        """Adds a line, at once, or nothing of it: what it says is done has been done."""
        line = _line(record)
        with self._lock:
            try:
                with named(self.path), self.path.open("a") as file:
                    file.write(line)
            except OSError:
                os.truncate(self.path, self._size)
                raise
            self._size += len(line)


def _line(record: Record) -> str:
    """Returns a line, of ASCII."""
    return json.dumps(record) + "\n"


def _stamp(path: Path) -> list[int]:
    """Returns a file's size and time; of one that is not there, nothing."""
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
