"""Signals that ask a command to end: it does at once, or, while it works in steps, between two of them."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

PATIENCE = 0.5  # seconds in which an interrupted work may clear up
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass(slots=True)
class Ending:
    """Whether a signal has come that asks to end, and which.

    in_steps  whether the command asks `wanted` after every step; if not, a signal ends it at once, and so does a second
    """

    in_steps: bool = False
    number: int | None = None

    def wanted(self) -> bool:
        """Says whether to end."""
        return self.number is not None

    @property
    def name(self) -> str:
        """What the signal is called."""
        return "no signal" if self.number is None else signal.Signals(self.number).name


@contextmanager
def ending() -> Iterator[Ending]:
    """Notices such signals during the work within, but for those that the process was told to ignore, as by nohup.

    The exit status is then 128 and the signal's number, as shells have it.
    """
    found = Ending()

    def notice(number: int, _frame: FrameType | None) -> None:
        if found.wanted() or not found.in_steps:
            # no Exception, which a reader of broken files would catch
            raise SystemExit(128 + number)
        found.number = number

    before = {number: signal.getsignal(number) for number in ENDING}
    heeded = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in heeded:
        signal.signal(number, notice)
    try:
        yield found
    except OSError as error:
        # a terminal that has hung up takes no last words
        if found.name != "SIGHUP" or error.errno != errno.EIO:
            raise
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
    if found.number is not None:
        raise SystemExit(128 + found.number)


@contextmanager
def ctrl_c_heeded() -> Iterator[None]:
    """Sees to it that Ctrl-C ends the process at once, whoever swallows the KeyboardInterrupt in the work within."""
    came = threading.Event()

    def end() -> None:
        os._exit(128 + signal.SIGINT)

    def notice(_number: int, _frame: FrameType | None) -> None:
        came.set()
        # whoever swallows it would print it, traceback and all
        sys.unraisablehook = lambda _: None
        last = threading.Timer(PATIENCE, end)
        last.daemon = True
        last.start()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, notice)
    try:
        yield
    # also what has come of a KeyboardInterrupt on its way
    except BaseException:
        if not came.is_set():
            raise
    finally:
        signal.signal(signal.SIGINT, before)
    if came.is_set():
        # Python itself takes seconds to end once torch has compiled
        end()
