"""Fig. 4 against scikit-image and NumPy, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from skimage.metrics import structural_similarity

from faceinpaint_fast.reference import calibrate

ROUNDING = 1e-12


def test_bounds_are_three_deviations_from_the_mean_over_all_pairs(rng: np.random.Generator) -> None:
    images, generated = rng.random((3, 16, 16, 3)), rng.random((4, 16, 16, 3)) ** 2
    s = [
        structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=-1
        )
        for x in images
        for y in generated
    ]
    c = [np.abs(x - y).sum() for x in images for y in generated]
    result = calibrate(images, generated)
    moments = [np.mean(s), np.std(s), np.mean(c), np.std(c)]
    assert_allclose([result.ssim_mean, result.ssim_std, result.l1_mean, result.l1_std], moments, rtol=ROUNDING)
    n = result.normalization
    expected = [
        np.mean(s) - 3 * np.std(s),
        np.mean(s) + 3 * np.std(s),
        np.mean(c) - 3 * np.std(c),
        np.mean(c) + 3 * np.std(c),
    ]
    assert_allclose([n.s_min, n.s_max, n.c_min, n.c_max], expected, rtol=ROUNDING)


def test_pairs_that_do_not_vary_give_no_bounds() -> None:
    with pytest.raises(ValueError, match="normalization: expected"):
        calibrate(np.zeros((1, 16, 16, 3)), np.ones((1, 16, 16, 3)))
