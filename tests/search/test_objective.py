"""Eq. 3-6 and 8 against the reference's NumPy formulas, by hand at their bounds, and their gradients."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, InputError, Normalization, context_loss, masks, reference, structural_loss
from faceinpaint_fast.search.objective import IMAGE_TERMS, Objective
from faceinpaint_fast.search.problem import Problem

PAPER = Normalization.PAPER
SIZE = 20
# random images of 20x20 lie far from the paper's bounds for 64x64: these put Eq. 5 and 6 on their slopes
SLOPES = Normalization(s_min=-0.5, s_max=1.5, c_min=10.0, c_max=4000.0)
CONFIGS = {
    "paper": InpaintConfig.paper(),
    "slopes": dataclasses.replace(InpaintConfig.paper(), normalization=SLOPES),
    "masked": InpaintConfig(lambda_d=0.003),
    "default, without D": InpaintConfig(),
    "plain": InpaintConfig(lambda_d=0.003, normalization="none"),
    "only D and SSIM": InpaintConfig(lambda_d=0.003, lambda_c=0.0),
}
HOLES = np.stack([masks.centre((SIZE, SIZE)), masks.half((SIZE, SIZE), "left"), masks.random_pixels((SIZE, SIZE), 0.8)])


def brightness(x):
    """A discriminator that can be worked out by hand, and its pullback."""
    share = 3 / x[0].numel()

    def pull(gradient, onto=None):
        slope = (share * gradient)[:, None, None, None].expand_as(x)
        return slope if onto is None else onto + slope

    return share * x.sum(dim=(1, 2, 3)), pull


@pytest.fixture
def batch(rng):
    images = torch.from_numpy(rng.random((3, 3, SIZE, SIZE)))
    known = torch.from_numpy(~HOLES).double()
    weights = torch.from_numpy(reference.weight_map(HOLES))
    x = torch.from_numpy(rng.uniform(-1, 1, (3, 3, SIZE, SIZE)))
    return images * known[:, None], known, weights, x


def objective_of(images, known, weights, config, discriminator=brightness):
    return Objective(Problem(images, known, weights), discriminator, config)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_term_is_the_reference_s(config, batch):
    images, known, weights, x = batch
    objective = objective_of(images, known, weights, config)
    found = objective.terms(x)
    drawn, truth = ((x + 1) / 2).movedim(1, -1).numpy(), images.movedim(1, -1).numpy()
    M, W = known.numpy(), weights.numpy()
    D = reference.discriminator_loss(brightness(x)[0].numpy())
    if isinstance(config.normalization, Normalization):
        w = (W * M)[..., None]
        S = reference.structural_loss(reference.ssim(w * drawn, w * truth), config.normalization)
        C = reference.context_loss(reference.weighted_l1(drawn, truth, W * M), config.normalization)
    elif config.normalization == "none":
        w = (W * M)[..., None]
        S, C = 1 - reference.ssim(w * drawn, w * truth), reference.weighted_l1(drawn, truth, W * M)
    else:
        S = reference.masked_structural_loss(drawn, truth, W, M)
        C = reference.masked_context_loss(drawn, truth, W, M)
    assert IMAGE_TERMS == ("discriminator", "context", "structural")
    assert_close(found, torch.from_numpy(np.stack([D, C, S], axis=1)), rtol=1e-12, atol=0)
    total = torch.from_numpy(reference.total_loss(D, C, S, config))
    assert_close(objective.total(found), total, rtol=1e-12, atol=0)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_gradient_is_that_of_finite_differences(config, batch, rng):
    *problem, x = batch
    objective = objective_of(*problem, config)
    total, gradient = objective.with_gradient(x)
    # the kernel with a gradient and the one without add in another order
    assert_close(total, objective.total(objective.terms(x)), rtol=1e-14, atol=0)
    direction, step = torch.from_numpy(rng.standard_normal(x.shape)), 1e-6
    ahead, behind = (objective.with_gradient(x + sign * step * direction)[0] for sign in (1, -1))
    expected = (ahead - behind) / (2 * step)
    # the kinks of L1 within a step are few, and the rest is of second order
    assert_close((gradient * direction).sum(dim=(1, 2, 3)), expected, rtol=1e-6, atol=1e-8)
    if config is not CONFIGS["paper"]:
        assert (expected != 0).all()


def test_the_printed_form_is_flat_outside_its_bounds_and_the_masked_one_is_not(batch):
    images, known, weights, x = batch

    def gradient(normalization):
        config = InpaintConfig(lambda_d=0.0, normalization=normalization)
        return objective_of(images, known, weights, config).with_gradient(x)[1]

    assert not gradient(Normalization(s_min=0.99, s_max=0.999, c_min=0.1, c_max=0.2)).any()
    pulled = gradient("masked").abs().amax(dim=1) > 0
    assert torch.equal(pulled, known > 0)


def test_masked_context_does_not_change_with_how_much_is_known():
    images = torch.zeros(2, 3, SIZE, SIZE)
    known = torch.from_numpy(~HOLES[[0, 2]]).float()
    weights = torch.from_numpy(reference.weight_map(HOLES[[0, 2]])).float()
    drawn = torch.full_like(images, 0.25)
    found = objective_of(images, known, weights, InpaintConfig()).terms(2 * drawn - 1)
    assert_close(found[:, IMAGE_TERMS.index("context")], torch.full((2,), 0.25))


def test_no_structure_where_no_window_sees_a_known_pixel():
    """A corner pixel of a large image still lies in one window; of an 11x11 image all do: take none known."""
    images, known = torch.zeros(1, 3, SIZE, SIZE), torch.zeros(1, SIZE, SIZE)
    objective = objective_of(images, known, torch.ones_like(known), InpaintConfig())
    assert objective.terms(torch.zeros_like(images))[:, IMAGE_TERMS.index("structural")].tolist() == [0.0]


def of(kind, values):
    return {"numpy": np.array, "torch": lambda v: torch.tensor(v, dtype=torch.float64)}[kind](values)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_structural_loss_by_hand(kind):
    # (0.8431 - 0.4) / (0.8431 - 0.1198) = 0.61261 at SSIM = 0.4
    found = structural_loss(of(kind, [0.1, 0.1198, 0.4, 0.8431, 0.9]), PAPER)
    np.testing.assert_allclose(found, [1, 1, 0.4431 / 0.7233, 0, 0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_context_loss_by_hand(kind):
    # as printed: it jumps from 0 to 739 / 4122 at c_min, and from 4861 / 4122 to 1 at c_max
    found = context_loss(of(kind, [738.0, 739.0, 2061.0, 4861.0, 4862.0]), PAPER)
    np.testing.assert_allclose(found, [0, 739 / 4122, 0.5, 4861 / 4122, 1], rtol=1e-12)


def test_losses_of_plain_numbers():
    assert structural_loss(0.4, PAPER) == pytest.approx(0.4431 / 0.7233)
    assert context_loss(2061.0, PAPER) == pytest.approx(0.5)


def test_the_printed_bounds():
    assert (PAPER.s_min, PAPER.s_max, PAPER.c_min, PAPER.c_max) == (0.1198, 0.8431, 739, 4861)


def test_a_loss_of_weight_0_has_no_part_in_the_total(batch):
    *problem, x = batch

    def broken(x):
        return torch.full((len(x),), torch.nan, dtype=x.dtype), None

    objective = objective_of(*problem, InpaintConfig(), broken)
    terms = objective.terms(x)
    assert terms[:, IMAGE_TERMS.index("discriminator")].isnan().all()
    assert objective.total(terms).isfinite().all()


def test_nothing_known_is_nothing_to_agree_with(batch):
    images, known, weights, x = batch
    objective = objective_of(torch.zeros_like(images), torch.zeros_like(known), weights, InpaintConfig())
    total, gradient = objective.with_gradient(x)
    assert not total.any()
    assert not gradient.any()


@pytest.mark.parametrize("loss", [structural_loss, context_loss])
def test_what_is_no_normalization_is_refused_by_name(loss):
    with pytest.raises(InputError, match="normalization: expected a Normalization, got 'masked'"):
        loss(0.5, "masked")
