"""What has been done in a folder: manifest.jsonl, a line a picture, by which an interrupted work goes on.

Where several processes write, each has a part of it to itself, which is taken in later: at the latest by who reads the
manifest next.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from faceinpaint_fast import holes
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import named, write_text
from faceinpaint_fast.folders.plan import Item
from faceinpaint_fast.folders.sources import Stored

Record = dict[str, Any]
PARTS = ".parts"  # the folder of parts, beside the manifest, in a folder for each run


def key_of(item: Item, settings: Mapping[str, Any]) -> str:
    """Returns what tells whether a picture would be restored as before: it changes with whatever decides the result.

    That is the picture and the picture of its hole, by their sizes and times, as rsync has it, or by what is said of
    them behind an address; the hole, if it has a name; the seed; and settings, as JSON has them, of the engine.
    """
    hole = str(item.hole)
    decides = {
        "input": _stamp(item.where),
        "hole": hole if holes.is_said(hole) else _stamp(item.hole if isinstance(item.hole, Stored) else Path(hole)),
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
        "hole": None if isinstance(item.hole, InputError) else str(item.hole),
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

    def __init__(self, path: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        """Reads what is there, parts too; InputError for what is no manifest.

        A kill may have cut a last line short: `tell` hears that its picture counts as not done.
        """
        self.path, self._lock = path, threading.Lock()
        self._records: dict[str, Record] = {}
        self._size = 0
        for each in (path, *sorted((path.parent / PARTS).glob("*/*.jsonl"))):
            # of a picture that was done again, the last
            self._records |= _read(each, tell)

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
        shutil.rmtree(self.path.parent / PARTS, ignore_errors=True)
        self._size = len(text)

    def add(self, *records: Record) -> None:
        """Adds lines, at once, or nothing of them: what they say is done has been done.

        Raises OSError where the file is no more: another would not have the lines before.
        """
        text = "".join(map(_line, records))
        with self._lock:
            try:
                with named(self.path), open(self.path, "a", opener=_opened_if_there) as file:
                    file.write(text)
            except OSError:
                with suppress(FileNotFoundError):
                    os.truncate(self.path, self._size)
                raise
            self._size += len(text)


class Part:
    """A part of the manifest of a folder: of the pictures of one piece of the work, which may be begun several times.

    done   the lines of earlier beginnings, by output
    begun  how many there were

    Every beginning has a file to itself, so that two processes that take each other for dead write no line into
    another's; every run has a folder of them, so that what is left of a run that died writes nothing into the next.
    """

    def __init__(self, place: Path, piece: int) -> None:
        """Begins with a piece; OSError where the place of the run's parts is no more."""
        self.done, self.begun = _done(place, piece), len(_parts(place, piece))
        own = Manifest(place / f"{piece}-{secrets.token_hex(8)}.jsonl")
        own.path.open("x").close()
        self.add = own.add

    @staticmethod
    def prepare(out: Path) -> Path:
        """Makes and returns the place of a run's parts."""
        place = out / PARTS / secrets.token_hex(8)
        place.mkdir(parents=True)
        return place

    @staticmethod
    def clear(place: Path, *, needed: bool) -> None:
        """Removes the place of parts; where they are needed, unless there is still one to be taken in.

        They are not once each picture has its line: what is left then is of processes that were taken for dead.
        """
        if not needed:
            shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):
            place.rmdir()
        with suppress(OSError):
            place.parent.rmdir()

    @staticmethod
    def taken(place: Path, piece: int, manifest: Manifest) -> list[Record]:
        """Adds the lines of a piece to the manifest, one a picture, and returns them; its parts are no more."""
        found = [*_done(place, piece).values()]
        manifest.add(*found)
        for path in _parts(place, piece):
            path.unlink(missing_ok=True)
        return found


def _parts(place: Path, piece: int) -> list[Path]:
    return sorted(place.glob(f"{piece}-*.jsonl"))


def _done(place: Path, piece: int) -> dict[str, Record]:
    """Returns the lines of a piece by output; of a picture that was done twice, one."""
    found: dict[str, Record] = {}
    for path in _parts(place, piece):
        found |= _read(path)
    return found


def _read(path: Path, tell: Callable[[str], None] = lambda _: None) -> dict[str, Record]:
    """Returns the whole lines of a file by output; `tell` hears of one that is not whole."""
    try:
        *lines, rest = path.read_bytes().decode().split("\n") if path.exists() else [""]
        records = [json.loads(line) for line in lines]
        for record in records:
            _ = record["key"], record["error"]
        found = {record["output"]: record for record in records}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected a manifest of faceinpaint batch, got: {error!r}") from error
    if rest:
        tell(f"{path}: its last line was cut short, and is left out: what it was of counts as not done")
    return found


def _opened_if_there(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_CREAT)


def _line(record: Record) -> str:
    """Returns a line, of ASCII."""
    return json.dumps(record) + "\n"


def _stamp(where: Path | Stored) -> list[Any]:
    """Returns a file's size and time; of one that is not there, nothing."""
    if isinstance(where, Stored):
        return [where.size, where.start, where.version]
    try:
        found = where.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
