"""Who is admitted, and who is told to come again, and when."""

from __future__ import annotations

import contextlib

import pytest

from faceinpaint_fast.service import room as of_room
from faceinpaint_fast.service.refusal import Refusal
from faceinpaint_fast.service.room import Lane, Room


def refused(context):
    with pytest.raises(Refusal) as found, context:
        pass
    assert found.value.status == 429
    assert 1 <= int(found.value.headers["Retry-After"]) <= of_room.LONGEST
    return found.value


def test_there_are_so_many_places_and_one_that_is_left_is_free():
    room = Room(2, 100, 30)
    with room.held():
        with room.held():
            refused(room.held())
            with pytest.raises(Refusal):
                room.check()
        with room.held():
            assert room.requests == 2
    assert room.requests == 0


def test_a_place_is_left_however_it_ends():
    room = Room(1, 100, 30)
    for _ in range(3):
        with contextlib.suppress(KeyError), room.held(), room.pictures(room.faces, 100):
            raise KeyError
    assert room.requests == 0
    with room.pictures(room.faces, 100):
        pass


def test_pictures_have_so_many_pixels_at_a_time_but_one_alone_may_have_more():
    room = Room(9, 100, 30)
    with room.pictures(room.faces, 60):
        refused(room.pictures(room.photographs, 41))
        with room.pictures(room.photographs, 40):
            pass
    with room.pictures(room.faces, 1000):
        refused(room.pictures(room.faces, 1))


@pytest.fixture
def now(monkeypatch):
    """A clock that goes on when it is told to."""
    now = [100.0]
    monkeypatch.setattr(of_room.time, "monotonic", lambda: now[0])
    return now


def test_who_would_not_begin_in_time_is_not_admitted(now):
    lane = Lane(seconds=40, each=2.0, last=8)
    with contextlib.ExitStack() as held:
        for _ in range(6):
            held.enter_context(lane.held())
        refused(lane.held())
    # once they are known to be quick there is room for more
    for _ in range(20):
        with lane.held():
            now[0] += 0.1
    assert lane.each == pytest.approx(0.1)
    with contextlib.ExitStack() as held:
        for _ in range(60):
            held.enter_context(lane.held())


def test_those_of_a_batch_that_are_done_at_once_are_not_taken_for_quick_or_slow(now):
    lane = Lane(seconds=40, each=0.1, last=64)
    for _ in range(10):
        with contextlib.ExitStack() as held:
            for _ in range(16):
                held.enter_context(lane.held())
            now[0] += 1.6
    # by how many batches happen to be among the last 64
    assert 0.07 < lane.each < 0.13


def test_a_lane_that_had_nothing_to_do_is_not_taken_for_slow(now):
    lane = Lane(seconds=20, each=0.1, last=8)
    for _ in range(20):
        now[0] += 3600
        with lane.held():
            now[0] += 0.1
    assert lane.each == pytest.approx(0.1)
    assert lane.until_free == 1


def test_what_fails_tells_nothing(now):
    lane = Lane(seconds=20, each=0.1, last=8)
    for _ in range(8):
        with contextlib.suppress(KeyError), lane.held():
            now[0] += 5
            raise KeyError
    assert lane.each == pytest.approx(0.1)
