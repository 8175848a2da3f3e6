"""A request while it is worked at."""

from __future__ import annotations

import time

import pytest

from faceinpaint_fast.service.call import Call
from faceinpaint_fast.service.refusal import Refusal


def test_its_time_runs_out():
    call = Call(time.monotonic() + 0.02)
    assert 0 < call.remaining <= 0.02
    call.check()
    time.sleep(0.03)
    assert call.remaining == 0
    with pytest.raises(Refusal) as refused:
        call.check()
    assert refused.value.status == 504


def test_what_is_left_once_the_work_is_done_may_take_long():
    call = Call(0.0)
    call.may_take_long()
    call.check()
    assert call.remaining is None


def test_no_work_begins_for_who_has_left():
    call = Call(time.monotonic() + 60)
    call.left.set()
    with pytest.raises(Refusal):
        call.check()


def test_stages_are_added_up_also_those_that_fail():
    call = Call(0.0)
    call.took("search", 1.0)
    call.took("search", 2.0)
    with pytest.raises(KeyError), call.timed("decode"):
        raise KeyError
    assert call.seconds["search"] == 3.0
    assert call.seconds["decode"] >= 0
