"""Batches on a ladder of sizes, in the memory of a few courses; graphs themselves are faked where there is no GPU."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
import torch

from faceinpaint_fast.search import graph
from faceinpaint_fast.search.course import Part
from faceinpaint_fast.search.graph import LADDER, LENGTH, Graphs, rung

ITERATIONS = 25


class Halving:
    """A course that goes half the way to where each row aims, a step, and ends by 1 less; it counts what is made."""

    made: list[int] = []  # noqa: RUF012 - of each test

    def __init__(self, inputs):
        (self.aims,) = inputs
        self.made.append(len(self.aims))

    def parts(self, at_once):
        yield Part(self.begin)
        yield Part(lambda: self.advance(at_once), ITERATIONS // at_once, at_once)
        yield Part(lambda: self.advance(ITERATIONS % at_once), 1, ITERATIONS % at_once)
        yield Part(self.end)

    def begin(self):
        self.z = torch.zeros_like(self.aims)

    def advance(self, iterations):
        for _ in range(iterations):
            self.z -= (self.z - self.aims) / 2

    def end(self):
        self.found = self.z - 1


def taken(course, rows):
    return course.found[:rows].clone()


def nobody(_):
    """Hears of no progress."""


class Event:
    """One that a device records, and waits for, in the order of a diary."""

    diary: list[str]

    def __init__(self):
        self.number = sum(line.startswith("mark") for line in self.diary)
        self.diary.append(f"mark {self.number}")

    def wait(self):
        self.diary.append(f"after {self.number}")

    def synchronize(self):
        self.diary.append(f"done {self.number}")


@pytest.fixture
def diary(monkeypatch):
    """What the device was sent; graphs are calls."""
    lines = []

    def captured(do, pool):
        assert pool == "shared"
        lines.append("captured")

        def replay():
            lines.append("replay")
            do()

        return replay

    monkeypatch.setattr(graph, "captured", captured)
    monkeypatch.setattr(graph, "aside", lambda do: do())
    monkeypatch.setattr(Graphs, "_memory", lambda _: "shared")
    monkeypatch.setattr(graph, "marked", type("Event", (Event,), {"diary": lines}))
    monkeypatch.setattr(Halving, "made", [])
    return lines


def aims_of(count, seed=0):
    return (torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)),)


def test_the_ladder():
    assert [rung(count) for count in (1, 2, 3, 100, 129, 1000, 1024, 1025, 5000)] == [
        1, 2, 4, 128, 192, 1024, 1024, 1024, 1024,
    ]  # fmt: skip
    assert list(LADDER) == sorted(LADDER)
    # no more than twice the work, and less where work is what takes the time
    assert all(b <= 2 * a for a, b in pairwise(LADDER))
    assert all(2 * b <= 3 * a for a, b in pairwise(LADDER) if a >= 128)
    # the memory of all up to any one
    assert all(sum(LADDER[: i + 1]) < 4 * size for i, size in enumerate(LADDER))
    assert LENGTH == 10


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_batch_finds_what_its_rows_find_alone(count, diary):
    graphs, asked = Graphs(Halving, ITERATIONS), aims_of(count)
    (found,) = graphs.run(asked, taken, nobody)
    assert found.shape == (count, 3)
    assert torch.allclose(found, asked[0] - 1)
    # the beginning, twice ten iterations, five, the end: four graphs
    assert diary.count("captured") == 4
    assert diary.count("replay") == 5


def test_a_size_is_captured_once_and_serves_what_is_smaller(diary):
    graphs = Graphs(Halving, ITERATIONS)
    (first,) = graphs.run(aims_of(7, seed=1), taken, nobody)
    kept = first.clone()
    for count in (8, 5, 6):
        asked = aims_of(count, seed=count)
        (found,) = graphs.run(asked, taken, nobody)
        assert torch.allclose(found, asked[0] - 1)
    assert Halving.made == [8]
    assert diary.count("captured") == 4
    assert torch.equal(first, kept)
    graphs.run(aims_of(2), taken, nobody)
    assert Halving.made == [8, 2]


def test_what_fills_a_batch_up_is_no_part_of_it(diary):  # noqa: ARG001
    graphs = Graphs(Halving, ITERATIONS)
    (bad,) = aims_of(8)
    bad[5:] = torch.nan
    (found,) = graphs.run((bad,), taken, nobody)
    assert found.isfinite().all(dim=1).tolist() == [True] * 5 + [False] * 3
    # rows of the search before are still there
    (found,) = graphs.run(aims_of(5), taken, nobody)
    assert found.isfinite().all()


def test_a_batch_beyond_the_ladder_is_cut(diary, monkeypatch):
    monkeypatch.setattr(graph, "LADDER", (1, 2, 4))
    graphs, asked, told = Graphs(Halving, ITERATIONS), aims_of(10), []
    found = graphs.run(asked, taken, told.append)
    # the last part, of two rows, as one of four: no row's bits depend on where it stands
    assert [len(part) for part in found] == [4, 4, 2]
    assert torch.allclose(torch.cat(found), asked[0] - 1)
    assert diary.count("replay") == 15
    assert Halving.made == [4]
    assert told == pytest.approx([0.16, 0.32, 0.4, 0.56, 0.72, 0.8, 0.88, 0.96, 1])


def test_progress_is_told_when_it_is_done_while_the_next_graph_waits(diary):
    graphs = Graphs(Halving, ITERATIONS)
    graphs.run(aims_of(1), taken, lambda share: diary.append(f"told {share:g}"))
    assert diary[4:] == [
        "replay", "replay", "mark 0", "replay", "mark 1", "done 0", "told 0.4", "replay", "mark 2", "done 1",
        "told 0.8", "replay", "told 1", "mark 3",
    ]  # fmt: skip


def test_searches_follow_each_other_on_the_device(diary):
    """Another thread's stream knows nothing of what this one sent; an error on the way changes nothing."""
    graphs = Graphs(Halving, ITERATIONS)

    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graphs.run(aims_of(1), taken, interrupted)
    assert diary[-1] == "mark 2"
    before = len(diary)
    thread = threading.Thread(target=graphs.run, args=(aims_of(1), taken, nobody))
    thread.start()
    thread.join()
    assert diary[before] == "after 2"


