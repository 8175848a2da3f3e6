"""Torch's Eq. 2 to 8 against NumPy's: two programs, one result, in value and gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from faceinpaint_fast import reference
from faceinpaint_fast.config import InpaintConfig, Normalization

# float64, the same sums in another order; SSIM's variances cancel over c2 = 9e-4
ROUNDING = 1e-10

# of the images below: L1 between 600 and 2000, SSIM between 0.2 and 0.9
WIDE = Normalization(s_min=-0.5, s_max=1.5, c_min=10.0, c_max=20000.0)
BELOW = Normalization(s_min=-0.9, s_max=-0.5, c_min=1.0, c_max=2.0)
ABOVE = Normalization(s_min=1.5, s_max=2.0, c_min=20000.0, c_max=30000.0)


class Problem:
    """x and y (B, H, W, C) in [0, 1], holes from scattered to whole, and a discriminator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.y = rng.random((4, 18, 21, 3))
        self.x = 0.6 * self.y + 0.4 * rng.random(self.y.shape)
        holes = np.zeros((4, 18, 21), bool)
        holes[0] = rng.random((18, 21)) < 0.8
        holes[1, :, 8:] = True
        holes[2] = True
        self.known = ~holes
        self.W = reference.weight_map(holes)
        self.slope = torch.tensor(rng.normal(size=(3, 18, 21)))
        self.z = rng.normal(size=(4, 5))

    def discriminator(self, x: Tensor) -> Tensor:
        return (x * self.slope).sum(dim=(1, 2, 3))

    def torch(self, config: InpaintConfig) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Every loss, and the gradient of the total in x, channels last."""
        x = torch.tensor(self.x).movedim(-1, 1).requires_grad_()
        y = torch.tensor(self.y).movedim(-1, 1)
        known, W = torch.tensor(self.known, dtype=torch.float64), torch.tensor(self.W)
        losses = reference.objective(2 * x - 1, self.discriminator, y, known, W, config, torch.tensor(self.z))
        losses["total"].sum().backward()
        return {name: loss.detach().numpy() for name, loss in losses.items()}, x.grad.movedim(1, -1).numpy()

    def numpy(self, config: InpaintConfig) -> dict[str, np.ndarray]:
        w = self.W * self.known
        d = reference.discriminator_loss(self.logit())
        if config.normalization == "masked":
            c = reference.masked_context_loss(self.x, self.y, self.W, self.known)
            s = reference.masked_structural_loss(self.x, self.y, self.W, self.known)
        else:
            c = reference.weighted_l1(self.x, self.y, w)
            s = reference.ssim(w[..., None] * self.x, w[..., None] * self.y)
            if config.normalization == "none":
                s = 1 - s
            else:
                c = reference.context_loss(c, config.normalization)
                s = reference.structural_loss(s, config.normalization)
        # of nothing known as of one pixel
        share = self.known.mean(axis=(1, 2)).clip(1 / (18 * 21)) if config.normalization == "masked" else 1
        p = (self.z**2).mean(axis=1) / share
        total = reference.total_loss(d, c, s, config) + config.lambda_z * p
        return {"discriminator": d, "context": c, "structural": s, "prior": p, "total": total}

    def numpy_gradient(self, config: InpaintConfig) -> np.ndarray:
        """Of the total in x, from the hand-derived parts; normalization "masked" or WIDE."""
        w = (self.W * self.known)[..., None]
        l1 = reference.weighted_l1_gradient(self.x, self.y, w[..., 0])
        if config.normalization == "masked":
            total = 3 * w.sum(axis=(1, 2, 3), keepdims=True)
            by_context = l1 / np.where(total > 0, total, 1)
            q = reference.windowed_mean(self.known[..., None].astype(float))[..., 0]
            by_structure = -w * reference.ssim_gradient(w * self.x, w * self.y, weights=q)
        else:
            n = config.normalization
            by_context = l1 / (n.c_max - n.c_min)
            by_structure = -w * reference.ssim_gradient(w * self.x, w * self.y) / (n.s_max - n.s_min)
        # d log(1 - D) / d logit = -D, and the logit sees 2x - 1
        D = 1 / (1 + np.exp(-self.logit()))
        by_discriminator = -2 * D[:, None, None, None] * np.moveaxis(self.slope.numpy(), 0, -1)
        return config.lambda_d * by_discriminator + config.lambda_c * by_context + config.lambda_s * by_structure

    def logit(self) -> np.ndarray:
        return self.discriminator(torch.tensor(2 * self.x - 1).movedim(-1, 1)).numpy()


@pytest.mark.parametrize(
    "normalization",
    ["masked", "none", WIDE, BELOW, ABOVE, Normalization.PAPER],
    ids=["masked", "none", "between", "below", "above", "paper"],
)
def test_every_loss_equals_numpys(normalization: Normalization | str, rng: np.random.Generator) -> None:
    problem = Problem(rng)
    config = replace(InpaintConfig.paper(), normalization=normalization)
    actual, _ = problem.torch(config)
    expected = problem.numpy(config)
    assert actual.keys() == expected.keys()
    for name, values in expected.items():
        assert values.shape == (4,)
        assert_allclose(actual[name], values, rtol=ROUNDING, atol=ROUNDING, err_msg=name)


def test_the_cases_above_are_what_they_claim(rng: np.random.Generator) -> None:
    problem = Problem(rng)
    for normalization, name, value in ((BELOW, "structural", 0), (ABOVE, "structural", 1), (BELOW, "context", 1)):
        losses, _ = problem.torch(replace(InpaintConfig.paper(), normalization=normalization))
        assert_allclose(losses[name][[0, 1, 3]], value)
    between, _ = problem.torch(replace(InpaintConfig.paper(), normalization=WIDE))
    for name in ("structural", "context"):
        values = between[name][[0, 1, 3]]
        assert values.min() > 0
        assert values.max() < 1


@pytest.mark.parametrize("normalization", ["masked", WIDE], ids=["masked", "between"])
def test_gradient_equals_the_hand_derived_one(normalization: Normalization | str, rng: np.random.Generator) -> None:
    problem = Problem(rng)
    config = replace(InpaintConfig.paper(), normalization=normalization)
    _, actual = problem.torch(config)
    expected = problem.numpy_gradient(config)
    assert_allclose(actual, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize("normalization", [BELOW, ABOVE], ids=["below", "above"])
def test_outside_the_printed_bounds_the_gradient_is_dead(
    normalization: Normalization, rng: np.random.Generator
) -> None:
    _, gradient = Problem(rng).torch(replace(InpaintConfig.paper(), normalization=normalization, lambda_d=0))
    assert (gradient == 0).all()


def test_a_term_without_weight_has_no_part_in_the_total(rng: np.random.Generator) -> None:
    problem = Problem(rng)
    problem.slope = problem.slope * float("inf")
    losses, gradient = problem.torch(replace(InpaintConfig(), lambda_d=0, lambda_s=0, lambda_z=0))
    assert not np.isfinite(losses["discriminator"]).all()
    assert_allclose(losses["total"], InpaintConfig().lambda_c * losses["context"], rtol=ROUNDING)
    assert np.isfinite(gradient).all()


def test_the_logit_may_be_far_out(rng: np.random.Generator) -> None:
    problem = Problem(rng)
    problem.slope = 1000 * problem.slope / problem.slope.abs().max()
    config = InpaintConfig.paper()
    losses, gradient = problem.torch(config)
    assert np.abs(problem.logit()).max() > 1000
    assert_allclose(losses["discriminator"], problem.numpy(config)["discriminator"], rtol=ROUNDING)
    assert np.isfinite(gradient).all()
