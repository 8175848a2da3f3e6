"""Reading ahead: threads that make what is needed next while what came before is worked at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


class Ahead(Generic[Given, Made]):
    """Yields what `make` makes of each of `items`, in their order, made by threads before it is asked for.

    They stay `most` items ahead, and stop where what waits takes more than `room` bytes, by `size`.  `make` raises
    nothing.  They end with the `with` block.
    """

    def __init__(
        self,
        items: Sequence[Given],
        make: Callable[[Given], Made],
        *,
        size: Callable[[Made], int],
        threads: int,
        most: int,
        room: int,
    ) -> None:
        self._items, self._make, self._size, self._most, self._room = items, make, size, most, room
        self._made: dict[int, Made] = {}
        self._bytes = self._begun = self._taken = 0
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Iterator[Made]:
        for thread in self._threads:
            thread.start()
        return self._all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _all(self) -> Iterator[Made]:
        for index in range(len(self._items)):
            with self._changed:
                while index not in self._made:
                    self._changed.wait()
                made = self._made.pop(index)
                self._bytes -= self._size(made)
                self._taken = index + 1
                self._changed.notify_all()
            yield made

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._may_go_on)
                if self._closed or self._begun == len(self._items):
                    return
                index = self._begun
                self._begun += 1
            made = self._make(self._items[index])
            with self._changed:
                self._made[index] = made
                self._bytes += self._size(made)
                self._changed.notify_all()

    def _may_go_on(self) -> bool:
        """Says whether to begin with the next item, or to end."""
        fits = self._begun - self._taken < self._most and self._bytes < self._room
        return self._closed or self._begun == len(self._items) or fits
