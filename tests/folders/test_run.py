"""A folder restored: what is written, what is listed, and how it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InputError, masks
from faceinpaint_fast.images import read_image
from faceinpaint_fast.locks import held


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


@pytest.mark.usefixtures("six")
def test_holes_drawn_at_random_are_each_picture_s_own(out, restore, faces):
    assert counted(restore("random:0.4")) == (6, 0, 0, 0)
    changed = [(read_image(out / f"{i}.png") != faces[i]).any(axis=-1) for i in (1, 3)]
    assert (changed[0] != changed[1]).any()
    hole = masks.draw("random:0.4", (64, 64), lines(out)["1.png"]["seed"])
    assert not changed[0][~hole].any()


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


@pytest.mark.usefixtures("six")
def test_two_runs_into_one_folder_exclude_one_another(out, restore):
    with held(out / ".lock", out), pytest.raises(InputError, match="expected a place that nobody is writing to"):
        restore()
    assert counted(restore()) == (6, 0, 0, 0)
    assert not (out / ".lock").exists()


@pytest.mark.usefixtures("six")
def test_what_killed_writers_left_is_swept(out, restore):
    """Those of another run, and of this one, as where a process on Ray is killed."""
    (out / "sub").mkdir(parents=True)
    (out / "sub" / ".0123.partial").touch()
    restore(on_done=lambda _: (out / "sub" / ".4567.partial").touch())
    assert list(out.rglob(".*")) == []


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
