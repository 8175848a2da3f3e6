"""Working ahead: threads that make what is needed next while what came before is worked at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


class Ahead(Generic[Given, Made]):
    """Yields what `make` makes of each of `items`, in their order, made by threads before it is asked for.

    They stay `most` items ahead, and stop where what waits takes more than `room` bytes, by `size`; only one of them at
    a time asks for the next item.  What `make` or the items themselves raise is raised in its place, behind all that
    came before it.  They end with the `with` block.
    """

    def __init__(
        self,
        items: Iterable[Given],
        make: Callable[[Given], Made],
        *,
        threads: int = 1,
        most: int = 1,
        size: Callable[[Made], int] = lambda _: 0,
        room: int = 1,
    ) -> None:
        self._items, self._make, self._size, self._most, self._room = iter(items), make, size, most, room
        self._made: dict[int, Made] = {}
        self._raised: dict[int, BaseException] = {}
        self._bytes = self._begun = self._taken = 0
        # how many items there are, once that is known
        self._count: int | None = None
        self._closed = False
        self._asking = threading.Lock()
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
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._taken in self._made or self._ends())
                if self._taken not in self._made:
                    break
                made = self._made.pop(self._taken)
                self._bytes -= self._size(made)
                self._taken += 1
                self._changed.notify_all()
            yield made
            # not held on to while the next one is waited for
            del made
        if self._taken in self._raised:
            raise self._raised[self._taken]

    def _ends(self) -> bool:
        return self._taken == self._count or self._taken in self._raised

    def _work(self) -> None:
        while self._made_one():
            pass

    def _made_one(self) -> bool:
        """Makes the next one; returns whether there may be more to make."""
        with self._asking:
            with self._changed:
                self._changed.wait_for(self._may_go_on)
                if self._closed or self._count is not None:
                    return False
                index = self._begun
                self._begun += 1
            try:
                item = next(self._items)
            except StopIteration:
                return self._ended(index)
            except BaseException as error:
                return self._ended(index, error)
        try:
            made = self._make(item)
        except BaseException as error:
            return self._ended(index, error)
        with self._changed:
            self._made[index] = made
            self._bytes += self._size(made)
            self._changed.notify_all()
        return True

    def _ended(self, count: int, error: BaseException | None = None) -> bool:
        """Notes that there is nothing from that number on, and why, if it is an error; returns False."""
        with self._changed:
            self._count = count if self._count is None else min(self._count, count)
            if error is not None:
                self._raised[count] = error
            self._changed.notify_all()
        return False

    def _may_go_on(self) -> bool:
        """Says whether to begin with the next item, or to end."""
        fits = self._begun - self._taken < self._most and self._bytes < self._room
        return self._closed or self._count is not None or fits
