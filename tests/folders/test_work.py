"""Pictures restored: what is read, what fails, what is written, and what ends it."""

from __future__ import annotations

import errno
import json
import os
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import masks
from faceinpaint_fast.folders import work
from faceinpaint_fast.folders.engine import Restored
from faceinpaint_fast.images import read_image
from faceinpaint_fast.picture_file import PictureFile


def lines(out):
    return {line["input"]: line for line in map(json.loads, (out / "manifest.jsonl").read_text().splitlines())}


def counted(summary):
    return summary.restored, summary.before, summary.failed, summary.left


def test_what_a_picture_has_besides_comes_back(images, out, put, restore, faces):
    """16 bits, grey, transparency: each in batches of its own kind."""
    hole = masks.centre((64, 64))
    put(images / "deep.png", faces[0][..., 0].astype(np.uint16) * 257)
    put(images / "grey.png", faces[1][..., 0])
    put(images / "clear.png", np.dstack([faces[2], np.where(hole, 0, 255).astype(np.uint8)]))
    assert counted(restore()) == (3, 0, 0, 0)
    for name in ("deep.png", "grey.png", "clear.png"):
        before, after = (PictureFile.read(folder / name) for folder in (images, out))
        assert before.levels.dtype == after.levels.dtype
        assert_array_equal(before.levels[~hole], after.levels[~hole])
        assert (before.levels[hole] != after.levels[hole]).any()
    assert (PictureFile.read(out / "clear.png").alpha == 255).all()


def test_pictures_that_fail_are_listed_and_cost_no_other(six, out, put, restore, tmp_path):
    (six / "empty.png").touch()
    (six / "text.jpg").write_text("words")
    (six / "link.png").symlink_to(tmp_path / "nowhere")
    put(six / "large.png", np.zeros((65, 64, 3), np.uint8))
    summary = restore()
    assert counted(summary) == (6, 0, 4, 0)
    errors = {name: line["error"] for name, line in lines(out).items() if line["error"]}
    whole = "expected an image file that can be read whole, got none of a known format"
    assert errors == {
        "empty.png": f"{six}/empty.png: {whole}",
        "text.jpg": f"{six}/text.jpg: {whole}",
        "link.png": f"{six}/link.png: expected an image file, got nothing: no such file",
        "large.png": "picture: expected 64x64 pixels, the model's size, got 64x65",
    }
    assert len(list(out.rglob("*.png"))) == 6


@pytest.mark.usefixtures("six")
def test_holes_that_fail_are_listed_too(out, put, put_hole, restore, tmp_path):
    holes = tmp_path / "holes"
    put_hole(holes / "1_mask.png")
    put(holes / "3.png", np.zeros((64, 60), np.uint8))
    put(holes / "5.png", np.full((64, 64), 255, np.uint8))
    assert counted(restore(holes)) == (1, 0, 5, 0)
    errors = {name: line["error"] for name, line in lines(out).items() if line["error"]}
    assert "expected one hole called sub/0 or sub/0_mask" in errors["sub/0.png"]
    assert "--force to go on" in errors["3.png"]
    assert "more than half of it" in errors["5.png"] or "one level, 255" in errors["5.png"]
    assert lines(out)["1.png"]["remarks"] == [f"{holes}/1_mask.png: 25.0% of the picture to fill, 1024 of 4096 pixels"]
    put_hole(holes / "3.png").rename(holes / "3_mask.png")
    put(holes / "3_mask.png", masks.centre((64, 60)) * np.uint8(255))
    put(holes / "5.png", np.full((64, 64), 255, np.uint8))
    restore(holes, asked={"force": True})
    errors = {name: line["error"] for name, line in lines(out).items() if line["error"]}
    assert errors["3.png"] == f"{holes}/3_mask.png: expected 64x64 pixels, as its picture, got 60x64"
    assert errors["5.png"] == "hole: expected at least one known pixel, got none"


def test_the_first_that_fails_may_end_it(six, restore):
    for i in range(6, 40):
        (six / f"{i}.png").touch()
    summary = restore(asked={"on_error": "fail"})
    assert summary.failed >= 1
    assert summary.left > 20


def test_a_photograph_goes_to_who_restores_photographs(six, out, put, restore):
    put(six / "photo.png", np.full((30, 40, 3), 9, np.uint8))
    given = []

    def photographs(damaged):
        given.append(damaged)
        return Restored(pixels=damaged.pixels + 1, faces=3, losses={"total": 0.5}, remarks=["it is dark"])

    assert counted(restore(photographs=photographs)) == (7, 0, 0, 0)
    line, hole = lines(out)["photo.png"], masks.centre((30, 40))
    assert [line[name] for name in ("faces", "losses", "remarks")] == [3, {"total": 0.5}, ["it is dark"]]
    assert (given[0].seed, given[0].pixels.shape) == (line["seed"], (30, 40, 3))
    assert_array_equal(given[0].missing, hole)
    assert_array_equal(read_image(out / "photo.png"), np.repeat(np.where(hole, 10, 9)[..., None], 3, axis=-1))


def test_what_nobody_foresaw_is_listed_as_such(six, out, put, restore):
    put(six / "photo.png", np.full((30, 40, 3), 9, np.uint8))
    assert counted(restore(photographs=lambda _: [][0])) == (6, 0, 1, 0)
    assert lines(out)["photo.png"]["error"] == "unforeseen IndexError: list index out of range"


@pytest.mark.usefixtures("six")
def test_a_full_disk_ends_it_and_what_was_written_stays(out, restore, monkeypatch):
    """The line of a picture that was not written is not there, either."""
    fsync, synced = os.fsync, []

    def full(number):
        synced.append(number)
        # the first is of the manifest
        if len(synced) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    monkeypatch.setattr(os, "fsync", full)
    summary = restore()
    assert "No space left on device" in summary.full
    assert counted(summary) == (2, 0, 0, 4)
    assert len(lines(out)) == 2
    for name in lines(out):
        assert read_image(out / name).shape == (64, 64, 3)
    assert [path for path in out.rglob("*") if path.suffix == ".partial"] == []
    monkeypatch.undo()
    assert counted(restore()) == (4, 2, 0, 0)


@pytest.mark.usefixtures("six")
def test_a_place_that_takes_no_picture_is_that_picture_s_error(out, restore):
    (out / "1.png").mkdir(parents=True)
    assert counted(restore()) == (5, 0, 1, 0)
    assert "expected a file to write to, got a folder" in lines(out)["1.png"]["error"]


@pytest.mark.usefixtures("six")
def test_files_are_read_while_the_engine_works(restore, monkeypatch):
    read, begun = work.PictureFile.read, []
    met = threading.Event()

    def reading(source, **options):
        begun.append(source)
        if len(begun) == 6:
            met.set()
        return read(source, **options)

    monkeypatch.setattr(work.PictureFile, "read", reading)
    restore_them = work.Engine.restore

    def restoring(engine, damaged):
        # all six are read while the first two are restored
        assert met.wait(timeout=60)
        return restore_them(engine, damaged)

    monkeypatch.setattr(work.Engine, "restore", restoring)
    assert counted(restore()) == (6, 0, 0, 0)


@pytest.mark.usefixtures("six")
def test_a_folder_that_is_taken_away_ends_it(out, restore):
    gone = out.with_name("gone")

    def heard(_):
        if not gone.exists():
            out.rename(gone)

    summary = restore(on_done=heard)
    assert "No such file or directory" in summary.full
    assert "manifest.jsonl" in summary.full
    assert summary.left > 0
    # what was finished is where it was brought to
    assert len(lines(gone)) >= 1
    assert not (out / "manifest.jsonl").exists()
