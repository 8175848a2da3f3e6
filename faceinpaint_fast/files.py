"""Files to write: whether there is a place for one, and how it is put there whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
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


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Lets `write` fill a file beside `path`, then renames it: a reader sees the old file or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
