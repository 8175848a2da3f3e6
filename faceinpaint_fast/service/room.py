"""How much is worked at: requests at a time, pixels of their pictures, and no more than is likely to begin in time."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from faceinpaint_fast.service import refusal

SHARE = 0.25  # of the deadline, that who is admitted is likely to wait at most
SPREAD = 1.0, 4.0  # of that, over which those who are refused are spread
LONGEST = 30  # seconds after which a client is asked to come again, at most


class Lane:
    """Requests of a kind, of which one more is refused where it is not likely to begin in time.

    seconds  in which work must begin
    each     seconds from one that is done to the next, before any was
    last     how many of them tell how long it takes later: more than come at once, as those of a batch do

    Of one event loop, as all of a room is, so that nothing needs a lock.
    """

    def __init__(self, seconds: float, each: float, last: int) -> None:
        self._seconds = SHARE * seconds
        # when the last ones were done, by a clock that stands still while there are none
        self._done = deque((-each * i for i in reversed(range(last))), maxlen=last)
        self._clock = self._since = 0.0
        self._requests = 0

    @property
    def each(self) -> float:
        """Seconds from one that is done to the next."""
        return (self._done[-1] - self._done[0]) / (len(self._done) - 1)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Has a place within; a Refusal where there is none."""
        if self._requests * self.each > self._seconds:
            raise refusal.busy(self.until_free)
        if not self._requests:
            self._since = time.monotonic()
        self._requests += 1
        try:
            yield
            self._pass()
            self._done.append(self._clock)
        finally:
            self._pass()
            self._requests -= 1

    def _pass(self) -> None:
        now = time.monotonic()
        self._clock += now - self._since
        self._since = now

    @property
    def until_free(self) -> int:
        """In how many seconds there is likely to be a place; not the same for all who ask, or they all came at once."""
        return min(LONGEST, max(1, math.ceil(self.each * random.uniform(*SPREAD))))


class Room:
    """Admits requests while there is room.

    places   requests at a time
    pixels   of their pictures at a time; a single request may have more
    seconds  in which work must begin
    """

    def __init__(self, places: int, pixels: int, seconds: float) -> None:
        self._places, self._pixels = places, pixels
        self.requests = self._taken = 0
        # guesses of a slow machine, until it is known
        self.faces, self.photographs = Lane(seconds, 0.1, 64), Lane(seconds, 1.0, 8)

    def check(self) -> None:
        """Raises the Refusal of a request for which there is no room."""
        if self.requests >= self._places:
            raise refusal.busy(self.faces.until_free)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Has a place within; a Refusal where there is none."""
        self.check()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextmanager
    def pictures(self, lane: Lane, pixels: int) -> Iterator[None]:
        """Has room for pictures within, in their lane; a Refusal where there is none."""
        if self._taken and self._taken + pixels > self._pixels:
            raise refusal.busy(lane.until_free)
        with lane.held():
            self._taken += pixels
            try:
                yield
            finally:
                self._taken -= pixels