def test_where_memory_is_short_the_others_make_room(diary):  # noqa: ARG001
    room = 8

    def new(inputs):
        if len(inputs[0]) > room - sum(size for size in graphs._kept):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Halving(inputs)

    graphs = Graphs(new, ITERATIONS)
    for count in (4, 2, 8):
        graphs.run(aims_of(count), taken, nobody)
    assert Halving.made == [4, 2, 8]
    graphs.run(aims_of(8), taken, nobody)
    assert Halving.made == [4, 2, 8]
    with pytest.raises(torch.OutOfMemoryError):
        graphs.run(aims_of(16), taken, nobody)


def test_from_a_part_on_that_no_graph_can_hold_parts_are_called(diary, monkeypatch):
    faked = graph.captured

    def captured(do, pool):
        if diary.count("captured") == 1:
            raise RuntimeError("not permitted when stream is capturing")
        return faked(do, pool)

    monkeypatch.setattr(graph, "captured", captured)
    graphs, asked = Graphs(Halving, ITERATIONS), aims_of(2)
    with pytest.warns(
        UserWarning, match="generator: no CUDA graph, its kernels are launched one by one: not permitted"
    ):
        (found,) = graphs.run(asked, taken, nobody)
    assert torch.allclose(found, asked[0] - 1)
    assert (diary.count("captured"), diary.count("replay")) == (1, 1)


@pytest.mark.gpu
def test_a_captured_course_is_what_its_calls_are():
    """On the device, in graphs of different lengths, again with other aims in the same memory."""
    graphs = Graphs(Halving, ITERATIONS)
    for seed in (0, 1):
        (aims,) = (each.cuda() for each in aims_of(3, seed))
        (found,) = graphs.run((aims,), taken, nobody)
        alone = Halving((aims,))
        for part in alone.parts(LENGTH):
            for _ in range(part.times):
                part.do()
        assert torch.equal(found, alone.found)
