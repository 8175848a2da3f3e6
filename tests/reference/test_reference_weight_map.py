"""Eq. 7 against values worked out by hand and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast.reference import weight_map

# counts are exact; 1 + alpha * count / k^2 rounds three times at most
ROUNDING = 1e-15


def test_one_missing_pixel_raises_the_weights_of_its_patch() -> None:
    hole = np.zeros((15, 17), bool)
    hole[7, 8] = True
    expected = np.ones((15, 17))
    expected[4:11, 5:12] = 1 + 2 / 49
    W = weight_map(hole)
    assert W.dtype == np.float64
    assert_allclose(W, expected, rtol=ROUNDING)


def test_the_border_clips_the_patch_but_not_the_divisor() -> None:
    W = weight_map(np.ones((20, 20), bool))
    assert_allclose(
        [W[0, 0], W[0, 9], W[2, 1], W[9, 9]], [1 + 2 * 16 / 49, 1 + 2 * 28 / 49, 1 + 2 * 30 / 49, 3], ROUNDING
    )


def test_nothing_missing_means_ones() -> None:
    assert_array_equal(weight_map(np.zeros((5, 4), bool)), np.ones((5, 4)))


@pytest.mark.parametrize(("k", "alpha"), [(7, 2.0), (3, 0.5), (1, 1.0), (5, 0.0)])
def test_against_a_plain_loop(k: int, alpha: float, rng: np.random.Generator) -> None:
    holes = rng.random((2, 9, 13)) < 0.4
    r = k // 2
    expected = np.empty(holes.shape)
    for i, y, x in np.ndindex(holes.shape):
        patch = holes[i, max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1]
        expected[i, y, x] = 1 + alpha * patch.sum() / k**2
    assert_allclose(weight_map(holes, k=k, alpha=alpha), expected, rtol=ROUNDING)
    assert_allclose(weight_map(holes[0], k=k, alpha=alpha), expected[0], rtol=ROUNDING)


@pytest.mark.parametrize("k", [0, 4])
def test_a_patch_without_a_centre_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="k: expected"):
        weight_map(np.zeros((9, 9), bool), k=k)
