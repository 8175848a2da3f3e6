"""PSNR and SSIM against values worked out by hand and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from faceinpaint_fast import masks, reference
from faceinpaint_fast.evaluation.metrics import quality


def test_by_hand():
    truth = np.zeros((16, 16, 3))
    hole = masks.centre((16, 16))
    image = np.where(hole[..., None], 0.1, truth)
    found = quality(image, truth, hole)
    assert found.hole_psnr == pytest.approx(20)
    # a quarter of the pixels is off: 10 log10(4) more
    assert found.psnr == pytest.approx(20 + 10 * np.log10(4))


def test_against_scikit_image_and_the_reference(rng):
    truth = rng.random((24, 30, 3))
    image = np.clip(truth + 0.1 * rng.standard_normal(truth.shape), 0, 1)
    found = quality(image, truth, masks.centre((24, 30)))
    assert found.psnr == pytest.approx(peak_signal_noise_ratio(truth, image, data_range=1))
    assert found.ssim == pytest.approx(float(reference.ssim(image, truth)))
    assert found.hole_ssim != pytest.approx(found.ssim)


def test_perfect_and_without_a_hole(rng):
    truth = rng.random((12, 12, 3))
    found = quality(truth, truth, np.zeros((12, 12), np.bool_))
    assert (found.psnr, found.ssim) == (np.inf, pytest.approx(1))
    assert np.isnan(found.hole_psnr)
    assert np.isnan(found.hole_ssim)
