"""Eq. 2 against scikit-image and values worked out by hand; its gradient against autograd and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skimage.data import astronaut
from skimage.metrics import structural_similarity

from faceinpaint_fast.reference import ssim, ssim_gradient, ssim_map, windowed_mean
from faceinpaint_fast.reference.objective import ssim_map as torch_ssim_map

# float64; variances of values up to 1 cancel to about 1e-16, over c2 = 9e-4
ROUNDING = 1e-12

Pair = tuple[np.ndarray, np.ndarray]


def face(rng: np.random.Generator) -> Pair:
    x = astronaut()[60:124, 190:254] / 255
    return x, np.clip(x + rng.normal(0, 0.1, x.shape), 0, 1)


def skimage_ssim(x: np.ndarray, y: np.ndarray, **options: bool) -> np.ndarray:
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    return structural_similarity(x, y, channel_axis=-1, **wang, **options)


@pytest.mark.parametrize("shape", [(64, 64, 3), (11, 11, 3), (19, 32, 3), (12, 40, 1)], ids=str)
def test_equals_scikit_image_on_noise(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x, y = rng.random((2, *shape))
    assert_allclose(ssim(x, y), skimage_ssim(x, y), rtol=ROUNDING)


def test_equals_scikit_image_on_a_face(rng: np.random.Generator) -> None:
    x, y = face(rng)
    expected, local = skimage_ssim(x, y, full=True)
    assert 0.3 < expected < 0.9
    assert_allclose(ssim(x, y), expected, rtol=ROUNDING)
    assert_allclose(ssim_map(x, y), local[5:-5, 5:-5], atol=ROUNDING)


@pytest.mark.parametrize(("a", "b"), [(0.2, 0.7), (0.0, 1.0), (0.5, 0.5)])
def test_constant_images_differ_in_luminance_alone(a: float, b: float) -> None:
    expected = (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)
    assert_allclose(ssim(np.full((11, 14, 3), a), np.full((11, 14, 3), b)), expected, rtol=ROUNDING)


def test_an_image_equals_itself(rng: np.random.Generator) -> None:
    x = rng.random((20, 20, 3))
    assert_allclose(ssim(x, x), 1, rtol=ROUNDING)


def test_the_data_range_is_a_matter_of_units(rng: np.random.Generator) -> None:
    x, y = face(rng)
    assert_allclose(ssim(255 * x, 255 * y, data_range=255), ssim(x, y), rtol=ROUNDING)
    assert_allclose(
        255 * ssim_gradient(255 * x, 255 * y, data_range=255), ssim_gradient(x, y), rtol=ROUNDING, atol=ROUNDING
    )


def test_images_of_a_batch_stand_alone(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 3, 13, 15, 3))
    assert ssim(x, y).shape == (3,)
    assert_allclose(ssim(x, y), [ssim(*pair) for pair in zip(x, y, strict=True)], rtol=ROUNDING)
    assert_allclose(ssim_gradient(x, y), [ssim_gradient(*pair) for pair in zip(x, y, strict=True)], atol=ROUNDING)


def test_weights_choose_positions(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 16, 18, 3))
    one = np.zeros((6, 8))
    one[2, 5] = 0.3
    assert_allclose(ssim(x, y, weights=one), ssim_map(x, y)[2, 5].mean(), rtol=ROUNDING)
    assert_allclose(ssim(x, y, weights=np.full((6, 8), 0.3)), ssim(x, y), rtol=ROUNDING)


def test_where_no_position_counts_nothing_differs(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 16, 18, 3))
    assert ssim(x, y, weights=np.zeros((6, 8))) == 1
    assert_array_equal(ssim_gradient(x, y, weights=np.zeros((6, 8))), 0)


def test_the_window_is_wangs() -> None:
    impulse = np.zeros((21, 21, 1))
    impulse[10, 10] = 1
    window = windowed_mean(impulse)[..., 0]
    y, x = np.mgrid[-5:6, -5:6]
    assert window.shape == (11, 11)
    assert_allclose(window.sum(), 1, rtol=ROUNDING)
    assert_allclose(window / window[5, 5], np.exp(-(x**2 + y**2) / 4.5), rtol=ROUNDING)


def test_an_image_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(np.zeros((10, 30, 3)), np.zeros((10, 30, 3)))


@pytest.mark.parametrize("shape", [(11, 11, 3), (2, 14, 23, 3), (64, 64, 3)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_equals_autograd(shape: tuple[int, ...], weighted: bool, rng: np.random.Generator) -> None:
    x, y = rng.random((2, *shape))
    H, W = shape[-3:-1]
    weights = rng.random((*shape[:-3], H - 10, W - 10)) if weighted else np.ones((*shape[:-3], H - 10, W - 10))
    channels_first = [torch.tensor(a.reshape(-1, *shape[-3:])).movedim(-1, 1) for a in (x, y)]
    channels_first[0].requires_grad_()
    u = torch.tensor(weights.reshape(-1, H - 10, W - 10))
    local = torch_ssim_map(*channels_first).mean(dim=1)
    ((u * local).sum(dim=(1, 2)) / u.sum(dim=(1, 2))).sum().backward()
    expected = channels_first[0].grad.movedim(1, -1).numpy().reshape(shape)
    # gradients are about 1 / pixels; 1e-10 of the greatest one leaves room for 1e-16 / c2 and no more
    assert_allclose(
        ssim_gradient(x, y, weights=weights if weighted else None),
        expected,
        rtol=0,
        atol=1e-10 * np.abs(expected).max(),
    )


def test_gradient_equals_finite_differences(rng: np.random.Generator) -> None:
    x, y = face(rng)
    x, y = x[20:36, 20:40], y[20:36, 20:40]
    weights = rng.random((6, 10))
    gradient = ssim_gradient(x, y, weights=weights)
    h = 1e-5
    for _ in range(5):
        direction = rng.normal(size=x.shape)
        ahead = ssim(x + h * direction, y, weights=weights)
        behind = ssim(x - h * direction, y, weights=weights)
        # central differences err by h^2 times the third derivative, and by 1e-16 / h
        slope = (ahead - behind) / (2 * h)
        assert_allclose((gradient * direction).sum(), slope, atol=1e-5 * np.linalg.norm(gradient))
