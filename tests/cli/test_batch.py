"""The command that restores a folder: what it prints, and its exit statuses."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import masks
from faceinpaint_fast.folders import run
from faceinpaint_fast.folders.engine import Engine
from faceinpaint_fast.images import read_image, write_image
from faceinpaint_fast.locks import held


@pytest.fixture
def batch(faceinpaint, faces, tmp_path, model):
    """Runs it on eight faces: (exit status, stdout, stderr)."""

    def run_it(*options, holes="centre"):
        return faceinpaint("batch", faces, "--holes", holes, "-o", tmp_path / "out", "--model", model,
                           "--device", "cpu", "--set", "iterations=1", *options)  # fmt: skip

    return run_it


def lines(tmp_path):
    text = (tmp_path / "out" / "manifest.jsonl").read_text()
    return {line["input"]: line for line in map(json.loads, text.splitlines())}


def test_a_folder_is_restored(batch, faces, tmp_path, faceinpaint, model):
    status, out, err = batch()
    assert (status, out) == (0, f"{tmp_path}/out: 8 restored; manifest.jsonl has a line on each\n")
    assert err.startswith("faceinpaint: restoring 100.0 %, ")
    assert err.endswith(" images/s, 0:00:00 left\n")
    hole = masks.centre((64, 64))
    for i in range(8):
        before, after = (read_image(folder / f"{i}.png") for folder in (faces, tmp_path / "out"))
        assert_array_equal(before[~hole], after[~hole])
        assert (before[hole] != after[hole]).any()
    # and each as by the command for one
    seed = lines(tmp_path)["3.png"]["seed"]
    faceinpaint("inpaint", faces / "3.png", "centre", "-o", tmp_path / "one.png", "--model", model, "--device", "cpu",
                "--iterations", 1, "--seed", seed)  # fmt: skip
    assert_array_equal(read_image(tmp_path / "one.png"), read_image(tmp_path / "out" / "3.png"))


def test_a_folder_of_holes(batch, faces, tmp_path):
    hole = masks.half((64, 64), "left")
    for i in range(8):
        write_image(tmp_path / "holes" / f"{i}_mask.bmp", hole * np.uint8(255))
    (faces / "notes.txt").touch()
    status, _, err = batch("--invert", "--format", "TIF", holes=tmp_path / "holes")
    assert status == 0
    assert err.startswith(f"faceinpaint: {faces}: passed over, since no pictures: 1 .txt\n")
    changed = (read_image(tmp_path / "out" / "0.tif") != read_image(faces / "0.png")).any(axis=-1)
    assert changed[~hole].any()
    assert not changed[hole].any()


def test_some_that_fail_are_told_and_the_status_is_2(batch, faces, tmp_path):
    (faces / "bad.png").write_text("words")
    write_image(faces / "odd.png", np.zeros((9, 8, 3), np.uint8))
    status, out, err = batch()
    assert (status, out) == (2, f"{tmp_path}/out: 8 restored, 2 failed; manifest.jsonl has a line on each\n")
    whole = "expected an image file that can be read whole, got none of a known format"
    told = err.splitlines()
    assert f"faceinpaint: {faces}/bad.png: {whole}" in told
    # of another size: a photograph, without a face, or the extra that finds one
    assert any(line.startswith("faceinpaint: odd.png: ") and "expected" in line for line in told)
    assert ", 2 failed, " in told[-1]
    status, out, err = batch()
    assert (status, out.partition(";")[0]) == (2, f"{tmp_path}/out: 0 restored, 8 finished before, 2 failed")
    assert err.startswith("faceinpaint: 8 of 10 pictures are finished already\n")
    (faces / "bad.png").unlink()
    (faces / "odd.png").unlink()
    assert batch()[:2] == (0, f"{tmp_path}/out: 0 restored, 8 finished before; manifest.jsonl has a line on each\n")
    assert batch("--no-resume")[:2] == (0, f"{tmp_path}/out: 8 restored; manifest.jsonl has a line on each\n")


def test_the_first_that_fails_may_end_it(batch, faces):
    """By name it comes before the others."""
    (faces / "+.png").touch()
    status, out, err = batch("--on-error", "fail", "--batch", 1)
    # it may have come to another meanwhile
    assert status == (1 if ": 0 restored" in out else 2)
    assert "1 failed, " in out
    assert " left" in out
    assert f"faceinpaint: {faces}/+.png: expected an image file" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--holes", "middle"], "middle: expected a folder of holes, a picture of one, or a name, got none"),
        (["--set", "iterations=x"], "set: expected one of iterations, "),
        (["--format", "gif"], "extension: expected one of .bmp"),
        (["--model", "nowhere"], "nowhere"),
        (["-o", "/dev/null/out"], "/dev/null/out"),
    ],
    ids=str,
)
def test_where_nothing_is_done_the_status_is_1(batch, options, message, tmp_path):
    status, out, err = batch(*options)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith("faceinpaint: ")
    assert message in err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_where_all_fail_too(batch, faces, tmp_path):
    for path in faces.iterdir():
        path.write_bytes(b"")
    status, out, err = batch()
    assert (status, out) == (1, f"{tmp_path}/out: 0 restored, 8 failed; manifest.jsonl has a line on each\n")
    assert (
        err.splitlines()[-1] == f"faceinpaint: {tmp_path}/out: expected pictures that can be restored, got 8 that fail"
    )


def test_and_where_somebody_else_has_the_folder(batch, tmp_path):
    with held(tmp_path / "out" / ".lock", tmp_path / "out"):
        status, _, err = batch()
    assert status == 1
    assert "expected a place that nobody is writing to" in err


def test_a_full_disk_is_1_too(batch, tmp_path, monkeypatch):
    fsync, synced = os.fsync, []

    def full(number):
        synced.append(number)
        if len(synced) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    monkeypatch.setattr(os, "fsync", full)
    status, out, err = batch("--batch", 2)
    assert status == 1
    assert out == f"{tmp_path}/out: 4 restored, 4 left; manifest.jsonl has a line on each\n"
    assert "No space left on device" in err
    assert err.endswith("; what is written is whole, and the same command goes on\n")
    monkeypatch.undo()
    assert batch()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_a_signal_ends_it_behind_a_batch(batch, tmp_path, monkeypatch, number):
    restore = Engine.restore

    def interrupted(engine, damaged):
        os.kill(os.getpid(), number)
        return restore(engine, damaged)

    monkeypatch.setattr(Engine, "restore", interrupted)
    status, out, err = batch("--batch", 3)
    assert status == 128 + number
    assert out == f"{tmp_path}/out: 3 restored, 5 left; manifest.jsonl has a line on each\n"
    assert f"{number.name}, 5 pictures are left; the same command goes on" in err
    monkeypatch.undo()
    status, out, _ = batch("--batch", 3)
    assert (status, out.partition(";")[0]) == (0, f"{tmp_path}/out: 5 restored, 3 finished before")


def test_a_signal_is_one_even_where_all_fail(batch, faces, monkeypatch):
    for path in faces.iterdir():
        path.write_bytes(b"")
    restore_folder = run.restore_folder

    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return restore_folder(*arguments, **{**options, "stopped": lambda: False})

    monkeypatch.setattr(run, "restore_folder", interrupted)
    status, out, _ = batch()
    assert status == 130
    assert "0 restored, 8 failed" in out


def test_a_mistake_is_told_before_torch_is_imported(tmp_path):
    line = ["batch", str(tmp_path), "--holes", "centre", "-o", str(tmp_path / "out")]
    program = f"""
import sys
sys.argv = ["faceinpaint", *{line!r}]
from faceinpaint_fast.cli.main import main
try:
    main()
finally:
    assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"faceinpaint: {tmp_path}: expected pictures to restore, got none; what counts: ")
