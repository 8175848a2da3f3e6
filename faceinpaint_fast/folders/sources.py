"""Where pictures lie: in a folder, behind an address that fsspec reaches, or in tar files; and how each is read."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from faceinpaint_fast import picture_folder
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.extras import of_extra
from faceinpaint_fast.images import EXTENSIONS
from faceinpaint_fast.picture_folder import Passed, counts
from faceinpaint_fast.picture_shard import members

OF_THIS_SYSTEM = "file://"


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture that is no file of this system: behind an address, or within a tar file.

    address  of the file that it lies in, as fsspec has it
    member   its name in that, if it is a tar file
    start    the byte at which it begins
    size     its bytes
    version  what changes with the file
    """

    address: str
    member: str
    start: int
    size: int
    version: str

    def __str__(self) -> str:
        return f"{self.address}:{self.member}" if self.member else self.address

    @property
    def name(self) -> str:
        """What it is called within its folder."""
        return PurePosixPath(self.member or self.address).name

    def open(self) -> BytesIO:
        """Returns its content, which is read from the file at once, and nothing else of it."""
        files, path = _reached(self.address)
        # by name: s3fs has the version of a file in the place where others have the first byte
        return BytesIO(files.cat_file(path, start=self.start, end=self.start + self.size))


Where = Path | Stored


def place_of(text: Path | str) -> Path | str:
    """Returns a folder or file of this system as a path, an address and what lies in tar files as it is written."""
    text = str(text).removeprefix(OF_THIS_SYSTEM)
    return text if "://" in text or _is_shard(text) else Path(text)


def check(place: Path | str, name: Path | str) -> None:
    """Raises InputError for a folder that is not there; what is behind an address is not asked for."""
    if isinstance(place, Path) and not place.is_dir():
        raise InputError(f"{name}: expected a folder of pictures, got none there")


def is_picture(place: Path | str) -> bool:
    """Says whether a place is that of a single picture."""
    return not place.is_dir() if isinstance(place, Path) else PurePosixPath(place).suffix.lower() in EXTENSIONS


def picture_at(place: Path | str) -> Where:
    """Returns where a single picture lies; InputError if it is behind an address, and nothing is there."""
    if isinstance(place, Path):
        return place
    with _told(place, "a picture"):
        files, path = _reached(place)
        return _whole(files, files.info(path))


def pictures_of(place: Path | str, passed: Passed) -> dict[Path, Where]:
    """Returns the pictures of a folder, an address or tar files by their names, in that order.

    A name is the path within the folder; of a picture in a tar file, with the tar file's before it, without .tar.
    Raises InputError for what cannot be read, and for a tar file that is not whole or is compressed.
    """
    if isinstance(place, Path):
        return {path.relative_to(place): path for path in picture_folder.pictures(place, passed)}
    found: dict[Path, Where] = {}
    with _told(place, "pictures"):
        files, root = _reached(place)
        if _is_shard(place):
            shards = sorted(files.glob(root)) or [root]
            above = os.path.commonpath([PurePosixPath(shard).parent for shard in shards])
            for shard in shards:
                before = PurePosixPath(shard).relative_to(above).with_suffix("")
                found |= {Path(before, each.member.lstrip("/")): each for each in _members(files, shard, passed)}
        else:
            for path, info in files.find(root, detail=True).items():
                name = PurePosixPath(path).relative_to(root)
                if name.parts and counts(name.parts, passed):
                    found[Path(name)] = _whole(files, info)
    return dict(sorted(found.items()))


def opened(where: Where) -> Path | BytesIO:
    """Returns what a reader of pictures takes."""
    return where if isinstance(where, Path) else where.open()


def _is_shard(text: str) -> bool:
    return text.endswith(".tar")


def _reached(address: str) -> tuple[Any, str]:
    """Returns the file system of an address, and the path there; ImportError where it needs another package."""
    with of_extra("cluster"):
        from fsspec.core import url_to_fs
    return url_to_fs(address)


def _whole(files: Any, info: dict[str, Any]) -> Stored:
    """Returns a file by what its file system says of it."""
    return Stored(files.unstrip_protocol(info["name"]), "", 0, info["size"], _version(info))


def _members(files: Any, shard: str, passed: Passed) -> Iterator[Stored]:
    """Yields the pictures of a tar file; links within it are passed over."""
    address, version = files.unstrip_protocol(shard), _version(files.info(shard))

    def take(_: tarfile.TarFile, member: tarfile.TarInfo) -> Stored | None:
        if not member.isreg():
            passed["not a file"] += 1
            return None
        return Stored(address, member.name, member.offset_data, member.size, version)

    with files.open(shard) as source:
        yield from members(place_of(address), passed, take, source=source, mode="r:")


def _version(info: dict[str, Any]) -> str:
    """Returns what changes with a file, of what its file system says of it: sizes, times, tags."""
    said = sorted((name, str(value)) for name, value in info.items())
    return hashlib.sha256(repr(said).encode(errors="surrogateescape")).hexdigest()[:16]


@contextmanager
def _told(place: str, what: str) -> Iterator[None]:
    """Says what cannot be reached as an InputError: each file system has errors of its own."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, ImportError) and error.name == "fsspec":
            raise
        said = "nothing there" if isinstance(error, FileNotFoundError) else error
        raise InputError(f"{place}: expected {what} that can be read, got: {said}") from error
