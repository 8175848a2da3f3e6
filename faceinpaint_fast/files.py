"""Files to write: whether there is a place for one, and how it is put there whole."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from faceinpaint_fast.errors import InputError

# why a file that may be written cannot be replaced: it is mounted there, or its folder takes no other file
NO_OTHER_FILE = {errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS}


def check_place(path: Path) -> None:
    """Raises InputError unless a file could be written there, in folders yet to be made if need be.

    It leaves nothing behind.
    """
    try:
        found = _found(path)
        if found is None:
            _check_new(Path(os.path.realpath(path)))
        elif stat.S_ISDIR(found.st_mode):
            raise InputError(f"{path}: expected a file to write to, got a folder")
        elif not found.st_mode & 0o222 or not os.access(path, os.W_OK):
            # the first is for root, whom a protection does not stop
            raise PermissionError(errno.EACCES, "it is write-protected")
        elif stat.S_ISREG(found.st_mode):
            # not a FIFO, of which this would be the end
            path.open("ab").close()
    except OSError as error:
        raise InputError(f"{path}: expected a place that can be written to, got: {error}") from error


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the name of a file into the system's errors that have none, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Lets `write` fill a file beside `path`, then renames it: a reader sees the old file or the new, never half.

    What is there keeps its rights; a symbolic link stays, and the file that it names is written.  A FIFO, a device
    and a file that cannot be replaced, such as a mounted one, are written into; `write` may then be called twice.
    Raises InputError as `check_place` does.
    """
    check_place(path)
    old = _found(path)
    if old is None or stat.S_ISREG(old.st_mode):
        try:
            _replace(Path(os.path.realpath(path)), old, write)
            return
        except OSError as error:
            if old is None or error.errno not in NO_OTHER_FILE:
                raise
    # all of it first, so that the old content outlives a writer that fails
    content = BytesIO()
    write(content)
    # a FIFO of somebody else's must not be opened as if it were to be made
    with named(path), open(path, "wb", opener=lambda name, flags: os.open(name, flags & ~os.O_CREAT)) as file:
        file.write(content.getbuffer())


def write_text(path: Path, text: str) -> None:
    """Writes a text in UTF-8, whatever the locale's encoding is, as `write_atomically` does."""
    write_atomically(path, lambda file: file.write(text.encode()))


def _found(path: Path) -> os.stat_result | None:
    """Returns what is there, behind symbolic links; None if nothing is."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _check_new(path: Path) -> None:
    """Raises OSError unless a file could be made there."""
    folder = next(parent for parent in path.parents if parent.exists())
    for name in path.relative_to(folder).parts:
        # a name may be too long
        _found(folder / name)
    # permissions do not tell: root has them all, a read-only or full disk grants them
    with tempfile.TemporaryFile(dir=folder):
        pass


def _replace(path: Path, old: os.stat_result | None, write: Callable[[BinaryIO], object]) -> None:
    """Puts a new file in the place of `old`, with its rights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # short: the name itself may be as long as a name can be
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    # until it has the old one's rights, nobody else has any
    mode = 0o666 if old is None else 0o600
    try:
        with named(path), open(partial, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            for user, group in ((-1, old.st_gid), (old.st_uid, -1)):
                # one may not give files away, and not every system has such owners
                with contextlib.suppress(OSError, AttributeError):
                    os.chown(partial, user, group)
            # access lists, too, without which a mode may say more than it did; but the new file's time
            shutil.copystat(path, partial)
            os.utime(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes what writers that were killed have left in a folder, which nobody else may be writing to."""
    for partial in folder.glob(".*.partial"):
        partial.unlink(missing_ok=True)
