"""What `evaluate` draws: the paper's figures, one or all, and the chart of its results."""

from __future__ import annotations

import functools
import tarfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, masks
from faceinpaint_fast.evaluation import methods
from faceinpaint_fast.images import read_image
from faceinpaint_fast.pictures import figures
from faceinpaint_fast.pictures.contact_sheet import LABEL, MARGIN
from faceinpaint_fast.training import calibration


@pytest.fixture
def draw(faceinpaint, model, monkeypatch):
    """Draw with little work: the status, stdout, and stderr."""
    monkeypatch.setattr(methods, "DIP_ITERATIONS", 1)
    monkeypatch.setattr(calibration, "calibrate", functools.partial(calibration.calibrate, samples=4))
    line = "evaluate", "--model", model, "--set", "iterations=2", "--device", "cpu"
    return functools.partial(faceinpaint, *line)


@pytest.fixture
def shard(faces, tmp_path):
    """A shard of two faces."""
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name in ("4.png", "5.png"):
            tar.add(faces / name, name)
    return tmp_path / "shard.tar"


def test_all_figures_that_there_are_faces_for(draw, faces, shard, tmp_path, monkeypatch):
    given = {}

    def written(folder, number, rows, settings, title=None):  # noqa: ARG001
        given[number] = list(rows), title

    monkeypatch.setattr(figures, "write_figure", written)
    folder = tmp_path / "figures"
    assert draw("--figures", folder) == (0, f"{folder}: figures 1, 5, 6, 7, 8, 9, 10, 11\n", "")
    assert given[8][0][0] == "astronaut"
    assert all(title is None for _, title in given.values())
    said = f"{folder}: figures 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13\n"
    assert draw(faces, shard, "--figures", folder) == (0, said, "")
    assert given[8][0] == [f"faces {i}" for i in range(8)]
    assert (given[12][1], given[13]) == ("faces", (["shard 0", "shard 1"], "shard"))
    assert [path.name for path in folder.iterdir()] == ["fig04.png"]


def test_one_figure_by_a_config(draw, model, faces, restored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = faces, "--figure", 8, "--config", "paper", "--methods", "harmonic"
    assert draw(*line) == (0, "out/figures: figures 8\n", "")
    sheet = read_image(tmp_path / "out" / "figures" / "fig08.png")
    # damaged, DIP, paper, original
    left = MARGIN + 2 * (128 + MARGIN)
    first = sheet[3 * LABEL : 3 * LABEL + 128 : 2, left : left + 128 : 2]
    config = InpaintConfig.paper()
    expected = restored(model, read_image(faces / "0.png"), masks.centre((64, 64)), config=config, iterations=2)
    # a batch of eight rounds otherwise than one alone
    assert abs(first.astype(int) - expected.image).max() <= 1
    assert draw(*line[:3], "--figures", tmp_path / "b", "--set", "iterations=1")[0] == 0
    assert (read_image(tmp_path / "b" / "fig08.png") != sheet).any()


def test_fig_1_has_the_methods_that_were_asked_for(draw, faces, tmp_path):
    for name, asked in (("a", "harmonic"), ("b", "harmonic,biharmonic")):
        assert draw(faces, "--figure", 1, "--figures", tmp_path / name, "--methods", asked)[0] == 0
    widths = [read_image(tmp_path / name / "fig01.png").shape[1] for name in "ab"]
    # damaged, those, DIP, the default, original
    assert widths == [MARGIN + (128 + MARGIN) * columns for columns in (5, 6)]


def test_figures_that_cannot_be_drawn(refused, faces, model, tmp_path):
    line = "evaluate", "--model", model, faces, "--figures", tmp_path / "figures"
    assert "--figure: expected one of 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, got 3" in refused(*line, "--figure", 3)
    assert "--figure: expected a data set more for figure 13, got 1" in refused(*line, "--figure", 13)
    assert "figure 4, got 0" in refused("evaluate", "--model", model, "--figure", 4, "--figures", tmp_path / "new")
    (tmp_path / "file").touch()
    assert "expected a place that can be written to" in refused(*line[:-1], tmp_path / "file")


def test_the_chart_is_of_the_results(faceinpaint, refused, faces, model, tmp_path):
    out, chart = tmp_path / "out", tmp_path / "new" / "chart.png"
    line = ["evaluate", faces, "--out", out, "--masks", "left", "--methods", "harmonic", "--model", model]
    assert faceinpaint(*line, "--faces", 2, "--chart", chart)[0] == 0
    first = read_image(chart)
    assert faceinpaint("evaluate", "--out", out, "--chart", tmp_path / "again.png")[0] == 0
    assert_array_equal(read_image(tmp_path / "again.png"), first)
    assert faceinpaint(*line, "--faces", 4, "--chart", chart)[0] == 0
    assert np.any(read_image(chart) != first)
    assert "expected an extension" in refused("evaluate", "--out", out, "--chart", tmp_path / "chart.docx")
    assert "expected --out for results" in refused("evaluate", "--chart", chart)
