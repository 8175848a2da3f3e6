"""Files to write: whether there is a place for one, and how it is put there whole."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from faceinpaint_fast.errors import InputError


def check_place(path: Path) -> None:
    """Raises InputError unless a file could be written there, in folders yet to be made if need be.

    It leaves nothing behind.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path}: expected a file to write to, got a folder")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        # permissions do not tell: root has them all, a read-only or full disk grants them
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{path}: expected a place that can be written to, got: {error}") from error


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the name of a file into the system's errors that have none, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Lets `write` fill a file beside `path`, then renames it: a reader sees the old file or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # by chance, not by the process's number, which processes of two containers share
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with named(path), partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes what writers that were killed have left in a folder, which nobody else may be writing to."""
    for partial in folder.glob(".*.partial"):
        partial.unlink(missing_ok=True)
