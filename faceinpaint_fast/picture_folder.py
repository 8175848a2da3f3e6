"""The pictures of a folder: which of its files count, in which order, and what is passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import EXTENSIONS

# what systems put beside pictures; on most of them a leading dot hides a name
SYSTEM = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "Thumbs.db", "desktop.ini"}

Passed = Counter[str]  # how many files of each kind were passed over


def counts(parts: Sequence[str], passed: Passed) -> bool:
    """Says whether a file counts, by the parts of its path within what was given; one that does not is counted."""
    if any(map(_is_hidden, parts)):
        passed["hidden"] += 1
        return False
    extension = Path(parts[-1]).suffix.lower()
    if extension not in EXTENSIONS:
        passed[extension or "without an extension"] += 1
        return False
    return True


def pictures(folder: Path, passed: Passed) -> list[Path]:
    """Returns the paths of a folder's pictures and of those in folders within it, by name.

    Symbolic links are followed, but a folder that can be reached in several ways is entered once.  Raises InputError
    for a folder that cannot be read.
    """
    found, entered = [], {_identity(folder)}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        place, inner = Path(parent), sorted(folders)
        # what is left in it is where the walk goes on
        folders.clear()
        for name in inner:
            identity = _identity(place / name)
            if _is_hidden(name):
                passed["hidden"] += 1
            elif identity not in entered:
                entered.add(identity)
                folders.append(name)
        for path in map(place.joinpath, files):
            # a link into nowhere is a picture that is missing; reading a FIFO would have no end
            if path.exists() and not path.is_file():
                passed["not a file"] += 1
            elif counts([path.name], passed):
                found.append(path)
    return sorted(found)


def told(passed: Passed) -> str:
    """Returns what was passed over as a message puts it."""
    return ", ".join(f"{count} {kind}" for kind, count in passed.most_common())


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _refuse(error: OSError) -> NoReturn:
    raise InputError(f"{error.filename}: expected a folder that can be read, got: {error}") from error
