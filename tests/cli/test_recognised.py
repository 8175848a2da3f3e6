"""`evaluate --recognise`: what it measures, writes, prints and draws, and what it refuses."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from faceinpaint_fast.cli import judge
from faceinpaint_fast.cluster.crew import Crew
from faceinpaint_fast.evaluation import recogniser, recognition, recognition_tables, results
from faceinpaint_fast.evaluation.recognition import RECOGNISED
from faceinpaint_fast.images import read_image


@pytest.fixture
def described(monkeypatch):
    """In dlib's place the colours of quarters; and in that of `harmonic` grey, as `damaged` is.  Faces of each call."""
    calls = []

    def describe(faces):
        calls.append(len(faces))
        return faces.reshape(len(faces), 2, 32, 2, 32, 3).mean(axis=(2, 4)).reshape(len(faces), 12) / 255

    def harmonic(images, holes):
        return np.where(holes[..., None], 0.5, images)

    monkeypatch.setattr(recogniser, "load", lambda *_: describe)
    monkeypatch.setitem(sys.modules, "faceinpaint_fast.evaluation.rivals.harmonic", SimpleNamespace(harmonic=harmonic))
    return calls


@pytest.fixture
def who(tmp_path):
    """Of the eight faces, four people's: two each."""
    path = tmp_path / "who.csv"
    path.write_text("number,identity\n" + "".join(f"{i},{i % 4}\n" for i in range(8)))
    return path


def test_from_people_to_tables(faceinpaint, faces, who, described, tmp_path):
    out, document, chart = tmp_path / "out", tmp_path / "a.md", tmp_path / "chart.png"
    document.write_text(
        "<!-- evaluate: recognition faces -->\n<!-- end -->\n<!-- evaluate: quality faces -->\nold\n<!-- end -->\n"
    )
    line = ["evaluate", faces, "--recognise", who, "--out", out, "--masks", "eyes,left", "--batch", 3, "--faces", 3,
            "--methods", "damaged,harmonic,undamaged", "--as", "grey again", "--update", document]  # fmt: skip
    status, said, err = faceinpaint(*line, "--chart", chart)
    assert (status, err) == (0, "faceinpaint: faces grey again left 100.0 %, 0:00:00 left\n")
    # the gallery, then three probes a method and mask
    assert described == [3] * 6
    assert sorted(path.name for path in out.rglob("*.jsonl")) == [
        "damaged.jsonl",
        "grey-again.jsonl",
        "undamaged.jsonl",
    ]
    found = results.read_all(out, results.RECOGNITION)
    assert found["faces"]["damaged"] == found["faces"]["grey again"]
    made = recognition_tables.report(found)
    assert all(table in said for table in made.values())
    assert said.endswith(f"\n{chart}\n")
    assert read_image(chart).shape == (400, 850, 3)
    # the table of other results is left alone
    assert document.read_text() == (
        f"<!-- evaluate: recognition faces -->\n\n{made['recognition faces']}\n\n<!-- end -->\n"
        "<!-- evaluate: quality faces -->\nold\n<!-- end -->\n"
    )
    chart.unlink()
    assert faceinpaint(*line, "--chart", chart) == (0, said, err)
    assert chart.exists()
    assert faceinpaint("evaluate", "--out", out)[1] == said.removesuffix(f"{chart}\n")
    assert len(described) == 6


def test_what_is_measured_unless_it_is_named(faceinpaint, faces, who, described, model, tmp_path):
    line = ["evaluate", faces, "--recognise", who, "--out", tmp_path / "out", "--faces", 2, "--model", model]
    assert faceinpaint(*line, "--set", "iterations=1", "--device", "cpu")[0] == 0
    found = results.read_all(tmp_path / "out", results.RECOGNITION)["faces"]
    assert set(found) == {"damaged", "undamaged", "default", "harmonic", "biharmonic"}
    assert {record["mask"] for record in found["default"]} == set(RECOGNISED)
    assert len(described) == 1 + 1 + 4 * len(RECOGNISED)


def test_people_are_described_by_a_crew_if_so_asked(faceinpaint, faces, who, described, tmp_path, monkeypatch):
    """Of which this process does the work here: what Ray makes of it is shown in tests/cluster."""
    handed = []

    def in_order(_, recipe, pieces):
        handed.extend(pieces)
        return map(recipe.made("cpu"), pieces)

    monkeypatch.setattr(Crew, "in_order", in_order)
    monkeypatch.setattr(recognition, "load", recogniser.load)
    line = [
        "evaluate",
        faces,
        "--recognise",
        who,
        "--masks",
        "eyes,left",
        "--batch",
        3,
        "--methods",
        "damaged,harmonic",
    ]
    for out, options in (("here", []), ("crew", ["--engine", "ray"])):
        assert not handed
        assert faceinpaint(*line, "--out", tmp_path / out, *options)[0] == 0
    assert described
    # two methods, two masks, four people in threes
    assert len(handed) == 2 * 2 * 2
    here, crew = (results.read_all(tmp_path / out, results.RECOGNITION) for out in ("here", "crew"))
    assert crew == here


def test_the_bounds_are_no_methods_without_people(refused, faces, tmp_path):
    assert "expected some of" in refused("evaluate", faces, "--out", tmp_path / "out", "--methods", "damaged")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recognise", "nowhere.csv"], "nowhere.csv: expected a CSV file of pictures and people"),
        (["--faces", 1], "recognise: expected two people or more"),
        (["--on-error", "skip"], "--on-error: expected fail with --recognise, got skip"),
        (["--methods", "best"], "methods: expected some of"),
        (["--methods", "damaged", "--as", "b"], "--as: expected one method to be called 'b', got []"),
        (["--chart", "chart.docx"], "chart.docx: expected an extension"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_refused(refused, faces, who, described, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["--methods", "harmonic"] if "--methods" not in options else []
    assert message in refused("evaluate", faces, "--recognise", who, "--out", "out", *given, *options)
    assert described == []


def test_a_chart_without_people_is_of_quality(faceinpaint, faces, described, tmp_path, monkeypatch):  # noqa: ARG001
    chart, drawn = tmp_path / "chart.png", []
    monkeypatch.setattr(judge, "draw_chart", lambda *what: drawn.append(what))
    line = ["evaluate", faces, "--out", tmp_path / "out", "--methods", "harmonic", "--masks", "left", "--faces", 1]
    assert faceinpaint(*line, "--chart", chart)[0] == 0
    assert drawn == [(tmp_path / "out", chart)]


def test_without_dlib(refused, faces, who, tmp_path, monkeypatch):
    monkeypatch.setattr(recogniser, "find_spec", lambda _: None)
    line = ["evaluate", faces, "--recognise", who, "--out", tmp_path / "out", "--methods", "damaged"]
    assert "expected dlib and its weights, got none; pip install 'faceinpaint_fast[recognition]'" in refused(*line)
