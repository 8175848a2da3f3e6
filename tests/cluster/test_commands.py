"""Commands that measure, on Ray: files are those of one process, whichever goes on where the other was stopped."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image
from skimage import data

from faceinpaint_fast.cluster.crew import Crew
from faceinpaint_fast.evaluation import photo_holes, photographs
from faceinpaint_fast.evaluation.results import read
from faceinpaint_fast.images import write_image

pytestmark = pytest.mark.usefixtures("on_ray")
ON_RAY = ("--engine", "ray", "--workers", 2)
TIMES = ("seconds", "align")


@pytest.fixture
def printed(faceinpaint):
    """Runs the command line, which must do; returns what it prints."""

    def run(*arguments):
        status, out, err = faceinpaint(*arguments)
        assert status == 0, err
        return out

    return run


@pytest.fixture
def handed(monkeypatch):
    """How many pieces Ray has been handed, a number a command that handed any."""
    counts, in_order = [], Crew.in_order

    def counted(self, recipe, pieces):
        counts.append(len(pieces))
        return in_order(self, recipe, pieces)

    monkeypatch.setattr(Crew, "in_order", counted)
    return counts


@pytest.fixture
def heads(tmp_path, faces):
    for i in range(5):
        path = tmp_path / "heads" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(faces[i]).save(path)
    return tmp_path / "heads"


def lines(out, name, data="heads"):
    """The lines of a method in their order, without how long it took."""
    header, records = read(out / data / f"{name}.jsonl")
    return [header, *({key: value for key, value in record.items() if key not in TIMES} for record in records)]


def cut(path, lines=1):
    """Stops a file within a line, so that so many records are missing."""
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*whole[:-lines], whole[-lines][:20]]))


def test_an_evaluation(printed, handed, heads, small_model, tmp_path):
    line = ["evaluate", heads, "--model", small_model, "--device", "cpu", "--set", "iterations=2", "--batch", 2]
    line += ["--masks", "left,drop-40", "--methods", "over-z,harmonic,paper-generated"]
    here, ray = tmp_path / "here", tmp_path / "ray"
    printed(*line, "--out", here)
    printed(*line, "--out", ray, *ON_RAY)
    # methods, masks, batches of five faces
    assert handed == [3 * 2 * 3]
    for name in ("over-z", "harmonic", "paper-generated"):
        assert lines(ray, name) == lines(here, name)
        assert len(lines(ray, name)) == 1 + 2 * 5
    # stopped within a line, and gone on with by the other
    path = ray / "heads" / "over-z.jsonl"
    cut(path, lines=7)
    printed(*line, "--out", ray, *ON_RAY)
    assert lines(ray, "over-z") == lines(here, "over-z")
    assert handed[1] == 2 + 3
    before = path.read_bytes()
    printed(*line, "--out", ray)
    assert len(handed) == 2
    assert path.read_bytes() == before


def test_who_is_recognised(printed, handed, heads, small_model, tmp_path):
    who = tmp_path / "who.csv"
    who.write_text("number,identity\n0,a\n1,a\n2,b\n3,b\n")
    line = ["evaluate", heads, "--recognise", who, "--model", small_model, "--device", "cpu", "--set", "iterations=2"]
    line += ["--masks", "eyes,left", "--methods", "damaged,undamaged,default", "--batch", 1]
    here, ray = tmp_path / "here", tmp_path / "ray"
    printed(*line, "--out", here)
    printed(*line, "--out", ray, *ON_RAY)
    # of two people under two masks, and undamaged under none
    assert handed == [2 * (2 + 1 + 2)]
    for name in ("damaged", "undamaged", "default"):
        assert lines(ray, name) == lines(here, name)
    assert {record["face"] for record in lines(ray, "default")[1:]} == {0, 1}
    cut(ray / "heads" / "default.jsonl")
    printed(*line, "--out", ray, *ON_RAY)
    assert handed[1] == 2
    assert lines(ray, "default") == lines(here, "default")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two photographs with a face that the detector finds, under two holes; the slowest rival has the first."""
    pytest.importorskip("cv2", reason="the extra photo is not installed")
    for module in (photo_holes, photographs):
        monkeypatch.setattr(module, "HOLES", {name: photo_holes.HOLES[name] for name in ("one eye", "thick scratch")})
    monkeypatch.setattr(photographs, "FEW", 1)
    for i in range(2):
        write_image(tmp_path / "photos" / f"{i}.png", data.astronaut()[:260, 110:340] // (i + 1))
    return tmp_path / "photos"


def test_photographs(printed, handed, photos, small_model, tmp_path):
    line = ["evaluate", "--photos", photos, "--model", small_model, "--device", "cpu"]
    here, ray = tmp_path / "here", tmp_path / "ray"
    assert "| one eye |" in printed(*line, "--out", here)
    printed(*line, "--out", ray, *ON_RAY)
    # photographs, holes
    assert handed == [2 * 2]
    files = sorted((path.parent.name, path.stem) for path in here.glob("*/*.jsonl"))
    assert files == sorted((path.parent.name, path.stem) for path in ray.glob("*/*.jsonl"))
    assert len(files) == len(photographs.files(photographs.METHODS))
    for points, name in files:
        assert lines(ray, name, points) == lines(here, name, points)
        assert len(lines(ray, name, points)) == 1 + (2 if name == "patchmatch" else 4)
    # what is missing is done, and no more, whichever engine goes on
    printed(*line, "--out", ray, *ON_RAY)
    for options in (ON_RAY, ()):
        cut(ray / "detected" / "ours.jsonl")
        cut(ray / "given" / "telea.jsonl", lines=2)
        printed(*line, "--out", ray, *options)
        assert handed == [4, 0, 2]
        for points, name in files:
            assert lines(ray, name, points) == lines(here, name, points)


def test_a_calibration(printed, handed, heads, small_model, tmp_path):
    model = shutil.copytree(small_model, tmp_path / "model")
    # more than one batch of samples, and one that is not whole
    line = ["calibrate", model, heads, "--samples", 150, "--seed", 3, "--device", "cpu"]
    here = printed(*line)
    config = (model / "config.json").read_bytes()
    assert json.loads(here)["samples"] == 150
    shutil.rmtree(model)
    shutil.copytree(small_model, model)
    assert handed == []
    assert printed(*line, *ON_RAY) == here
    assert handed == [3]
    assert (model / "config.json").read_bytes() == config
