"""The examples, run as a user runs them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import tension_blend
from faceinpaint_fast.evaluation.metrics import quality, seam
from faceinpaint_fast.images import read_image

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """An example's variables at its end, and the numbers that it printed."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        variables = runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        words = capsys.readouterr().out.replace(",", " ").split()
        return variables, [float(word) for word in words if word.replace(".", "").isdigit()]

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.png"


def test_a_generator_of_one_s_own_restores_a_face_in_thirty_lines(run, out):
    variables, (mean_colour, restored) = run("own_generator.py", "--out", out)
    face, hole = variables["face"], variables["hole"]
    # the code that was searched counts too: blended in without it, the mean of the faces is all there is
    mean_face = ((variables["faces"].mean(dim=0) + 1) / 2).movedim(0, -1).numpy()
    by_the_mean = quality(tension_blend(face, mean_face, hole) / 255, face / 255, hole).hole_psnr
    # 12.7, 17.9 and 18.8 dB measured, the last within 0.1 dB for three seeds
    assert restored > mean_colour + 4
    assert restored > by_the_mean + 0.5
    # a row of three pictures, each enlarged threefold, in margins of 12
    written = read_image(out)[-204:-12][::3, ::3]
    pictures = [written[:, left : left + 64] for left in (4, 72, 140)]
    for picture, decibel in zip(pictures, (mean_colour, restored, np.inf), strict=True):
        assert_array_equal(picture[~hole], face[~hole])
        # two decimals are printed
        assert quality(picture / 255, face / 255, hole).hole_psnr == pytest.approx(decibel, abs=0.006)
    lines = (EXAMPLES / "own_generator.py").read_text().splitlines()
    assert sum(bool(line) for line in lines) <= 30


def test_ssim_is_a_loss_to_learn_by(run):
    _, (noisy, before, after) = run("ssim_loss.py")
    # 0.27, 0.25 and 0.77 measured
    assert after > max(noisy, before) + 0.3


def test_blends_leave_less_of_a_seam_than_pasting(run, out):
    variables, printed = run("blend_only.py", "--out", out)
    table, cat, hole = (variables[name] for name in ("table", "cat", "hole"))
    pasted, poisson, tension = np.split(read_image(out), 3, axis=1)
    assert_array_equal(pasted[hole], cat[hole])
    for picture in (pasted, poisson, tension):
        assert_array_equal(picture[~hole], table[~hole])
    seams = [seam(picture / 255, table / 255, hole) for picture in (pasted, poisson, tension)]
    # 8.1 and 3.2 of 35.4 levels measured; the slopes that tension minds show in a seam's kink most of all
    for kinds in (seams, printed):
        assert kinds[1] < kinds[0] / 2
        assert kinds[2] < kinds[1]
    # the eye is still there: its contrast is the cat's
    for picture in (poisson, tension):
        assert np.corrcoef(picture[hole].ravel(), cat[hole].ravel())[0, 1] > 0.8
