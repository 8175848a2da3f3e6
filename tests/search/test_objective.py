"""Eq. 3-6 and 8 against the reference's NumPy formulas, by hand at their bounds, and their gradients."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, Normalization, context_loss, masks, reference, structural_loss
from faceinpaint_fast.search.objective import TERMS, Objective

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
    return images, known, weights, x, torch.from_numpy(rng.standard_normal((3, 7)))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_term_is_the_reference_s(config, batch):
    images, known, weights, x, z = batch
    found = Objective(images, known, weights, brightness, config).terms(x, z)
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
    Z = np.square(z.numpy()).mean(axis=1) / (M.mean(axis=(1, 2)) if config.normalization == "masked" else 1)
    total = reference.total_loss(D, C, S, config) + config.lambda_z * Z
    expected = np.stack([D, C, S, Z, total], axis=1)
    assert TERMS == ("discriminator", "context", "structural", "prior", "total")
    assert_close(found, torch.from_numpy(expected), rtol=1e-12, atol=0)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_gradient_is_that_of_finite_differences(config, batch, rng):
    images, known, weights, x, z = batch
    objective = Objective(images, known, weights, brightness, config)
    total, gradient, of_z = objective.with_gradients(x, z)
    # with the gradient it is another loop, whose products a compiler may round otherwise
    assert_close(total, objective.terms(x, z)[:, TERMS.index("total")], rtol=1e-14, atol=0)
    direction, step = torch.from_numpy(rng.standard_normal(x.shape)), 1e-6
    ahead, behind = (objective.with_gradients(x + sign * step * direction, z)[0] for sign in (1, -1))
    expected = (ahead - behind) / (2 * step)
    # the kinks of L1 within a step are few, and the rest is of second order
    assert_close((gradient * direction).sum(dim=(1, 2, 3)), expected, rtol=1e-6, atol=1e-8)
    if config is not CONFIGS["paper"]:
        assert (expected != 0).all()
    direction = torch.from_numpy(rng.standard_normal(z.shape))
    ahead, behind = (objective.with_gradients(x, z + sign * step * direction)[0] for sign in (1, -1))
    assert_close((of_z * direction).sum(dim=1), (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-8)
    assert of_z.any() == (config.lambda_z > 0)


def test_the_printed_form_is_flat_outside_its_bounds_and_the_masked_one_is_not(batch):
    images, known, weights, x, z = batch

    def gradient(normalization):
        config = InpaintConfig(lambda_d=0.0, normalization=normalization)
        return Objective(images, known, weights, brightness, config).with_gradients(x, z)[1]

    assert not gradient(Normalization(s_min=0.99, s_max=0.999, c_min=0.1, c_max=0.2)).any()
    pulled = gradient("masked").abs().amax(dim=1) > 0
    assert torch.equal(pulled, known > 0)


@pytest.mark.parametrize("config", [CONFIGS["slopes"], CONFIGS["masked"]], ids=["printed", "masked"])
def test_what_the_hole_contains_does_not_matter(config, batch):
    images, known, weights, x, z = batch
    expected = Objective(images, known, weights, brightness, config).terms(x, z)
    for content in (0.0, 1.0, float("nan")):
        other = images.where(known[:, None] > 0, content)
        assert torch.equal(Objective(other, known, weights, brightness, config).terms(x, z), expected)


def test_masked_context_does_not_change_with_how_much_is_known():
    images = torch.zeros(2, 3, SIZE, SIZE)
    known = torch.from_numpy(~HOLES[[0, 2]]).float()
    weights = torch.from_numpy(reference.weight_map(HOLES[[0, 2]])).float()
    drawn = torch.full_like(images, 0.25)
    found = Objective(images, known, weights, brightness, InpaintConfig()).terms(2 * drawn - 1, torch.zeros(2, 7))
    assert_close(found[:, TERMS.index("context")], torch.full((2,), 0.25))


def test_no_structure_where_no_window_sees_a_known_pixel():
    """A corner pixel of a large image still lies in one window; of an 11x11 image all do: take none known."""
    images = torch.rand(1, 3, SIZE, SIZE)
    known = torch.zeros(1, SIZE, SIZE)
    objective = Objective(images, known, torch.ones_like(known), brightness, InpaintConfig())
    assert objective.terms(torch.zeros_like(images), torch.zeros(1, 7))[:, TERMS.index("structural")].tolist() == [0.0]


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


def test_another_search_in_the_same_memory(batch):
    images, known, weights, x, z = batch
    config = CONFIGS["masked"]
    one = Objective(images, known, weights, brightness, config)
    other = Objective(images.flip(0), known.flip(0), weights.flip(0), brightness, config)
    expected, untouched = other.terms(x, z), one.terms(x, z)
    mine = one.clone()
    mine.copy_(other)
    assert torch.equal(mine.terms(x, z), expected)
    assert torch.equal(one.terms(x, z), untouched)


def test_a_loss_of_weight_0_has_no_part_in_the_total(batch):
    images, known, weights, x, z = batch

    def broken(x):
        return torch.full((len(x),), torch.nan, dtype=x.dtype), None

    terms = Objective(images, known, weights, broken, InpaintConfig()).terms(x, z)
    assert terms[:, TERMS.index("discriminator")].isnan().all()
    assert terms[:, TERMS.index("total")].isfinite().all()


def test_nothing_known_is_nothing_to_agree_with(batch):
    images, known, weights, x, z = batch
    objective = Objective(images, torch.zeros_like(known), weights, brightness, InpaintConfig())
    total, gradient, _ = objective.with_gradients(x, torch.zeros_like(z))
    assert not total.any()
    assert not gradient.any()
