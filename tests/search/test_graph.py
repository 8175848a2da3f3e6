"""Batches on a ladder of sizes, in the memory of a few searches; graphs themselves are faked where there is no GPU."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import pytest
import torch

from faceinpaint_fast.search import graph
from faceinpaint_fast.search.graph import LADDER, LENGTH, Graphs, lengths, rung

ITERATIONS = 25


@dataclass
class Asked:
    """As many rows as `starts` has, each a search for the least of (z - start)^2, which goes half the way a step."""

    starts: torch.Tensor

    def rows(self, index):
        return Asked(self.starts[:, index])


class Halving:
    """Rows that are not finite have failed.  Counts what is asked of it."""

    made: list[int] = []  # noqa: RUF012 - of each test

    def __init__(self, asked):
        self.starts = asked.starts.clone()
        self.z = self.starts.new_zeros(self.starts.shape[1:])
        self.losses = self.starts.new_zeros(ITERATIONS, len(self.z))
        self.begun, self.iteration = 0, 0
        self.made.append(len(self.z))

    def begin(self, asked):
        count = asked.starts.shape[1]
        self.starts[:, :count].copy_(asked.starts)
        self.z.zero_()
        self.begun, self.iteration = self.begun + 1, 0

    def advance(self):
        away = self.z - self.starts[0]
        self.losses[self.iteration] = (away * away).sum(dim=1)
        self.z -= away / 2
        self.iteration += 1

    def found(self, rows):
        return self.z[:rows].clone(), self.losses[:, :rows].clone(), (~self.z[:rows].isfinite()).any(dim=1).long()


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

    def launched(search, length):
        lines.append(f"{length} of {len(search.z)}")
        for _ in range(length):
            search.advance()

    def capture(search, asked, lengths):
        assert len(search.z) == asked.starts.shape[1]
        return {length: partial(launched, search, length) for length in lengths}

    monkeypatch.setattr(graph, "Capture", lambda: capture)
    monkeypatch.setattr(graph, "marked", type("Event", (Event,), {"diary": lines}))
    monkeypatch.setattr(Halving, "made", [])
    return lines


def asked_of(count, seed=0):
    return Asked(torch.randn(4, count, 3, generator=torch.Generator().manual_seed(seed)))


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


@pytest.mark.parametrize(("iterations", "expected"), [(1, [1]), (10, [10]), (30, [10, 10, 10]), (25, [10, 10, 5])])
def test_graphs_of_all_iterations(iterations, expected):
    assert lengths(iterations) == expected
    assert LENGTH == 10


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_batch_finds_what_its_rows_find_alone(count, diary):
    graphs, asked = Graphs(Halving, ITERATIONS), asked_of(count)
    z, losses, attempts = graphs.run(asked, lambda _: None)
    assert z.shape == (count, 3)
    assert losses.shape == (ITERATIONS, count)
    assert attempts.tolist() == [0] * count
    assert torch.allclose(z, asked.starts[0])
    alone = Halving(asked)
    for _ in range(ITERATIONS):
        alone.advance()
    assert torch.equal(losses, alone.losses)
    assert [line for line in diary if "of" in line] == [f"{length} of {rung(count)}" for length in (10, 10, 5)]


def test_a_size_is_captured_once_and_serves_what_is_smaller(diary):  # noqa: ARG001
    graphs = Graphs(Halving, ITERATIONS)
    first, _, _ = graphs.run(asked_of(7, seed=1), lambda _: None)
    kept = first.clone()
    for count in (8, 5, 6):
        asked = asked_of(count, seed=count)
        z, _, _ = graphs.run(asked, lambda _: None)
        assert torch.allclose(z, asked.starts[0])
    assert Halving.made == [8]
    assert torch.equal(first, kept)
    graphs.run(asked_of(2), lambda _: None)
    assert Halving.made == [8, 2]


def test_what_fills_a_batch_up_is_no_part_of_it(diary):  # noqa: ARG001
    graphs = Graphs(Halving, ITERATIONS)
    bad = asked_of(8)
    bad.starts[:, 5:] = torch.nan
    assert graphs.run(bad, lambda _: None)[2].tolist() == [0] * 5 + [1] * 3
    # rows of the search before are still there
    z, losses, attempts = graphs.run(asked_of(5), lambda _: None)
    assert z.isfinite().all()
    assert losses.isfinite().all()
    assert attempts.tolist() == [0] * 5


def test_a_batch_beyond_the_ladder_is_cut(diary, monkeypatch):
    monkeypatch.setattr(graph, "LADDER", (1, 2, 4))
    graphs, asked, told = Graphs(Halving, ITERATIONS), asked_of(10), []
    z, losses, attempts = graphs.run(asked, told.append)
    assert torch.allclose(z, asked.starts[0])
    assert losses.shape == (ITERATIONS, 10)
    assert len(attempts) == 10
    # the last part, of two rows, as one of four: no row's bits depend on where it stands
    assert [line for line in diary if "of" in line] == ["10 of 4", "10 of 4", "5 of 4"] * 3
    assert Halving.made == [4]
    assert told == pytest.approx([0.16, 0.32, 0.4, 0.56, 0.72, 0.8, 0.88, 0.96, 1])


def test_progress_is_told_when_it_is_done_while_the_next_graph_waits(diary):
    graphs = Graphs(Halving, ITERATIONS)
    graphs.run(asked_of(1), lambda share: diary.append(f"told {share:g}"))
    assert diary == [
        "10 of 1", "mark 0", "10 of 1", "mark 1", "done 0", "told 0.4", "5 of 1", "mark 2", "done 1", "told 0.8",
        "told 1", "mark 3",
    ]  # fmt: skip


def test_searches_follow_each_other_on_the_device(diary):
    """Another thread's stream knows nothing of what this one sent; an error on the way changes nothing."""
    graphs = Graphs(Halving, ITERATIONS)

    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graphs.run(asked_of(1), interrupted)
    assert diary[-1] == "mark 2"
    thread = threading.Thread(target=graphs.run, args=(asked_of(1), lambda _: None))
    thread.start()
    thread.join()
    assert diary[6] == "after 2"


