"""Eq. 3 to 6 and 8 against values worked out by hand, and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.reference import (
    context_loss,
    discriminator_loss,
    masked_context_loss,
    masked_structural_loss,
    ssim,
    ssim_map,
    structural_loss,
    total_loss,
    weight_map,
    weighted_l1,
    weighted_l1_gradient,
)

# float64: sums of some 10^3 terms
ROUNDING = 1e-12


def test_weighted_l1_by_hand() -> None:
    x = np.array([[[0.5, 0.0], [1.0, 1.0]]])
    y = np.array([[[0.0, 0.25], [0.0, 1.0]]])
    w = np.array([[2.0, 3.0]])
    assert weighted_l1(x, y, w) == 2 * (0.5 + 0.25) + 3 * 1
    assert_array_equal(weighted_l1_gradient(x, y, w), [[[2, -2], [3, 0]]])


def test_weighted_l1_of_a_batch(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 2, 5, 4, 3))
    w = rng.random((2, 5, 4))
    assert weighted_l1(x, y, w).shape == (2,)
    assert_allclose(weighted_l1(x, y, w)[1], weighted_l1(x[1], y[1], w[1]), rtol=ROUNDING)
    assert_allclose(weighted_l1(x, y, w[0])[1], weighted_l1(x[1], y[1], w[0]), rtol=ROUNDING)


def test_weighted_l1_gradient_equals_finite_differences(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 2, 5, 4, 3))
    w = rng.random((2, 5, 4))
    h = 1e-9
    # no pair of values comes so close that the step crosses the kink
    assert np.abs(x - y).min() > 10 * h
    direction = np.where(rng.random(x.shape) < 0.5, -1, 1)
    slope = (weighted_l1(x + h * direction, y, w) - weighted_l1(x, y, w)) / h
    # 1e-15 of rounding, over h
    assert_allclose((weighted_l1_gradient(x, y, w) * direction).sum(axis=(1, 2, 3)), slope, atol=1e-4)


@pytest.mark.parametrize(
    ("logit", "expected"),
    [
        (0, math.log(0.5)),
        (1.3, math.log(1 - 1 / (1 + math.exp(-1.3)))),
        (-1.3, math.log(1 - 1 / (1 + math.exp(1.3)))),
        # where 1 - D(x) rounds to 0, and where D(x) does
        (1000, -1000),
        (-50, -math.exp(-50)),
    ],
)
def test_discriminator_loss_is_log_1_minus_d(logit: float, expected: float) -> None:
    assert_allclose(discriminator_loss(logit), expected, rtol=ROUNDING)


@pytest.mark.parametrize(
    ("ssim", "expected"),
    [
        (-1, 1),
        (0.1197, 1),
        (0.1198, 1),
        (0.1199, 0.7232 / 0.7233),
        (0.48145, 0.5),
        (0.8430, 0.0001 / 0.7233),
        (0.8431, 0),
        (0.8432, 0),
        (1, 0),
    ],
)
def test_structural_loss_by_hand(ssim: float, expected: float) -> None:
    assert_allclose(structural_loss(ssim, Normalization.PAPER), expected, rtol=ROUNDING, atol=1e-15)


@pytest.mark.parametrize(
    ("l1", "expected"),
    [
        (0, 0),
        (738.99, 0),
        # as printed, there is no c_min in the numerator: both bounds are jumps
        (739, 739 / 4122),
        (2800, 2800 / 4122),
        (4861, 4861 / 4122),
        (4861.01, 1),
        (9000, 1),
    ],
)
def test_context_loss_by_hand(l1: float, expected: float) -> None:
    assert_allclose(context_loss(l1, Normalization.PAPER), expected, rtol=ROUNDING)


def test_total_loss_weighs_the_terms_as_printed() -> None:
    assert_allclose(total_loss(-2, 0.5, 0.25, InpaintConfig.paper()), -0.006 + 0.1 + 0.19925, rtol=ROUNDING)
    assert_allclose(total_loss([1, 0, 0], [0, 1, 0], [0, 0, 1], InpaintConfig.paper()), [0.003, 0.2, 0.797], ROUNDING)


def half_hole() -> np.ndarray:
    hole = np.zeros((20, 24), bool)
    hole[:, 12:] = True
    return hole


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_masked_context_loss_does_not_depend_on_how_much_is_known(share: float, rng: np.random.Generator) -> None:
    hole = rng.random((20, 24)) < share
    y = rng.random((20, 24, 3))
    assert_allclose(masked_context_loss(y + 0.25, y, weight_map(hole), ~hole), 0.25, rtol=ROUNDING)


def test_masked_context_loss_by_hand() -> None:
    x, y = np.array([[[0.5], [0.0], [9.0]]]), np.zeros((1, 3, 1))
    W, known = np.array([[2.0, 3.0, 3.0]]), np.array([[1, 1, 0]])
    assert_allclose(masked_context_loss(x, y, W, known), 2 * 0.5 / (2 + 3), rtol=ROUNDING)


def test_masked_structural_loss_without_a_hole_is_ssim(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 20, 24, 3))
    everything = np.ones((20, 24))
    assert_allclose(masked_structural_loss(x, y, everything, everything), 1 - ssim(x, y), rtol=ROUNDING)


def test_masked_structural_loss_weighs_windows_by_what_they_see(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 20, 24, 3))
    known = ~half_hole()
    W = weight_map(~known)
    local = ssim_map(x * (W * known)[..., None], y * (W * known)[..., None]).mean(axis=-1)
    bell = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    window = np.outer(bell, bell) / bell.sum() ** 2
    above, below = 0.0, 0.0
    for p in np.ndindex(local.shape):
        q = (window * known[p[0] : p[0] + 11, p[1] : p[1] + 11]).sum()
        above += q * local[p]
        below += q
    assert_allclose(masked_structural_loss(x, y, W, known), 1 - above / below, rtol=ROUNDING)


@pytest.mark.parametrize("loss", [masked_context_loss, masked_structural_loss])
def test_masked_losses_do_not_see_the_hole(loss, rng: np.random.Generator) -> None:
    x, y = rng.random((2, 20, 24, 3))
    hole = half_hole()
    other = np.where(hole[..., None], rng.random(x.shape), x)
    assert loss(x, y, weight_map(hole), ~hole) == loss(other, y, weight_map(hole), ~hole)


@pytest.mark.parametrize("loss", [masked_context_loss, masked_structural_loss])
def test_masked_losses_of_a_batch_stand_alone_and_are_0_where_nothing_is_known(loss, rng: np.random.Generator) -> None:
    x, y = rng.random((2, 3, 20, 24, 3))
    holes = np.stack([half_hole(), np.ones((20, 24), bool), np.zeros((20, 24), bool)])
    W = weight_map(holes)
    values = loss(x, y, W, ~holes)
    assert values[1] == 0
    assert_allclose(values, [loss(x[i], y[i], W[i], ~holes[i]) for i in range(3)], rtol=ROUNDING)
    assert values[0] != values[2]
