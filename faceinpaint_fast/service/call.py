"""One request while it is worked at: until when its work must begin, who hears of it, and what took how long."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from faceinpaint_fast.service import refusal

Heard = Callable[[str, int, int], None]  # a stage, how much of it is done, of how much


@dataclass(slots=True, eq=False)
class Call:
    """A request.

    until    what time.monotonic says when no more of its work may begin
    heard    hears how it goes on; called by any thread
    seconds  by stage, added up
    left     is set when nobody waits for it any more
    """

    until: float
    heard: Heard = lambda *_: None
    seconds: dict[str, float] = field(default_factory=dict)
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def remaining(self) -> float | None:
        """Seconds in which work may begin; None: any number."""
        return None if math.isinf(self.until) else max(0.0, self.until - time.monotonic())

    def may_take_long(self) -> None:
        """Lets what is left to do be done however late: the work that there is a deadline for has been done."""
        self.until = math.inf

    def check(self) -> None:
        """Raises a Refusal where no more of its work may begin."""
        if self.left.is_set() or time.monotonic() >= self.until:
            raise refusal.late()

    def took(self, stage: str, seconds: float) -> None:
        """Notes that a stage took so long."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Notes what the work within takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.took(stage, time.perf_counter() - start)