def test_where_memory_is_short_the_others_make_room(diary, monkeypatch):  # noqa: ARG001
    room = [8]

    def new(asked):
        if asked.starts.shape[1] > room[0] - sum(size for size in graphs._kept):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Halving(asked)

    graphs = Graphs(new, ITERATIONS)
    for count in (4, 2, 8):
        graphs.run(asked_of(count), lambda _: None)
    assert Halving.made == [4, 2, 8]
    graphs.run(asked_of(8), lambda _: None)
    assert Halving.made == [4, 2, 8]
    with pytest.raises(torch.OutOfMemoryError):
        graphs.run(asked_of(16), lambda _: None)


@pytest.mark.gpu
def test_a_captured_search_is_what_its_calls_are():
    """On the device, in two graphs of different lengths."""

    class OnDevice(Halving):
        made = []  # noqa: RUF012

        def __init__(self, asked):
            super().__init__(asked)
            # a graph knows no number of the host's
            self.step = torch.zeros(1, dtype=torch.int64, device="cuda")

        def begin(self, asked):
            super().begin(asked)
            self.step.zero_()

        def advance(self):
            away = self.z - self.starts[0]
            self.losses.index_copy_(0, self.step, (away * away).sum(dim=1)[None])
            self.z -= away / 2
            self.step += 1

    asked = Asked(asked_of(3).starts.cuda())
    found = Graphs(OnDevice, ITERATIONS).run(asked, lambda _: None)
    alone = OnDevice(asked)
    for _ in range(ITERATIONS):
        alone.advance()
    for one, other in zip(found, alone.found(3), strict=True):
        assert torch.equal(one, other)
