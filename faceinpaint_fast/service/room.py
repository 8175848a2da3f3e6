"""How much is worked at: requests and their pixels, at most so many at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from faceinpaint_fast.service import refusal

OF_MEAN = 0.2  # what one request changes of the mean


class Room:
    """Admits requests while there is room; of one event loop, so that nothing needs a lock.

    places  requests at a time
    pixels  of their pictures at a time; a single request may have more
    """

    def __init__(self, places: int, pixels: int) -> None:
        self._places, self._pixels = places, pixels
        self.requests = self._taken = 0
        self._seconds = 1.0  # mean of a request's

    def check(self) -> None:
        """Raises the Refusal of a request for which there is no room."""
        if self.requests >= self._places:
            raise refusal.busy(self._until_free())

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
    def pictures(self, pixels: int) -> Iterator[None]:
        """Has room for pictures within; a Refusal where there is none."""
        if self._taken and self._taken + pixels > self._pixels:
            raise refusal.busy(self._until_free())
        self._taken += pixels
        try:
            yield
        finally:
            self._taken -= pixels

    def took(self, seconds: float) -> None:
        """Notes how long a request took that was done."""
        self._seconds += OF_MEAN * (seconds - self._seconds)

    def _until_free(self) -> int:
        """Returns in how many seconds there is likely to be room: requests come and go evenly."""
        return min(30, max(1, math.ceil(self._seconds / 2)))
