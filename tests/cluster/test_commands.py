"""Commands that measure, on Ray: files are those of one process, whichever goes on where the other was stopped."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image

from faceinpaint_fast.cluster.crew import Crew
from faceinpaint_fast.evaluation.results import read

pytestmark = pytest.mark.usefixtures("on_ray")
ON_RAY = ("--engine", "ray", "--workers", 2)


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


def lines(out, name):
    """The lines of a method in their order, without how long it took."""
    header, records = read(out / "heads" / f"{name}.jsonl")
    return [header, *({key: value for key, value in record.items() if key != "seconds"} for record in records)]


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
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    printed(*line, "--out", ray, *ON_RAY)
    assert lines(ray, "over-z") == lines(here, "over-z")
    assert 0 < handed[1] < 2 * 3
    before = path.read_bytes()
    printed(*line, "--out", ray)
    assert len(handed) == 2
    assert path.read_bytes() == before


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
