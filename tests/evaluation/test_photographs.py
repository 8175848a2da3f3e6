"""Photographs damaged, restored and judged."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from skimage import data

pytest.importorskip("cv2", reason="the extra photo is not installed")

from faceinpaint_fast import Inpainter, InputError
from faceinpaint_fast.evaluation import photo_tables, photographs
from faceinpaint_fast.evaluation.photographs import ALWAYS, METHODS, OURS, PLAIN, RIVALS, apart, around, figures
from faceinpaint_fast.evaluation.results import PHOTOGRAPHS, read, read_all, slug
from faceinpaint_fast.faces import ASTRONAUT
from faceinpaint_fast.photo.frame import Frame
from faceinpaint_fast.photo.restorer import Restorer

POINTS = ASTRONAUT - (110, 0)
HOLES = ("thick scratch", "one eye", "60 % dropped")


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[:260, 110:340].copy()


@pytest.fixture
def restorer(generator, discriminator):
    return Restorer(Inpainter(generator, discriminator, device="cpu"), detector=lambda _: [POINTS])


@pytest.fixture
def evaluated(restorer, photo, tmp_path, monkeypatch):
    """Evaluate two photographs under three holes, without the slowest rival: the folder."""
    monkeypatch.setattr(photographs, "HOLES", dict.fromkeys(HOLES))
    monkeypatch.setattr(photographs, "FEW", 0)

    def run(found=None):
        found = found or photographs.found_in(restorer, {"a": photo, "b": photo // 2})
        photographs.evaluate(restorer, found, tmp_path / "out", sha256={"generator": "abc"}, machine={})
        return tmp_path / "out"

    return run


def records(out, points, method):
    return read(out / points / f"{slug(method)}.jsonl")[1]


def test_every_method_has_every_hole_of_every_photograph(evaluated):
    out = evaluated()
    for points, method in photographs.files(METHODS):
        if method != "PatchMatch":
            found = {(record["mask"], record["face"]) for record in records(out, points, method)}
            assert found == {(hole, number) for hole in HOLES for number in (0, 1)}
    assert not (out / "detected" / "telea.jsonl").exists()
    assert read_all(out, PHOTOGRAPHS).keys() == {"given", "detected"}
    assert read_all(out) == {}


def test_ours_is_the_mirrors_or_the_plain_one(evaluated):
    out = evaluated()
    ours, plain, always = (records(out, "given", method) for method in (OURS, PLAIN, ALWAYS))
    for mine, without, forced in zip(ours, plain, always, strict=True):
        expected = forced if mine["used"] else without
        assert [mine[name] for name in photographs.FIGURES] == [expected[name] for name in photographs.FIGURES]
        assert mine["error"] == 0
    assert all("cover" in record for record in ours if record["mask"] == "one eye")


def test_it_goes_on_where_it_was_stopped(evaluated, monkeypatch):
    out = evaluated()
    path = out / "given" / "telea.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-2]) + lines[-2][:20])
    calls = []
    filled = RIVALS["Telea"]
    others = {name: None for name in RIVALS if name != "Telea"}
    monkeypatch.setattr(photographs, "RIVALS", others | {"Telea": lambda *a: calls.append(1) or filled(*a)})
    evaluated()
    assert len(calls) == 2
    again = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(again) == len(lines)


def test_other_photographs_results_are_refused(evaluated, restorer, photo):
    evaluated()
    with pytest.raises(InputError, match="expected results with pictures"):
        evaluated(photographs.found_in(restorer, {"a": photo, "b": photo[::-1].copy()}))


def test_a_face_that_is_lost_is_noted(evaluated, restorer, photo, monkeypatch):
    found = photographs.found_in(restorer, {"a": photo})
    monkeypatch.setattr(restorer, "_detector", lambda _: [])
    out = evaluated(found)
    assert all(record["found"] is False for record in records(out, "detected", OURS))
    assert all(record["found"] is True for record in records(out, "given", OURS))


def test_a_photograph_without_a_face_is_refused(restorer, photo, monkeypatch):
    monkeypatch.setattr(restorer, "_detector", lambda _: [])
    with pytest.raises(InputError, match=r"a\.jpg: expected a photograph with a face"):
        photographs.found_in(restorer, {"a.jpg": photo})


def test_figures_of_the_truth_and_of_less():
    rng = np.random.default_rng(0)
    truth = np.round(rng.random((60, 60, 3)) * 255) / 255
    hole = np.zeros((60, 60), bool)
    hole[20:30, 25:40] = True
    smooth = np.where(hole[..., None], truth[hole].mean(axis=0), truth)
    found = figures(smooth, truth, hole)
    assert found["psnr"] == pytest.approx(-10 * np.log10(((smooth - truth)[hole] ** 2).mean()), abs=0.02)
    assert found["sharp"] < 0.2
    assert figures(truth * 0.5 + smooth * 0.5, truth, hole)["sharp"] == pytest.approx(0.5, abs=0.1)
    assert around(hole, 3) == (slice(17, 33), slice(22, 43))


def test_frames_a_pixel_apart():
    frame = Frame.of(POINTS, POINTS / 2, 64)
    assert apart(frame, frame) == pytest.approx(0, abs=1e-9)
    assert apart(
        dataclasses.replace(frame, matrix=frame.matrix + np.array([[0, 0, 3], [0, 0, 4]])), frame
    ) == pytest.approx(5)


def test_tables(evaluated):
    found = read_all(evaluated(), PHOTOGRAPHS)
    made = photo_tables.report(found)
    ours = found["detected"][OURS]
    eye = [record["psnr"] for record in ours if record["mask"] == "one eye"]
    line = next(line for line in made["photos psnr detected"].splitlines() if line.startswith("| one eye"))
    assert line.split("|")[2].strip() == f"{np.mean(eye):.1f} ({eye[1]:.1f})"
    assert "2 photographs" in made["photos psnr detected"]
    assert "| one eye | 2 of 2 |" in made["photos frames"]
    assert "photos seconds given" not in made
    assert photo_tables.report({}) == photo_tables.report({"photos/given": found["given"]}) == {}
