"""A folder restored: what is written, what is listed, and how it goes on."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InputError, masks
from faceinpaint_fast.folders import work
from faceinpaint_fast.folders.engine import Restored
from faceinpaint_fast.folders.run import restore_folder
from faceinpaint_fast.images import read_image
from faceinpaint_fast.locks import held
from faceinpaint_fast.picture_file import PictureFile


@pytest.fixture
def six(images, put, faces):
    """Six faces in two folders."""
    for i in range(6):
        put(images / ("" if i % 2 else "sub") / f"{i}.png", faces[i])
    return images


@pytest.fixture
def restore(planned, inpainter):
    """Restores the folder, by default with the hole in the centre, two pictures at a time."""

    def restore_it(holes="centre", *, asked=None, **heard):
        return restore_folder(planned(holes, batch=2, **(asked or {})), inpainter, **heard)

    return restore_it


def lines(out):
    return {line["input"]: line for line in map(json.loads, (out / "manifest.jsonl").read_text().splitlines())}


def counted(summary):
    return summary.restored, summary.before, summary.failed, summary.left


@pytest.mark.usefixtures("six")
def test_a_folder_is_restored_as_its_pictures_are_alone(out, restore, inpainter, faces):
    begun, done = [], []
    summary = restore(on_begin=lambda *counts: begun.append(counts), on_done=done.append)
    assert counted(summary) == (6, 0, 0, 0)
    assert begun == [(6, 0)]
    hole = masks.centre((64, 64))
    for i in range(6):
        name = f"{'' if i % 2 else 'sub/'}{i}.png"
        found, line = read_image(out / name), lines(out)[name]
        alone = inpainter(faces[i], hole, seed=line["seed"])
        assert_array_equal(found, alone.image)
        assert line["losses"] == {loss: float(value) for loss, value in alone.losses.items()}
        assert line["seconds"] > 0
    assert sorted(line["input"] for line in done) == sorted(lines(out))
    assert sorted(path.name for path in out.iterdir()) == ["1.png", "3.png", "5.png", "manifest.jsonl", "sub"]


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


@pytest.mark.usefixtures("six")
def test_holes_drawn_at_random_are_each_picture_s_own(out, restore, faces):
    assert counted(restore("random:0.4")) == (6, 0, 0, 0)
    changed = [(read_image(out / f"{i}.png") != faces[i]).any(axis=-1) for i in (1, 3)]
    assert (changed[0] != changed[1]).any()
    hole = masks.draw("random:0.4", (64, 64), lines(out)["1.png"]["seed"])
    assert not changed[0][~hole].any()


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


def test_what_is_finished_is_not_done_again(six, out, restore, faces, put):
    restore()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert counted(restore()) == (0, 6, 0, 0)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before
    # changed, taken away, new
    put(six / "1.png", faces[9])
    os.utime(six / "1.png", ns=(1, 1))
    (out / "3.png").unlink()
    put(six / "7.png", faces[7])
    assert counted(restore()) == (3, 4, 0, 0)
    assert len(lines(out)) == 7
    assert counted(restore("left")) == (7, 0, 0, 0)
    assert counted(restore("left", asked={"invert": True})) == (7, 0, 0, 0)
    assert counted(restore("left", asked={"resume": False})) == (7, 0, 0, 0)
    assert counted(restore("left", settings={"detector": 1})) == (7, 0, 0, 0)
    assert len((out / "manifest.jsonl").read_text().splitlines()) == 7


def test_what_failed_is_tried_again(six, out, restore, faces, put):
    (six / "1.png").write_bytes(b"")
    assert counted(restore()) == (5, 0, 1, 0)
    assert counted(restore()) == (0, 5, 1, 0)
    put(six / "1.png", faces[1])
    assert counted(restore()) == (1, 5, 0, 0)
    assert [line["error"] for line in lines(out).values()] == [None] * 6


@pytest.mark.usefixtures("six")
def test_it_stops_between_batches_and_goes_on(out, restore):
    done = []
    first = restore(on_done=done.append, stopped=lambda: len(done) >= 2)
    assert first.left > 0
    assert first.restored + first.left == 6
    # what was said to be done is there
    assert len(lines(out)) == first.restored == len(list(out.rglob("*.png")))
    assert counted(restore()) == (first.left, first.restored, 0, 0)


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
def test_two_runs_into_one_folder_exclude_one_another(out, restore):
    with held(out / ".lock", out), pytest.raises(InputError, match="expected a place that nobody is writing to"):
        restore()
    assert counted(restore()) == (6, 0, 0, 0)
    assert not (out / ".lock").exists()


@pytest.mark.usefixtures("six")
def test_what_a_killed_run_left_is_swept(out, restore):
    (out / "sub").mkdir(parents=True)
    (out / "sub" / ".0123.partial").touch()
    restore()
    assert list(out.rglob(".*")) == []


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


KILLED = """
import json, os, signal, sys, time
from pathlib import Path
from PIL import Image
from faceinpaint_fast.folders.engine import Engine, Restored
from faceinpaint_fast.folders.plan import Plan, Task
from faceinpaint_fast.folders.run import restore_folder

class Nobody:
    generator = discriminator = encoder = None
    image_shape = (3, 64, 64)
    class config:
        settings = staticmethod(dict)

def restore(self, damaged):
    time.sleep(0.01)
    return [Restored(pixels=255 - each.pixels, faces=None, losses={}) for each in damaged]

Engine.restore = restore
out = Path(sys.argv[2])
plan = Plan.of(Task(images=Path(sys.argv[1]), holes="centre", out=out, batch=4))
before = 0
for heard in (1, 2, 7, 14):
    reader, writer = os.pipe()
    if not (child := os.fork()):
        restore_folder(plan, Nobody(), on_done=lambda _: os.write(writer, b"."))
        os._exit(0)
    os.close(writer)
    while heard:
        heard -= len(os.read(reader, heard)) or sys.exit("it ended by itself")
        before += 1
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    *whole, _ = (out / "manifest.jsonl").read_text().split("\\n")
    done = {json.loads(line)["output"] for line in whole}
    assert len(done) >= before, "a line got lost"
    before = len(done)
    written = {path.name for path in out.glob("*.png")}
    assert written >= done, "a line before its picture"
    assert len(written - done) <= 4, "more than a batch to be done again"
    for name in written:
        Image.open(out / name).load()
last = restore_folder(plan, Nobody())
assert (last.restored, last.before) == (60 - before, before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_run_that_is_killed_goes_on_where_it_was(images, out, put):
    """Four times: nothing unreadable, at most one batch to be done again, and the next run completes it."""
    for i in range(60):
        put(images / f"{i}.png")
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(images), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert len({line["output"] for line in lines(out).values()}) == 60
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
