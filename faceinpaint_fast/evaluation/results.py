"""What an evaluation leaves behind: a file a data set and method, of JSON lines.

    OUT/<data set>/<slug>.jsonl    a header; then {"mask", "face", "pixels", "psnr", "ssim", ..., "seconds"}

Records of recognition and of photographs are of other kinds, which the header says, and have figures of their own; see
`recognition` and `photographs`.

A method has a file to itself, so that several processes may fill one folder with different methods.  Its name stands in
the header; the file is called by the name's slug.  "pixels" tells a face from others; older files have it of the first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import check_place, named
from faceinpaint_fast.locks import check_free, held

DECIDING = ("method", "data", "first_face", "model", "seed", "batch", "kind", "recogniser", "people", "pictures")
"""Of a header, besides the config."""
QUALITY, RECOGNITION, PHOTOGRAPHS = "quality", "recognition", "photographs"
FIELDS = {  # of a record, by its kind
    QUALITY: ("mask", "face", "psnr", "ssim", "hole_psnr", "hole_ssim", "l1", "seam", "seconds"),
    RECOGNITION: ("mask", "face", "own", "rank", "others"),
    PHOTOGRAPHS: ("mask", "face", "psnr", "ssim", "sharp", "seam", "seconds"),
}

Record = dict[str, Any]


def slug(name: str) -> str:
    """Returns a method's name as its file has it: lower case, digits, '.' and '-'; InputError if nothing is left."""
    found = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
    if not found:
        raise InputError(f"method: expected a name with a letter or a digit, got {name!r}")
    return found


def digest(face: NDArray[np.uint8]) -> str:
    """Returns what tells a face from others: (H, W, 3) -> 8 digits."""
    return hashlib.sha256(face.tobytes()).hexdigest()[:8]


def to_itself(path: Path) -> AbstractContextManager[None]:
    """Holds a file of results for this process; see `locks.held`."""
    return held(_lock(path), path)


def check_writable(path: Path) -> None:
    """Raises InputError if results cannot be written there, or another process does so."""
    check_place(path)
    check_free(_lock(path), path)


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.stem}.lock")


class Log:
    """A file of results that only ever grows, a batch at a time; what a kill has cut short is written again.

    path  where it lies
    done  the masks and faces that have a record

    Raises InputError if it is of another evaluation than the header says, or of other faces, whose digests are given.
    """

    def __init__(self, path: Path, header: Record, faces: Sequence[str] = ()) -> None:
        self.path = path
        self._header = json.dumps(header)
        self.done: set[tuple[str, int]] = set()
        self._whole = 0  # bytes that are whole lines
        if (found := read(path)) is not None:
            theirs, records = found
            if differing := _differences(json.loads(self._header), theirs):
                raise InputError(f"{path}: expected results with {differing}; choose another --out, or delete the file")
            for record in records:
                face = record["face"]
                if face < len(faces) and record.get("pixels", faces[face]) != faces[face]:
                    expected = f"results of face {face} with pixels {faces[face]}"
                    raise InputError(f"{path}: expected {expected}, got {record['pixels']}; choose another --out")
            self.done = {(record["mask"], record["face"]) for record in records}
            self._whole = path.read_bytes().rindex(b"\n") + 1

    def append(self, records: list[Record]) -> None:
        """Writes the records of a batch, after the header if they are the first."""
        lines = [json.dumps(record, separators=(",", ":")) for record in records]
        if not self._whole:
            lines.insert(0, self._header)
        text = "".join(f"{line}\n" for line in lines).encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with named(self.path), self.path.open("ab") as file:
            file.truncate(self._whole)
            file.write(text)
        self._whole += len(text)
        self.done |= {(record["mask"], record["face"]) for record in records}


def read(path: Path) -> tuple[Record, list[Record]] | None:
    """Returns header and records of a file, None without a whole header; InputError for anything else."""
    try:
        # what follows the last end of a line was cut short
        lines = path.read_bytes().decode().split("\n")[:-1]
        parsed = [json.loads(line) for line in lines]
        if not parsed:
            return None
        header, records = parsed[0], parsed[1:]
        _ = (
            header["method"],
            header["data"],
            header["config"].keys(),
            [record[name] for record in records for name in FIELDS[header.get("kind", QUALITY)]],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: expected results of faceinpaint evaluate, got: {error!r}") from error
    return header, records


def read_all(out: Path, kind: str = QUALITY) -> dict[str, dict[str, list[Record]]]:
    """Returns the records of a kind of every data set and method in a folder, by their names.

    In a folder of such folders a data set's name has its folder's before it: "evaluation/faces".
    Raises InputError if there is no record of any kind, and for two files of one method.
    """
    found: dict[str, dict[str, list[Record]]] = {}
    paths = sorted(out.glob("*/*.jsonl")) or sorted(out.glob("*/*/*.jsonl"))
    logs = {path: log for path in paths if (log := read(path)) is not None}
    for path, (header, records) in logs.items():
        if header.get("kind", QUALITY) == kind:
            methods = found.setdefault((path.relative_to(out).parent.parent / header["data"]).as_posix(), {})
            if header["method"] in methods:
                raise InputError(f"{path}: expected one file of {header['method']}, got another beside it")
            methods[header["method"]] = records
    if not logs:
        raise InputError(f"{out}: expected results of faceinpaint evaluate, got none")
    return found


def _differences(ours: Record, theirs: Record) -> str:
    """Returns what decides the result and is not the same in two headers, as a message puts it."""
    mine, others = ({name: header.get(name) for name in DECIDING} | header["config"] for header in (ours, theirs))
    names = [name for name in mine | others if mine.get(name) != others.get(name)]
    return ", ".join(f"{name} {mine.get(name)}, got {others.get(name)}" for name in names)
