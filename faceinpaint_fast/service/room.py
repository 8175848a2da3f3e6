"""How much is worked at: requests at a time, pixels of their pictures, and no more than is likely to begin in time."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from faceinpaint_fast.service import refusal

SHARE = 0.25  # of the deadline, that who is admitted is likely to wait at most
OF_MEAN = 0.2  # what one request changes of the mean
SPREAD = 1.0, 4.0  # of that, over which those who are refused are spread
LONGEST = 30  # seconds after which a client is asked to come again, at most


class Lane:
    """Requests of a kind, of which one more is refused where it is not likely to begin in time.

    seconds  in which work must begin
    each     seconds from one that is done to the next, before any was; later the mean of the last ones

    Of one event loop, as all of a room is, so that nothing needs a lock.
    """

    def __init__(self, seconds: float, each: float) -> None:
        self._seconds, self._each = SHARE * seconds, each
        self._requests, self._since = 0, 0.0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Has a place within; a Refusal where there is none."""
        if self._requests * self._each > self._seconds:
            raise refusal.busy(self.until_free)
        if not self._requests:
            self._since = time.monotonic()
        self._requests += 1
        try:
            yield
            now = time.monotonic()
            self._each += OF_MEAN * (now - self._since - self._each)
            self._since = now
        finally:
            self._requests -= 1

    @property
    def until_free(self) -> int:
        """In how many seconds there is likely to be a place; not the same for all who ask, or they all came at once."""
        return min(LONGEST, max(1, math.ceil(self._each * random.uniform(*SPREAD))))


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
        self.faces, self.photographs = Lane(seconds, 0.1), Lane(seconds, 1.0)

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
