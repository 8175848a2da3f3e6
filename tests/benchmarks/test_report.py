"""All comparisons, and how measurements are shown."""

from __future__ import annotations

import pytest
import torch

from faceinpaint_fast.benchmarks import blend
from faceinpaint_fast.benchmarks.comparison import Comparison, Measurement
from faceinpaint_fast.benchmarks.report import comparisons, markdown

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_each_device_has_what_it_is_asked():
    found = comparisons(CPU)
    assert {"iteration-1-fp32", "pair-1", "poisson-64-centre", "tension-64-centre"} <= set(found)
    on_cuda = {"iteration-1-fp32", "careful-1-bf16", "bandwidth", "restoration-bf16", "call-1-bf16", "tension-1024"}
    assert on_cuda <= set(comparisons(CUDA))
    # what is alone on a device is not among the other's
    assert not on_cuda & set(found) - {"iteration-1-fp32", "restoration-bf16"}


def test_poisson_s_comparisons_stay_away_with_their_rivals(monkeypatch):
    rivals = {"multigrid": "pyamg", "clone": "cv2"}
    for installed in ([], ["pyamg"], ["cv2"], ["pyamg", "cv2"]):
        monkeypatch.setattr(blend, "find_spec", lambda name, those=installed: name in those or None)
        kinds = {name.rpartition("-")[2] for name in comparisons(CPU) if name.startswith("poisson-")}
        assert {"centre", "scattered", "batch", "direct", "spsolve", "linearity"} <= kinds
        assert {kind for kind, rival in rivals.items() if rival in installed} == kinds & rivals.keys()


@pytest.mark.parametrize(
    ("at_least", "ours", "theirs", "line"),
    [
        (2.0, 0.001, 0.0012, "| this | 1 ms | that | 1.2 ms | 1.20 | 2, missed |"),
        (2.0, 0.001, 0.003, "| this | 1 ms | that | 3 ms | 3.00 | 2 |"),
        (None, 0.5, 1.0, "| this | 500 ms | that | 1e+03 ms | 2.00 |  |"),
    ],
)
def test_the_table(at_least, ours, theirs, line):
    comparison = Comparison(what="this", rival="that", ours=len, theirs=len, at_least=at_least)
    text = markdown([Measurement(comparison, ours, theirs)], {"threads": "1"}).splitlines()
    assert line in text
    assert "- threads: 1" in text
