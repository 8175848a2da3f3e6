"""Tables of measured choices: which serves a card, and which choice a case."""

from __future__ import annotations

import json

import pytest
import torch

from faceinpaint_fast import tuning
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.tuning import Card, Choice, Table, table_for

H100, A100, L4 = Card("NVIDIA H100 80GB HBM3", (9, 0), 132), Card("A100", (8, 0), 108), Card("L4", (8, 9), 58)


def table(card, rows=(1, 16, 256)):
    choices = [Choice("bfgs", {"rows": row, "n": 100}, {"ROWS": row}, 1.5) for row in rows]
    return Table(card, {"date": "2026-01-01"}, (*choices, Choice("layers", {"rows": 4}, "cudnn", 2.0)))


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The user's and the shipped, both empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tuning, "SHIPPED", tmp_path / "shipped")
    return tuning.users(), tmp_path / "shipped"


def test_a_table_is_written_a_line_a_choice(tmp_path):
    path = tmp_path / "deep" / "table.json"
    table(H100).write(path)
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + 4 + 1
    assert json.loads(lines[1].rstrip(",")) == {
        "kernel": "bfgs", "case": {"rows": 1, "n": 100}, "choice": {"ROWS": 1}, "microseconds": 1.5,
    }  # fmt: skip
    found = Table.read(path)
    assert found == table(H100)
    assert found.source == path


def test_the_user_s_own_table_comes_first_then_the_shipped_one_then_the_nearest(folders):
    users, shipped = folders
    assert table_for(H100) is None
    table(A100).write(shipped / A100.file)
    table(L4).write(shipped / L4.file)
    assert table_for(H100).card == A100
    assert table_for(Card("RTX 4090", (8, 9), 128)).card == L4
    assert table_for(Card("A30", (8, 0), 56)).card == A100
    table(H100).write(shipped / H100.file)
    assert table_for(H100).source == shipped / "nvidia-h100-80gb-hbm3.json"
    table(H100, rows=(1,)).write(users / H100.file)
    assert table_for(H100).source == users / H100.file
    # another user's card is not this one
    assert table_for(A100).source == shipped / A100.file


def test_a_choice_is_that_of_as_many_rows_or_of_the_next_fewer():
    found = table(H100)
    chosen = {rows: found.chosen("bfgs", rows, n=100) for rows in (1, 2, 16, 255, 4096)}
    assert chosen == {1: {"ROWS": 1}, 2: {"ROWS": 1}, 16: {"ROWS": 16}, 255: {"ROWS": 16}, 4096: {"ROWS": 256}}
    assert table(H100, rows=(16,)).chosen("bfgs", 2, n=100) == {"ROWS": 16}
    assert found.chosen("bfgs", 1, n=50) is None
    assert found.chosen("adam", 1) is None
    assert found.chosen("layers", 9) == "cudnn"


def test_a_table_of_another_format_is_passed_over(folders):
    users, shipped = folders
    table(H100).write(shipped / H100.file)
    users.mkdir(parents=True)
    text = (shipped / H100.file).read_text()
    (users / H100.file).write_text(text.replace('"format": 1', '"format": 99'))
    assert table_for(H100).source == shipped / H100.file


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 1}', '{"format": 1, "card": {}, "measured": {}, "choices": []}']
)
def test_what_is_no_table_is_named(text, folders):
    users, _ = folders
    users.mkdir(parents=True)
    (users / H100.file).write_text(text)
    with pytest.raises(InputError, match=r"nvidia-h100-80gb-hbm3.json: expected a table of measured choices, got"):
        table_for(H100)


def test_a_cpu_has_no_table():
    assert tuning.table_of(torch.device("cpu")) is None


def test_shipped_tables_are_tables():
    for path in tuning.SHIPPED.glob("*.json"):
        found = Table.read(path)
        assert found.card.file == path.name
        assert found.measured.keys() >= {"date", "torch", "triton"}
