"""A folder restored on Ray: what comes of it is what comes of it by one process."""

from __future__ import annotations

import json
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image
from skimage import data

from faceinpaint_fast import ModelError
from faceinpaint_fast.cli.main import main
from faceinpaint_fast.cluster import run
from faceinpaint_fast.folders.manifest import PARTS, Part
from faceinpaint_fast.images import write_image

# iterations, with which a picture takes long beside what Ray takes to tell of it: its process goes on meanwhile
SLOW = 200

pytestmark = pytest.mark.usefixtures("on_ray")


def lines(out):
    """The lines of a manifest by what they are of, without how long it took; every one once."""
    every = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    found = {line["output"]: {name: value for name, value in line.items() if name != "seconds"} for line in every}
    assert len(found) == len(every)
    return found


def written(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.suffix == ".png"}


def counted(summary):
    return summary.restored, summary.before, summary.failed, summary.left


def test_the_bits_and_the_lines_are_those_of_one_process(images, restore, tmp_path):
    """Broken pictures among them, and photographs with a face and without; what is finished is so for both."""
    write_image(images / "photo.png", data.astronaut()[:260, 110:340])
    broken = [images / "bad.png", images / "sub" / "empty.jpg", images / "grey.png"]
    broken[0].write_bytes(b"words")
    broken[1].touch()
    Image.fromarray(np.full((65, 64), 9, np.uint8)).save(broken[2])
    begun, heard = [], []
    hearing = {"on_begin": lambda *counts: begun.append(counts), "on_done": heard.append}
    assert counted(restore(out="ray", workers=2, heard=hearing)) == (13, 0, 3, 0)
    assert counted(restore(out="alone", here=True)) == (13, 0, 3, 0)
    ray, here = lines(tmp_path / "ray"), lines(tmp_path / "alone")
    assert begun == [(16, 0)]
    assert sorted(line["output"] for line in heard) == sorted(ray)
    assert ray == here
    assert ray["photo.png"]["faces"] == 1
    assert {name for name, line in ray.items() if line["error"]} == {"bad.png", "grey.png", "sub/empty.png"}
    assert written(tmp_path / "ray") == written(tmp_path / "alone")
    assert [*(tmp_path / "ray").glob(".*")] == []
    for path in broken:
        path.unlink()
    assert counted(restore(out="ray")) == (0, 13, 0, 0)
    assert counted(restore(out="ray", here=True)) == (0, 13, 0, 0)
    assert counted(restore(out="alone")) == (0, 13, 0, 0)


def test_the_command_reads_tar_files_where_they_lie(images, restore, tmp_path, small_model, monkeypatch, capsys):
    for half, folder in enumerate(("", "sub")):
        with tarfile.open(tmp_path / f"{half}.tar", "w") as tar:
            for path in sorted((images / folder).glob("*.png")):
                tar.add(path, path.name)
    line = ["batch", f"{tmp_path}/*.tar", "--holes", "centre", "-o", tmp_path / "out", "--model", small_model]
    line += ["--config", "over-z", "--set", "iterations=1", "--batch", 2, "--device", "cpu"]
    line += ["--engine", "ray", "--workers", 1]
    monkeypatch.setattr(sys, "argv", ["faceinpaint", *map(str, line)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code in (None, 0)
    assert capsys.readouterr().out == f"{tmp_path}/out: 12 restored; manifest.jsonl has a line on each\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0", "1", "manifest.jsonl"]
    restore(out="alone", holes="centre", here=True, images=f"{tmp_path}/*.tar")
    assert written(tmp_path / "out") == written(tmp_path / "alone")


def test_it_stops_between_pieces_and_goes_on(restore, tmp_path):
    done = []
    slow = {"batch": 1, "iterations": SLOW}
    first = restore(heard={"on_done": done.append, "stopped": lambda: len(done) >= 2}, **slow)
    assert 2 <= first.restored < 12
    assert first.left == 12 - first.restored
    assert len(lines(tmp_path / "out")) == first.restored
    again = restore(here=True, **slow)
    assert counted(again) == (first.left, first.restored, 0, 0)


def test_the_first_that_fails_may_end_it(images, restore):
    (images / "0.png").write_bytes(b"")
    summary = restore(on_error="fail", batch=1, iterations=SLOW)
    assert summary.failed == 1
    # what is behind it in its piece of three, and pieces behind that
    assert summary.left > 2


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_what_a_command_that_was_killed_left_is_taken_in(restore, tmp_path, engine):
    """Its lines, whichever engine goes on."""
    out = tmp_path / "out"
    restore(here=True)
    before, every = lines(out), (out / "manifest.jsonl").read_text().splitlines(keepends=True)
    place = Part.prepare(out)
    (out / "manifest.jsonl").write_text("".join(every[:4]))
    (place / "0-a.jsonl").write_text("".join(every[3:9]))
    (place / "7-b.jsonl").write_text("".join(every[9:]) + every[10][:20])
    told = []
    assert counted(restore(here=engine == "local", heard={"tell": told.append})) == (0, 12, 0, 0)
    assert told == [
        f"{place}/7-b.jsonl: its last line was cut short, and is left out: what it was of counts as not done"
    ]
    assert lines(out) == before
    assert not (out / PARTS).exists()


def test_a_process_that_cannot_make_its_engine_is_an_error_in_a_line(restore, tmp_path, monkeypatch):
    class NoRecipe:
        """One that goes to other processes as it is, as they could not import it."""

        def __init__(self, **_):
            pass

        def made(self, _device):
            raise ValueError("no such weights")

    monkeypatch.setattr(run, "Recipe", NoRecipe)
    expected = r"^ray: expected processes that do the work, got one that cannot: ValueError: no such weights$"
    with pytest.raises(ModelError, match=expected):
        restore()
    assert not (tmp_path / "out" / PARTS).exists()


@pytest.mark.parametrize(("count", "workers", "sizes"), [(0, 2, []), (9, 1, [4, 4, 1]), (9, 9, [2, 2, 2, 2, 1])])
def test_pieces_are_of_whole_batches_and_fewer_than_some_a_process(count, workers, sizes):
    assert [len(piece) for piece in run._pieces(range(count), 2, workers)] == sizes
    assert {len(piece) for piece in run._pieces(range(2**10), 2, workers)} == {2 * run.BATCHES}
