"""Folders restored while processes and machines die: nothing that was finished is lost or done twice."""

from __future__ import annotations

import random
import shutil

from PIL import Image

from faceinpaint_fast.cluster.worker import ENDED
from tests.faults.waiting import wait_for


def check_all_are_done(run, disk, size):
    """A run ends well: every picture has one line, and can be read."""
    assert run.wait() == 0, run.said
    found = disk.lines(run.out)
    assert len(found) == size.pictures
    assert {line["error"] for line in found.values()} == {None}
    assert disk.readable(run.out).keys() == found.keys()
    assert [*run.out.rglob(".*")] == []


def check_kills(run, disk, size, rng, there, kill):
    """A run ends well of which something that restores is killed often; what comes in its place is waited for."""
    killed = 0
    for done in sorted(rng.sample(range(1, size.pictures * 7 // 8), size.kills)):
        wait_for(lambda done=done: not run.running() or (disk.count(run.out) >= done and there()))
        assert run.running(), run.said
        kill(rng.choice(there()))
        killed += 1
    assert killed == size.kills
    check_all_are_done(run, disk, size)


def test_processes_that_restore_are_killed_20_times(album, batch, disk, size):
    run = batch(album)
    check_kills(run, disk, size, random.Random(1), run.workers, disk.kill)


def test_nodes_are_killed_20_times(album, batch, disk, size, nodes):
    """Two of a cluster, each with a process that restores; another comes in the place of the one that is killed."""
    run = batch(album, "--address", nodes.address)
    check_kills(run, disk, size, random.Random(4), nodes.restoring, nodes.replace)


def test_a_picture_that_ends_every_process_is_an_error_and_costs_no_other(album, batch, disk, tmp_path):
    """As one does on which a library crashes: its process is gone, and so is the next that tries it."""
    shutil.copytree(album / "0", tmp_path / "in")
    with Image.open(next((album / "0").iterdir())) as face:
        face.resize((96, 72)).save(tmp_path / "in" / "photo.png")
    (tmp_path / "deadly.py").write_text("import ctypes\n\n\ndef find(_):\n    ctypes.string_at(0)\n")
    run = batch(tmp_path / "in", "--detector", "deadly:find", modules=tmp_path)
    assert run.wait() == 2, run.said
    found = disk.lines(run.out)
    assert {name: line["error"] for name, line in found.items() if line["error"]} == {"photo.png": ENDED}
    assert len(disk.readable(run.out)) == len(found) - 1 == len([*(album / "0").iterdir()])
    assert [*run.out.rglob(".*")] == []
