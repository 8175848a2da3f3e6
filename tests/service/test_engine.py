"""Batches: who is in one with whom, what fails alone, and what is never begun."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from faceinpaint_fast import InputError
from faceinpaint_fast.pipeline import Inpainting
from faceinpaint_fast.service.call import Call
from faceinpaint_fast.service.engine import SEARCHES, Engine, Face
from faceinpaint_fast.service.refusal import Refusal


class Search:
    """Stands for an Inpainter: z of a face is its first pixel, seed, iterations, spread; a batch with a 13 fails."""

    def __init__(self, iterations=0, made=None):
        self.config = SimpleNamespace(steps=max(1, iterations))
        self.iterations, self.made = iterations, [] if made is None else made
        self.sizes, self.begun, self.go_on = [], threading.Event(), threading.Event()
        self.go_on.set()
        self.memory = 1000

    def iterating(self, iterations):
        self.made.append(iterations)
        return Search(iterations, self.made)

    def __call__(self, images, holes, *, seed, spread, progress):
        assert images.ndim == 4
        assert holes.shape == images.shape[:3]
        self.begun.set()
        assert self.go_on.wait(10)
        self.sizes.append(len(images))
        if len(images) > self.memory:
            raise MemoryError
        if (images[:, 0, 0, 0] == 13).any():
            raise InputError("images: expected no 13")
        progress(1.0)
        iterations = np.full(len(images), self.iterations)
        z = np.stack([images[:, 0, 0, 0].astype(float), np.array(seed), iterations, np.array(spread)], 1)
        return Inpainting(image=images, generated=images, z=z, activations=None, losses={"total": z[:, 0]})


@pytest.fixture
def engine():
    """Makes engines, and ends them."""
    made = []

    def of(search, *, batch=8, window=0.2):
        sizes = []
        engine = Engine(search, batch=batch, window=window, batched=sizes.append)
        engine.sizes = sizes
        engine.start()
        made.append((engine, search))
        return engine

    yield of
    for each, search in made:
        search.go_on.set()
        each.close()


def face(value=0, *, seed=0, iterations=None, dtype=np.uint8, seconds=10.0, heard=lambda *_: None, spread=0.0):
    call = Call(time.monotonic() + seconds, heard)
    return Face(np.full((2, 2, 3), value, dtype), np.ones((2, 2), bool), seed, iterations, call, spread)


def test_who_waits_at_a_time_is_restored_at_a_time(engine):
    search = Search()
    by = engine(search, batch=4, window=5)
    done = [by.submit(face(i, seed=10 + i, spread=i / 4)) for i in range(4)]
    found = [each.result(10) for each in done]
    # a batch that is full does not wait for its window's end
    assert search.sizes == by.sizes == [4]
    assert [each.z.tolist() for each in found] == [[i, 10 + i, 0, i / 4] for i in range(4)]


def test_a_face_waits_for_the_window_and_no_longer(engine):
    by = engine(Search(), window=0.05)
    start = time.monotonic()
    by.submit(face()).result(10)
    assert 0.05 <= time.monotonic() - start < 5


def test_who_comes_while_a_batch_is_searched_is_the_next_one(engine):
    search = Search()
    search.go_on.clear()
    by = engine(search, window=0)
    first = by.submit(face())
    assert search.begun.wait(10)
    rest = [by.submit(face(i)) for i in range(11)]
    search.go_on.set()
    for each in (first, *rest):
        each.result(10)
    assert search.sizes == [1, 8, 3]


def test_those_of_a_batch_are_alike_and_others_keep_their_turn(engine):
    search = Search()
    search.go_on.clear()
    by = engine(search, window=0)
    first = by.submit(face())
    assert search.begun.wait(10)
    kinds = [{}, {"dtype": np.float32}, {"iterations": 3}, {}, {"iterations": 3}]
    done = [by.submit(face(i, **kind)) for i, kind in enumerate(kinds)]
    search.go_on.set()
    assert [each.result(10).z[2] for each in (first, *done)] == [0, 0, 0, 3, 0, 3]
    assert by.sizes == [1, 2, 1, 2]


def test_a_search_of_other_iterations_is_made_once_and_a_few_are_kept(engine):
    search = Search()
    by = engine(search, window=0)
    for iterations in (3, 3, None, 4, 3):
        by.submit(face(iterations=iterations)).result(10)
    assert search.made == [3, 4]
    for iterations in range(10, 10 + SEARCHES):
        by.submit(face(iterations=iterations)).result(10)
    by.submit(face(iterations=3)).result(10)
    assert search.made == [3, 4, *range(10, 10 + SEARCHES), 3]
    # the engine's own is never given up
    assert by.submit(face()).result(10).z[2] == 0


def test_a_bad_face_fails_alone(engine):
    by = engine(Search(), batch=5, window=5)
    done = [by.submit(face(value)) for value in (1, 2, 13, 3, 4)]
    assert [each.result(10).z[0] for each in done[:2] + done[3:]] == [1, 2, 3, 4]
    with pytest.raises(InputError, match="no 13"):
        done[2].result(10)


def test_where_memory_runs_out_batches_are_smaller_from_then_on(engine):
    search = Search()
    search.memory = 2
    by = engine(search, batch=4, window=0.5)
    for each in [by.submit(face(i)) for i in range(4)]:
        each.result(10)
    assert search.sizes == [4, 2, 2]
    assert by.batch == 2


def test_what_is_late_is_refused_before_it_begins(engine):
    search = Search()
    search.go_on.clear()
    by = engine(search, window=0)
    first = by.submit(face())
    assert search.begun.wait(10)
    late, in_time = by.submit(face(seconds=0.05)), by.submit(face())
    time.sleep(0.1)
    search.go_on.set()
    with pytest.raises(Refusal) as refused:
        late.result(10)
    assert refused.value.status == 504
    assert [first.result(10).z[0], in_time.result(10).z[0]] == [0, 0]
    assert search.sizes == [1, 1]


def test_what_nobody_waits_for_is_never_begun(engine):
    search = Search()
    search.go_on.clear()
    by = engine(search, window=0)
    first = by.submit(face())
    assert search.begun.wait(10)
    left = by.submit(face())
    assert left.cancel()
    search.go_on.set()
    first.result(10)
    by.submit(face(7)).result(10)
    assert search.sizes == [1, 1]


def test_it_tells_how_a_search_goes_on_and_how_long_it_took(engine):
    told = []
    asked = face(heard=lambda *said: told.append(said))
    engine(Search(), window=0).submit(asked).result(10)
    assert told == [("search", 1, 1)]
    assert asked.call.seconds.keys() == {"queue", "search"}


def test_at_the_end_what_waits_is_refused_and_what_is_searched_is_finished(engine):
    search = Search()
    search.go_on.clear()
    by = engine(search, window=0)
    first = by.submit(face(5))
    assert search.begun.wait(10)
    waits = by.submit(face())
    ending = threading.Thread(target=by.close)
    ending.start()
    with pytest.raises(Refusal) as refused:
        waits.result(10)
    assert refused.value.status == 503
    search.go_on.set()
    ending.join(10)
    assert first.result(0).z[0] == 5
    with pytest.raises(Refusal, match="ending"):
        by.submit(face()).result(0)
