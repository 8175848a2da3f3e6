"""docs/scaling.md says what its script makes of what was measured, and its simulation what can be said without one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from faceinpaint_fast import markdown

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scaling():
    path = ROOT / "docs" / "scaling_figure.py"
    spec = importlib.util.spec_from_file_location("scaling_figure", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured(scaling):
    return json.loads(scaling.MEASURED.read_text())


def test_no_number_is_typed_by_hand(scaling, measured, tmp_path):
    page = tmp_path / "scaling.md"
    page.write_bytes((ROOT / "docs" / "scaling.md").read_bytes())
    markdown.update([page], scaling.tables(measured))
    assert page.read_text() == (ROOT / "docs" / "scaling.md").read_text()


@pytest.mark.parametrize("workers", [1, 8, 1000])
def test_with_many_pieces_a_simulation_takes_what_the_slowest_part_takes(scaling, measured, workers):
    begun = scaling.begun_of(measured)
    simulated = scaling.simulate(measured, 10**7, workers, gpu=True) - begun
    closed = scaling.seconds(measured, 10**7, workers, gpu=True)[0] - begun
    assert simulated == pytest.approx(closed, rel=0.1)


def test_a_process_more_than_there_are_pieces_changes_nothing(scaling, measured):
    begun, count = scaling.begun_of(measured), 2 * scaling.PIECE
    one, two, many = (scaling.simulate(measured, count, workers, gpu=False) - begun for workers in (1, 2, 20))
    assert one > 1.5 * two
    assert two == many


def test_more_gpus_do_not_help_once_files_decide(scaling, measured):
    decided = [scaling.seconds(measured, 10**9, workers, gpu=True) for workers in (1, 1000, 10_000)]
    assert decided[0][0] > decided[1][0] == decided[2][0]
    assert decided[1][1] in ("files made", "lines taken in")
