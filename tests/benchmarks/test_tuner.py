"""The tuner with a clock of its own: what it tries, keeps and leaves out."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from faceinpaint_fast.benchmarks import tuner
from faceinpaint_fast.benchmarks.tuner import measure
from faceinpaint_fast.tuning import Card

CARD = Card("NVIDIA H200", (9, 0), 132)


@dataclass(frozen=True)
class Case:
    rows: int
    precision: str


@dataclass(frozen=True)
class Tiles:
    size: int


class Tiled:
    """Results are right but for tiles of 13; none of 99 fits the card.  The best size is that of the rows."""

    name = "tiled"

    def __init__(self):
        self.prepared, self.threads = [], set()

    def cases(self, batches):
        return [Case(rows, precision) for rows in batches for precision in ("bf16", "fp32")]

    def candidates(self, case):  # noqa: ARG002 - the same for all
        return ["plain", *map(Tiles, (99, 13, 64, 1, 16))]

    def launch(self, case, candidate):
        if candidate == Tiles(99):
            raise RuntimeError("out of resource:\n shared memory")
        self.prepared.append((case.rows, candidate))
        self.threads.add(threading.get_ident())
        return lambda: (case, candidate)

    def check(self, case, launch):
        assert launch() != (case, Tiles(13)), "0.5 is not 0.25"


class Clock:
    """A candidate takes a microsecond and how far it is from the best; to measure it, a second."""

    def __init__(self):
        self.time, self.best = 100.0, []

    def now(self):
        return self.time

    def seconds(self, launch, best):
        case, candidate = launch()
        self.time += 1
        self.best.append(best)
        return 1e-6 * (2.5 if candidate == "plain" else 1 + abs(candidate.size - case.rows) / 10)


@pytest.fixture(autouse=True)
def _batches(monkeypatch):
    monkeypatch.setattr(tuner, "BATCHES", (1, 16, 128))


def test_the_best_that_is_right_is_kept():
    family, lines, clock = Tiled(), [], Clock()
    table = measure([family], CARD, lines.append, clock, seconds=1000)
    assert table.card == CARD
    assert table.measured.keys() == {"date", "faceinpaint_fast", "torch", "triton", "cuda"}
    assert [(c.kernel, c.case, c.choice, c.microseconds) for c in table.choices[::2]] == [
        ("tiled", {"rows": 1, "precision": "bf16"}, {"size": 1}, 1.0),
        ("tiled", {"rows": 16, "precision": "bf16"}, {"size": 16}, 1.0),
        # all else would take longer than what is there anyway
        ("tiled", {"rows": 128, "precision": "bf16"}, "plain", 2.5),
    ]
    assert [c.case["precision"] for c in table.choices] == ["bf16", "fp32"] * 3
    wrong = "tiled rows=1 precision=bf16: size=13 is wrong: AssertionError: 0.5 is not 0.25"
    assert any(line.startswith(wrong) for line in lines)
    unfit = "tiled rows=16 precision=fp32: size=99 is not possible: RuntimeError: out of resource: shared memory"
    assert unfit in lines
    assert "tiled rows=1 precision=bf16: size=1, 1.0 us, best of 4" in lines
    # a clock hears what there is to beat
    assert clock.best[:6] == [float("inf")] * 6
    assert clock.best[6] == pytest.approx(2.5e-6)
    assert threading.get_ident() not in family.threads


def test_when_time_is_up_every_case_has_had_its_turns(monkeypatch):
    monkeypatch.setattr(tuner.os, "cpu_count", lambda: 2)
    family, lines = Tiled(), []
    table = measure([family, Tiled()], CARD, lines.append, Clock(), seconds=11)
    # twelve cases, a second each: the first round, and no more
    assert {choice.choice for choice in table.choices} == {"plain"}
    assert len(table.choices) == 12
    assert {candidate for _, candidate in family.prepared} == {"plain"}
    table = measure([family], CARD, lines.append, Clock(), seconds=3)
    assert len(table.choices) == 4
    assert lines[-1] == "2 of 6 cases: nothing was measured"


def test_the_table_goes_to_the_user_s_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tuner.Card, "of", lambda _: CARD)
    monkeypatch.setattr(tuner, "GraphClock", Clock)
    monkeypatch.setattr(tuner.torch.cuda, "device", lambda _: threading.Lock())
    lines = []
    table = tuner.tune([Tiled()], tuner.torch.device("cuda"), lines.append)
    path = tmp_path / "faceinpaint_fast" / "gpus" / "nvidia-h200.json"
    assert tuner.Table.read(path) == table
    assert lines[-1] == f"6 choices for NVIDIA H200: {path}"
