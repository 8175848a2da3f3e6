"""What one process does with a piece, called as Ray calls it."""

from __future__ import annotations

import pytest

from faceinpaint_fast.cluster.worker import ENDED, TRIES, Done, Recipe
from faceinpaint_fast.folders import engine
from faceinpaint_fast.folders.manifest import PARTS, Manifest, Part
from faceinpaint_fast.models import load_model


@pytest.fixture
def work(plan, small_model, config, tmp_path):
    """A worker, and a piece: all of the twelve."""
    planned = plan()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").touch()
    parts = Part.prepare(tmp_path / "out")
    recipe = Recipe(
        task=planned.task, model=load_model(small_model), config=config, detector=None, mirror="auto", parts=parts
    )
    return recipe.made("cpu"), planned.items, (3, [(item, "key") for item in planned.items])


@pytest.fixture
def place(tmp_path):
    """The place of the run's parts."""
    return lambda: next((tmp_path / "out" / PARTS).iterdir())


@pytest.fixture
def taken(tmp_path, place):
    """The lines of the piece's parts."""

    def take():
        manifest = Manifest(tmp_path / "manifest.jsonl")
        manifest.begin([])
        return {line["output"]: line for line in Part.taken(place(), 3, manifest)}

    return take


def test_a_piece_is_restored_and_has_its_lines(work, taken, place, tmp_path):
    worker, items, piece = work
    assert worker(piece) == Done(piece=3, full=None, told=[])
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    assert len(written) == 12
    # begun with again, there is nothing to do
    worker(piece)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")} == written
    found = taken()
    assert found.keys() == {str(item.output) for item in items}
    assert {line["error"] for line in found.values()} == {None}
    assert [*place().iterdir()] == []
    Part.clear(place(), needed=True)
    assert not (tmp_path / "out" / PARTS).exists()


def test_what_is_to_be_told_is_told_once(work, monkeypatch):
    """A batch that memory is too small for, and metadata that cannot be read."""
    worker, _, (number, pictures) = work
    faces = engine.Engine._faces

    def scarce(self, damaged):
        if len(damaged) > 1:
            raise MemoryError
        return faces(self, damaged)

    monkeypatch.setattr(engine.Engine, "_faces", scarce)
    assert worker((number, pictures)).told == ["out of memory with 2 pictures at a time: 1 from now on"]
    assert worker((4, pictures)).told == []


def test_a_picture_that_ends_processes_is_found_and_costs_no_other(work, taken, monkeypatch):
    worker, items, piece = work
    restore = engine.Engine.restore

    def deadly(self, damaged):
        if any(each.seed == items[5].seed for each in damaged):
            raise SystemExit
        return restore(self, damaged)

    monkeypatch.setattr(engine.Engine, "restore", deadly)
    for _ in range(TRIES + 1):
        with pytest.raises(SystemExit):
            worker(piece)
    assert worker(piece).full is None
    found = taken()
    assert len(found) == 12
    assert {name: line["error"] for name, line in found.items() if line["error"]} == {str(items[5].output): ENDED}


def test_a_folder_that_is_not_there_is_told(work, place, tmp_path):
    worker, _, piece = work
    (tmp_path / "out" / ".lock").unlink()
    assert worker(piece).full.startswith(f"{tmp_path}/out: expected a folder that every process sees, on every")
    (tmp_path / "out" / ".lock").touch()
    place().rmdir()
    assert "No such file" in worker(piece).full
    assert [*(tmp_path / "out").rglob("*.png")] == []
