"""Reading ahead: in order, beside the work, and not too far."""

from __future__ import annotations

import threading

from faceinpaint_fast.ahead import Ahead

PATIENCE = 60  # seconds after which something hangs


def ahead(items, make, *, size=lambda _: 1, threads=3, most=8, room=10**6):
    return Ahead(items, make, size=size, threads=threads, most=most, room=room)


def test_all_come_in_order():
    with ahead(range(100), lambda number: number**2) as made:
        assert list(made) == [number**2 for number in range(100)]


def test_nothing_comes_of_nothing():
    with ahead([], str) as made:
        assert list(made) == []


def test_they_are_made_while_nobody_asks():
    made_them = threading.Semaphore(0)

    def make(number):
        made_them.release()
        return number

    with ahead(range(100), make, most=5) as made:
        for _ in range(5):
            assert made_them.acquire(timeout=PATIENCE)
        # not one more
        assert not made_them.acquire(timeout=0.05)
        assert next(made) == 0
        assert made_them.acquire(timeout=PATIENCE)


def test_what_waits_takes_so_much_room_at_most():
    begun = []

    def make(number):
        begun.append(number)
        return number

    with ahead(range(10), make, size=lambda _: 100, threads=1, most=10, room=250) as made:
        for number in made:
            # three of them fill the room, and the thread may be at none beyond that
            assert len(begun) <= number + 4


def test_it_ends_with_the_block_however_much_is_left():
    before = threading.active_count()
    with ahead(range(1000), str) as made:
        assert next(made) == "0"
    assert threading.active_count() == before
