"""Quality against evaluations: what a point is, when a yardstick is reached, and how it is shown."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.benchmarks import time_to_quality
from faceinpaint_fast.benchmarks.time_to_quality import TRIALS, YARDSTICK, Point, Trial, measure, reached, table
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.evaluation.protocol import seed_of
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import Model, ModelConfig

CPU = torch.device("cpu")


def point(evaluations, psnr, ssim, trial="guided", mask="centre"):
    return Point(
        trial=trial, mask=mask, evaluations=evaluations, hole_psnr=psnr, hole_ssim=ssim, loss=0.1, seconds=0.01
    )


GOAL = [point(100, 18.0, 0.5, YARDSTICK), point(1000, 20.0, 0.6, YARDSTICK)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ([(1, 19, 0.5), (5, 20, 0.6), (10, 21, 0.7)], 5),
        # PSNR alone is not enough, nor SSIM
        ([(1, 21, 0.5), (5, 19, 0.7), (10, 21, 0.7)], 10),
        # a budget that is left behind again does not count
        ([(1, 21, 0.7), (5, 19, 0.7), (10, 21, 0.7)], 10),
        ([(1, 21, 0.7), (10, 19, 0.7)], None),
    ],
)
def test_a_yardstick_is_reached_in_psnr_and_ssim_and_for_good(line, expected):
    others = [point(1, 30.0, 0.9, mask="left"), point(1, 30.0, 0.9, trial="BFGS")]
    assert reached([*GOAL, *others, *(point(*each) for each in line)], "guided", "centre") == expected


def test_a_point_is_what_a_user_would_get(generator, discriminator, encoder, monkeypatch):
    """Each budget a search of its own, with the holes and seeds of the evaluation."""
    config = InpaintConfig.over_z(lambda_c=0.7)
    monkeypatch.setattr(time_to_quality, "TRIALS", {"guided": Trial(config=config, budgets=(1, 3))})
    monkeypatch.setattr(time_to_quality, "MASKS", ("centre", "drop-80"))
    monkeypatch.setattr(time_to_quality, "BATCH", 2)
    faces = np.stack([astronaut(CELEBA_108, 64), astronaut(CELEBA_108, 64)[:, ::-1], astronaut(CELEBA_108, 64)[::-1]])
    described = ModelConfig(size=64, channels=3, framing=CELEBA_108, latent_size=100, width=4, sha256={})
    model = Model(generator, discriminator, encoder, described)
    points = list(measure(model, faces, CPU, "fp32", seed=5))
    assert [(p.evaluations, p.mask) for p in points] == [(1, "centre"), (1, "drop-80"), (3, "centre"), (3, "drop-80")]
    assert all(p.seconds > 0 for p in points)
    asked = dataclasses.replace(config, iterations=3)
    inpainter = Inpainter(generator, discriminator, encoder=encoder, config=asked, device="cpu")
    seeds = [seed_of(5, face) for face in range(3)]
    holes = np.stack([masks.draw("drop-80", (64, 64), seed) for seed in seeds])
    found = [inpainter(*each[:2], seed=each[2]) for each in zip(faces, holes, seeds, strict=True)]
    judged = [quality(a.image / 255, b / 255, c) for a, b, c in zip(found, faces, holes, strict=True)]
    assert points[-1].hole_psnr == pytest.approx(np.mean([each.hole_psnr for each in judged]), abs=0.01)
    assert points[-1].hole_ssim == pytest.approx(np.mean([each.hole_ssim for each in judged]), abs=1e-3)
    losses = [0.7 * each.losses["context"] + 0.05 * each.losses["structural"] for each in found]
    assert points[-1].loss == pytest.approx(np.mean(losses), rel=1e-3)


def test_a_budget_beyond_z_is_shared_by_its_stages():
    assert [stage.steps for stage in TRIALS["beyond z"].at(21).stages] == [7, 7, 7]
    assert TRIALS["beyond z"].at(30) == InpaintConfig()
    assert TRIALS["BFGS"].at(12).iterations == 12


def test_what_is_shown():
    points = [
        point(budget, 15.0 + i, 0.5 + i / 100, name, mask)
        for name, trial in TRIALS.items()
        for i, budget in enumerate(trial.budgets)
        for mask in time_to_quality.MASKS
    ]
    lines = table(points).splitlines()
    assert "| paper | 100 | 15.00 / 0.500 | 15.00 / 0.500 | 15.00 / 0.500 | 15.00 / 0.500 |" in lines
    # Adam's last of four budgets has 18 dB; guided's fourth as well
    assert "| guided, as good as 1000 of Adam after |  | 4 | 4 | 4 | 4 |" in lines
    assert any(line.startswith("| paper, as good as") and "not reached" in line for line in lines)
