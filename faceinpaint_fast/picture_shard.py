"""The pictures of a tar file, as they lie in it, and whether the file is whole."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar, cast

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.picture_folder import Passed, counts

Taken = TypeVar("Taken")


def members(
    name: Path | str,
    passed: Passed,
    take: Callable[[tarfile.TarFile, tarfile.TarInfo], Taken | None],
    *,
    source: BinaryIO | None = None,
    mode: Literal["r", "r:"] = "r",
) -> Iterator[Taken]:
    """Yields what `take` takes of each member of a tar file that counts as a picture, but for None.

    name    its path, and what messages call it
    source  what it is read from, in place of the path
    mode    "r:" for a tar file that is not compressed, in which members lie as they are

    Raises InputError, naming the byte, for one that is not whole: tarfile itself takes whatever is no header for the
    end.
    """
    place = ""
    try:
        with tarfile.open(None if source else name, mode, source) as shard:
            for member in shard:
                place = f", byte {member.offset}"
                if member.isdir() or not counts(Path(member.name).parts, passed):
                    continue
                if (taken := take(shard, member)) is not None:
                    yield taken
            place = f", byte {shard.offset}"
            _check_end(shard)
    # a broken shard: TarError, OSError, and of compressed ones EOFError, zlib.error, LZMAError ...
    except Exception as error:
        expected = "a folder of images, an image or a whole tar file"
        raise InputError(f"{name}{place}: expected {expected}, got: {error}") from error


def _check_end(shard: tarfile.TarFile) -> None:
    """Raises TarError unless two blocks of zeros lie behind the last member, and nothing else to the end of the file.

    It is read to its end, where a compressed file has its checksum.
    """
    file = cast(BinaryIO, shard.fileobj)
    file.seek(shard.offset)
    zeros, other = 0, b""
    while not other and (chunk := file.read(tarfile.RECORDSIZE)):
        other = chunk.lstrip(b"\0")
        zeros += len(chunk) - len(other)
    if zeros < 2 * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("neither a member's header nor the archive's end")
    if other:
        raise tarfile.ReadError(f"the archive's end, and more behind it at byte {shard.offset + zeros}")
