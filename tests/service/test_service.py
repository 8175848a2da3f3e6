"""The service: the same bits under any load, no place or thread that is lost, and an end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from faceinpaint_fast.service.app import INPAINT
from faceinpaint_fast.service.asked import Asked, Options
from faceinpaint_fast.service.call import Call
from faceinpaint_fast.service.engine import NICE
from faceinpaint_fast.service.refusal import Refusal
from faceinpaint_fast.service.service import Service


def test_an_answer_does_not_depend_on_who_else_asks(client, service, png, face, hole, photo, part, eyes, decoded):
    """Faces and a photograph's at a time, in one batch or in several, are what each is alone."""
    sent = [({"image": png(np.roll(face, i, axis=0)), "hole": png(hole)}, {"seed": str(i)}) for i in range(6)]
    sent += [({"image": png(photo), "hole": png(part)}, {"eyes": json.dumps(eyes)})]

    def ask(each):
        files, fields = each
        answer = client.post(INPAINT, files=files, data=fields)
        assert answer.status_code == 200, answer.text
        return decoded(answer.content)

    alone = [ask(each) for each in sent]
    before = batches(service)
    with ThreadPoolExecutor(len(sent)) as pool:
        together = list(pool.map(ask, sent))
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))
    count, faces = (after - then for after, then in zip(batches(service), before, strict=True))
    assert count < faces == 7


def batches(service):
    """How many there were, and of how many faces."""
    lines = dict(line.rsplit(" ", 1) for line in service.measures.text().decode().splitlines() if line[:1] != "#")
    return float(lines["faceinpaint_batch_faces_count"]), float(lines["faceinpaint_batch_faces_sum"])


class Slow:
    """An Inpainter that takes its time."""

    def __init__(self, inpainter):
        self._inpainter, self.calls, self.go_on = inpainter, 0, threading.Event()

    def __getattr__(self, name):
        return getattr(self._inpainter, name)

    def __call__(self, *arguments, **named):
        self.calls += 1
        assert self.go_on.wait(20)
        return self._inpainter(*arguments, **named)


@pytest.fixture
def slow(model, settings, service):
    """A service whose engine goes on when it is told to."""
    made = Slow(service.engine.inpainter)
    by = Service(model, settings(window=0.0), inpainter=made, detector=lambda _: [])
    by.engine.start()
    by.is_ready = True
    yield by, made
    made.go_on.set()
    by.end()


@pytest.fixture
def asked(png, face, hole):
    return Asked(png(face), png(hole), Options())


async def begun(slow, asked, seconds=20):
    """Has work that is asked for within that time begun by an engine that then stands still."""
    by, engine = slow
    task = asyncio.create_task(by.restore(asked, Call(time.monotonic() + seconds)))
    while not engine.calls:
        await asyncio.sleep(0.01)
    return task


def test_what_is_late_is_refused_at_its_time_and_never_begun(slow, asked):
    by, engine = slow

    async def run():
        first = await begun(slow, asked)
        start = time.monotonic()
        with pytest.raises(Refusal) as refused:
            await by.restore(asked, Call(start + 0.2))
        assert 0.15 < time.monotonic() - start < 5
        engine.go_on.set()
        await first
        return refused.value.status

    assert asyncio.run(run()) == 504
    time.sleep(0.05)
    assert engine.calls == 1


def test_what_has_begun_is_answered_also_after_its_time(slow, asked):
    _, engine = slow

    async def run():
        task = await begun(slow, asked, 0.3)
        await asyncio.sleep(0.4)
        engine.go_on.set()
        return await task

    assert asyncio.run(run()).losses["total"] > 0


def test_the_work_of_who_has_left_is_given_up(slow, asked):
    by, engine = slow

    async def run():
        first = await begun(slow, asked)
        call = Call(time.monotonic() + 20)
        second = asyncio.create_task(by.restore(asked, call))
        while not by.engine.waiting:
            await asyncio.sleep(0.01)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        engine.go_on.set()
        await first
        return call

    assert asyncio.run(run()).left.is_set()
    time.sleep(0.05)
    assert engine.calls == 1
    assert by.room._taken == 0


def test_a_photograph_that_waits_too_long_for_the_engine_is_late(slow, png, photo, part, eyes):
    by, engine = slow
    asked = Asked(png(photo), png(part), Options(eyes=eyes))

    async def run():
        first = await begun(slow, asked)
        with pytest.raises(Refusal) as refused:
            await by.restore(asked, Call(time.monotonic() + 0.7))
        engine.go_on.set()
        await first
        return refused.value.status

    assert asyncio.run(run()) == 504


def test_at_the_end_what_waits_is_refused_and_nothing_more_is_taken(slow, asked):
    by, engine = slow

    async def run():
        first = await begun(slow, asked)
        second = asyncio.create_task(by.restore(asked, Call(time.monotonic() + 20)))
        while not by.engine.waiting:
            await asyncio.sleep(0.01)
        ending = asyncio.create_task(asyncio.to_thread(by.end))
        with pytest.raises(Refusal) as refused:
            await second
        with pytest.raises(Refusal), by.held():
            pass
        engine.go_on.set()
        await asyncio.gather(first, ending)
        with pytest.raises(Refusal) as after:
            await by.restore(asked, Call(time.monotonic() + 20))
        return refused.value.status, after.value.status

    assert asyncio.run(run()) == (503, 503)


def test_what_was_searched_is_written_though_all_else_has_ended(slow, asked):
    by, engine = slow

    async def run():
        first = await begun(slow, asked)
        engine.go_on.set()
        # the loop stands still until the end has come: the request hears of its search behind that
        by.end()
        return await first

    assert asyncio.run(run()).picture.media_type == "image/png"


def test_what_is_asked_for_has_a_few_seconds_once_the_end_is_near(slow, monkeypatch):
    by, _ = slow
    ended = threading.Event()
    monkeypatch.setattr(by._patience, "function", ended.set)
    monkeypatch.setattr(by._patience, "interval", 0.05)
    by.will_end()
    by.will_end()
    assert not by.is_ready
    with pytest.raises(Refusal), by.held():
        pass
    assert ended.wait(5)


@pytest.mark.skipif(sys.platform != "linux", reason="a thread's niceness is its own on Linux alone")
def test_threads_that_work_give_way_to_the_one_that_answers(client, service):
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert client.get("/readyz").status_code == 200
    assert service._desk.submit(niceness).result() == min(19, own + NICE)
    assert service._photographs.submit(niceness).result() == min(19, own + NICE)
    engine = service.engine._thread.native_id
    assert os.getpriority(os.PRIO_PROCESS, engine) == min(19, own + NICE)
    # the one that answers stays as it was
    assert niceness() == own
