"""An archive of damaged pictures and their holes, zip or tar, and the archive of what comes of them, piece by piece.

A hole is called as its picture with _mask or .mask behind the name, as in a folder.  The pictures that come back are
called as they were, and manifest.jsonl says what was done with each, or why it could not be.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal, cast

from faceinpaint_fast.holes import MARKS
from faceinpaint_fast.images import EXTENSIONS
from faceinpaint_fast.service.asked import shown
from faceinpaint_fast.service.refusal import Refusal

MANIFEST = "manifest.jsonl"
MOST_MEMBERS = 4096
ZIP, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"  # what begins a zip, and each line of its list
MEDIA = {"zip": "application/zip", "tar": "application/x-tar"}

Kind = Literal["zip", "tar"]
Read = Callable[[], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A picture of an archive.

    name         its path there
    image, hole  read its file, and its hole's; raise a Refusal where that cannot be
    """

    name: str
    image: Read
    hole: Read | None


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """An archive: of which kind, and its pictures."""

    kind: Kind
    items: list[Item]

    @classmethod
    def of(cls, data: bytes, most: int) -> Archive:
        """Returns the archive of a file; its pictures may have `most` bytes each.

        Raises a Refusal: 415 for what is none, 400 for one that is broken, 413 for one of too many members, 422 for one
        without a picture.
        """
        kind: Kind = "zip" if data.startswith(ZIP) else "tar"
        try:
            members = _of_zip(data, most) if kind == "zip" else _of_tar(data, most)
        except tarfile.ReadError:
            raise Refusal(415, "body: expected a zip or a tar, without compression around it") from None
        # zipfile raises nearly anything
        except (zipfile.BadZipFile, tarfile.TarError, ValueError, OSError, NotImplementedError) as error:
            raise Refusal(400, f"body: expected a whole archive, got: {shown(str(error))}") from None
        items = list(_items(members))
        if not items:
            raise Refusal(422, f"body: expected a picture in the archive, one of {', '.join(sorted(EXTENSIONS))}")
        return cls(kind, items)


class Written:
    """An archive that is written piece by piece, to be sent as it grows; no name is there twice."""

    def __init__(self, kind: Kind) -> None:
        self._file = _Pieces()
        self._names = {MANIFEST}
        self._lines: list[str] = []
        self._zip = zipfile.ZipFile(cast(BinaryIO, self._file), "w") if kind == "zip" else None
        self._tar = tarfile.open(mode="w|", fileobj=cast(BinaryIO, self._file)) if kind == "tar" else None  # noqa: SIM115

    def place(self, name: str, extension: str) -> str:
        """Returns what a restored picture is called there; a Refusal for a name that leads out of a folder."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
            raise Refusal(422, "name: expected one within the archive, got one that leads out of it", "name")
        own = str(path.with_suffix(extension))
        place = own if own.lower() not in self._names else f"{path}{extension}"
        if place.lower() in self._names:
            raise Refusal(422, "name: expected each of them once, got one twice", "name")
        self._names.add(place.lower())
        return place

    def add(self, name: str, data: bytes) -> bytes:
        """Adds a file; returns what is to be sent of the archive now."""
        if self._zip is not None:
            self._zip.writestr(zipfile.ZipInfo(name), data)
        if self._tar is not None:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            self._tar.addfile(info, io.BytesIO(data))
        return self._file.taken()

    def note(self, line: Mapping[str, Any]) -> None:
        """Notes what is to be said of a picture."""
        self._lines.append(json.dumps(line) + "\n")

    def end(self) -> bytes:
        """Adds the manifest; returns the rest of the archive."""
        sent = self.add(MANIFEST, "".join(self._lines).encode())
        for each in (self._zip, self._tar):
            if each is not None:
                each.close()
        return sent + self._file.taken()


class _Pieces:
    """A file that can be written to its end alone, and whose beginning is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def _of_zip(data: bytes, most: int) -> dict[str, Read]:
    # before there is an object for each
    if data.count(CENTRAL) > MOST_MEMBERS:
        raise _too_many()
    archive = zipfile.ZipFile(io.BytesIO(data))
    return {
        info.filename: partial(_bounded, partial(_opened, archive, info), info.file_size, most)
        for info in archive.infolist()
        if not info.is_dir()
    }


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> bytes:
    with archive.open(info) as file:
        return file.read(size)


def _of_tar(data: bytes, most: int) -> dict[str, Read]:
    # it ends with the data that the readers hold
    archive = tarfile.open(fileobj=io.BytesIO(data), mode="r:")  # noqa: SIM115
    found: dict[str, Read] = {}
    for number, info in enumerate(archive):
        if number >= MOST_MEMBERS:
            raise _too_many()
        if info.isreg():
            start = info.offset_data
            found[info.name] = partial(_bounded, partial(_member, data, start, info.size), info.size, most)
    return found


def _member(data: bytes, start: int, size: int, _most: int) -> bytes:
    return data[start : start + size]


def _bounded(read: Callable[[int], bytes], declared: int, most: int) -> bytes:
    """Returns a member's file; a Refusal for one that is too large, or broken."""
    if declared > most:
        raise Refusal(413, f"image: expected {most} bytes or fewer, got more", "image")
    try:
        data = read(most + 1)
    # of a broken or encrypted member zipfile raises nearly anything
    except Exception:
        raise Refusal(422, "image: expected a member that can be read", "image") from None
    if len(data) > most:
        raise Refusal(413, f"image: expected {most} bytes or fewer, got more", "image")
    return data


def _too_many() -> Refusal:
    return Refusal(413, f"body: expected {MOST_MEMBERS} members or fewer, got more")


def _items(members: dict[str, Read]) -> Iterator[Item]:
    """Yields the pictures that are no holes of others, by their names, each with its hole."""
    paths = {
        name: PurePosixPath(name)
        for name in members
        if PurePosixPath(name).suffix.lower() in EXTENSIONS and not PurePosixPath(name).name.startswith(".")
    }
    stems = {str(path.with_suffix("")) for path in paths.values()}
    holes: dict[str, str] = {}
    for name, path in paths.items():
        stem = str(path.with_suffix(""))
        for mark in MARKS:
            if stem.endswith(mark) and stem.removesuffix(mark) in stems:
                holes[stem.removesuffix(mark)] = name
    for name in sorted(paths.keys() - holes.values()):
        hole = holes.get(str(paths[name].with_suffix("")))
        yield Item(name, members[name], None if hole is None else members[hole])
