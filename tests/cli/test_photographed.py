"""`evaluate --photos`: photographs measured, tables written, contact sheets drawn."""

from __future__ import annotations

import pytest
from skimage import data

pytest.importorskip("cv2", reason="the extra photo is not installed")

from faceinpaint_fast.evaluation import photo_holes, photo_tables, photographs
from faceinpaint_fast.faces import ASTRONAUT
from faceinpaint_fast.images import read_image, write_image
from faceinpaint_fast.photo import restorer

HOLES = {name: photo_holes.HOLES[name] for name in ("one eye", "60 % dropped")}


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of two photographs, whose faces are found by who knows where they lie, and two holes."""
    for module in (photo_holes, photographs, photo_tables):
        monkeypatch.setattr(module, "HOLES", HOLES)
    monkeypatch.setattr(photographs, "FEW", 0)
    monkeypatch.setattr(restorer, "Mtcnn", lambda: lambda _: [ASTRONAUT - (110, 0)])
    for i in range(2):
        write_image(tmp_path / "photos" / f"{i}.png", data.astronaut()[:260, 110:340] // (i + 1))
    return tmp_path / "photos"


def test_photographs_are_measured_and_told(faceinpaint, photos, model, tmp_path):
    document = tmp_path / "page.md"
    document.write_text("Before\n<!-- evaluate: photos psnr detected -->\n<!-- end -->\nBehind\n")
    out = tmp_path / "results"
    line = "evaluate", "--photos", photos, "--out", out, "--model", model, "--device", "cpu", "--update", document
    status, said, _ = faceinpaint(*line)
    assert status == 0
    assert "| one eye |" in said
    assert "| one eye |" in document.read_text()
    assert "2 photographs" in document.read_text()
    # without photographs it only tells
    assert faceinpaint("evaluate", "--out", out)[1] == said


def test_sheets_are_drawn(faceinpaint, photos, model, tmp_path):
    sheets = tmp_path / "sheets"
    line = "evaluate", "--photos", photos, "--sheets", sheets, "--model", model, "--device", "cpu"
    assert faceinpaint(*line)[0] == 0
    assert {path.name for path in sheets.iterdir()} == {"one-eye.jpg", "60-dropped.jpg"}
    assert read_image(sheets / "one-eye.jpg").shape[0] > 1000


def test_one_photograph_is_enough(faceinpaint, photos, model, tmp_path):
    line = "evaluate", "--photos", photos, "--out", tmp_path / "out", "--model", model, "--device", "cpu", "--faces", 1
    assert "1 photographs" in faceinpaint(*line)[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sheets", "sheets"], "--sheets: expected --photos"),
        (["--photos", "nowhere", "--out", "out"], "nowhere"),
        (["--photos", "nothing", "--out", "out"], "nothing: expected a folder of photographs, got none"),
        (["--photos", "photos"], "evaluate: expected --out for results"),
    ],
)
def test_mistakes_are_one_line(refused, photos, model, tmp_path, options, message):
    assert photos.exists()
    (tmp_path / "nothing").mkdir()
    options = [each if each.startswith("--") else tmp_path / each for each in options]
    assert message in refused("evaluate", *options, "--model", model, "--device", "cpu")
