"""PSNR, SSIM, L1 and seams against values worked out by hand and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from faceinpaint_fast import masks, reference
from faceinpaint_fast.evaluation.metrics import quality, seam


def test_by_hand():
    truth = np.zeros((16, 16, 3))
    hole = masks.centre((16, 16))
    image = np.where(hole[..., None], 0.1, truth)
    found = quality(image, truth, hole)
    assert found.hole_psnr == pytest.approx(20)
    # a quarter of the pixels is off: 10 log10(4) more
    assert found.psnr == pytest.approx(20 + 10 * np.log10(4))
    assert found.l1 == pytest.approx(0.1 / 4)
    assert found.seam == pytest.approx(25.5)
    darker = quality(truth + 0.2, truth + 0.3, hole)
    assert darker.l1 == pytest.approx(0.1)
    assert darker.seam == pytest.approx(0)


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
    assert (found.psnr, found.ssim, found.l1) == (np.inf, pytest.approx(1), 0)
    assert np.isnan(found.seam)
    assert np.isnan(found.hole_psnr)
    assert np.isnan(found.hole_ssim)


@pytest.fixture
def ramp():
    """Rising along both axes, otherwise in each channel: (12, 16, 3)."""
    rows, columns = np.mgrid[:12, :16][..., None] / 255
    return 3 * rows * (1, 0, 2) + 2 * columns * (0, 1, 1)


@pytest.mark.parametrize("name", ["centre", "left", "top", "drop-40", "free-form"])
def test_a_ramp_that_goes_on_has_no_seam_and_a_step_has_its_height(ramp, name):
    hole = masks.draw(name, ramp.shape[:2], 3)
    missing = hole[..., None]
    assert seam(ramp, ramp, hole) == 0
    stepped = ramp + missing * 10 / 255
    assert seam(stepped, ramp, hole) == pytest.approx(10)
    # smoother than the truth, whose own step is there
    assert seam(ramp, stepped, hole) == pytest.approx(-10)
    # downwards it is a seam as well; in one channel of three it is a third
    assert seam(ramp - missing * 10 / 255, ramp, hole) == pytest.approx(10)
    assert seam(ramp + missing * (0, 10 / 255, 0), ramp, hole) == pytest.approx(10 / 3)


def test_a_change_of_slope_is_a_seam():
    """Continuous at the boundary, but flat on one side and rising by four levels a pixel on the other."""
    hole = masks.half((12, 16), "right")
    truth = np.zeros((12, 16, 3))
    image = truth + 4 / 255 * np.maximum(np.arange(16) - 7, 0)[:, None]
    assert seam(image, truth, hole) == pytest.approx(4)


@pytest.mark.parametrize(
    ("line", "missing", "expected"),
    [
        ([10, 10, 40], "..#", 30),
        ([40, 10, 10], "#..", 30),
        # from both sides
        ([10, 10, 40, 20, 20], "..#..", (30 + 20) / 2),
        # the middle alone is known, and knows no slope
        ([10, 20, 40], "#.#", None),
        ([10, 20, 40, 80], ".##.", None),
        # a known kink and one within the hole do not count
        ([0, 9, 0, 0, 5, 99, 1], "....###", 5),
    ],
)
def test_which_triples_are_counted(line, missing, expected):
    """On a line of pixels, grey levels, the truth being black: along a row and along a column alike."""
    image = np.array(line)[None, :, None] / 255 * np.ones(2)
    hole = np.array([[pixel == "#" for pixel in missing]])
    for turned, where in ((image, hole), (image.swapaxes(0, 1), hole.T)):
        found = seam(turned, np.zeros_like(turned), where)
        assert np.isnan(found) if expected is None else found == pytest.approx(expected)
