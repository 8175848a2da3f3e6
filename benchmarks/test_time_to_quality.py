"""The benchmark that decides between searches: quality against evaluations and seconds, on faces of --faces.

    python -m pytest benchmarks/test_time_to_quality.py --faces celeba64-val.tar

writes results/time_to_quality.md and docs/time_to_quality.png.  Half an hour on one core.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from faceinpaint_fast.benchmarks.time_to_quality import LONG, MASKS, Point, measure, reached, table
from faceinpaint_fast.doctor import machine
from faceinpaint_fast.faces import load_faces
from faceinpaint_fast.markdown import page
from faceinpaint_fast.models import load_model
from faceinpaint_fast.pictures.plots import draw_time_to_quality

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
FACES = 64
# times fewer evaluations than the LONG iterations of Adam on the same objective
FEWER = {"centre": 20, "left": 20, "free-form": 10, "drop-80": 10}
RESULTS = Path(__file__).parent / "results" / "time_to_quality.md"
PLOT = Path(__file__).parents[1] / "docs" / "time_to_quality.png"


@pytest.fixture(scope="module")
def points(pytestconfig: pytest.Config) -> list[Point]:
    source = pytestconfig.getoption("faces")
    if source is None:
        pytest.skip("needs --faces, a folder or tar shard of faces that the model has not seen")
    model = load_model()
    faces = load_faces([source], size=model.config.size, framing=model.config.framing, limit=FACES)
    found = list(measure(model, faces, DEVICE, "bf16"))
    title = f"PSNR in dB / SSIM in the hole, means over {FACES} faces of {source.name}, bf16:\n\n"
    RESULTS.write_text(title + page(table(found), machine(DEVICE)))
    draw_time_to_quality(found, PLOT)
    return found


@pytest.mark.parametrize("mask", MASKS)
def test_as_good_as_long_iterations_of_adam_in_a_share_of_the_evaluations(points: list[Point], mask: str) -> None:
    needed = reached(points, "guided", mask)
    assert needed is not None
    assert needed * FEWER[mask] <= LONG
