"""Locks: a place that one process at a time writes to, however often the command is started."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from faceinpaint_fast.errors import InputError

try:
    import fcntl
except ImportError:  # not on Windows, where nothing is held
    fcntl = None  # type: ignore[assignment]


@contextmanager
def held(lock: Path, what: Path) -> Iterator[None]:
    """Holds `what` for this process until the work within is done, by a file `lock` that is there as long.

    The system lets go of it with the process, however that ends.  Raises InputError, at once, if it is held already,
    and says by whom.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with _locked(lock, what) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%F %T')}")
        file.flush()
        try:
            yield
        finally:
            # before it is let go: whoever holds it next must have made it anew
            lock.unlink(missing_ok=True)


def check_free(lock: Path, what: Path) -> None:
    """Raises InputError if a process holds `what` by that file: asked before the work, not after."""
    if lock.exists():
        _locked(lock, what).close()


def _locked(lock: Path, what: Path) -> IO[str]:
    """Returns the lock's file, open and locked, where the file system can lock."""
    while True:
        file = lock.open("a+")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                holder = file.read() or "another process"
            raise InputError(f"{what}: expected a place that nobody is writing to, got one held by {holder}") from None
        except OSError:
            # a file system without locks
            return file
        # the process before may have removed it since it was opened
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        file.close()
