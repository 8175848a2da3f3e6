"""SSIM against the reference and scikit-image, with any window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch.testing import assert_close

from faceinpaint_fast import InputError, reference
from faceinpaint_fast.ops import ssim
from faceinpaint_fast.ops.ssim import ssim_map
from faceinpaint_fast.ops.window import Window

# the contract's: sums of 10^4 terms in float32; float64 differs by the order of its sums alone
RTOL = {torch.float32: 1e-5, torch.float64: 1e-12}
SHAPES = [(1, 1, 11, 11), (2, 3, 64, 64), (3, 3, 19, 40), (1, 4, 33, 12)]


@pytest.mark.parametrize("dtype", RTOL, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ssim_is_the_reference_s(last, images, shape, dtype):
    x, y, _ = images(shape, dtype)
    expected = torch.from_numpy(np.asarray(reference.ssim(last(x), last(y))))
    # variances are differences of two squares: in float32 a few ulp of 1 are lost before the division
    assert_close(ssim(x, y).double(), expected, rtol=RTOL[dtype], atol={torch.float32: 1e-5}.get(dtype, 0))


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_ssim_is_scikit_image_s(last, images, data_range):
    x, y, _ = images((2, 3, 40, 52))
    expected = [
        structural_similarity(
            a * data_range,
            b * data_range,
            data_range=data_range,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(last(x), last(y), strict=True)
    ]
    found = ssim(x * data_range, y * data_range, data_range=data_range)
    assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_ssim_of_an_image_with_itself_is_1(images):
    x, _, _ = images((1, 3, 30, 30), torch.float32)
    assert_close(ssim(x, x), torch.ones(1), rtol=1e-6, atol=0)


WINDOWS = {
    "3 pixels": Window(size=3, sigma=0.7),
    "31 pixels": Window(size=31, sigma=4.0),
    "same": Window(padding="same"),
    "5 pixels, same": Window(size=5, sigma=1.0, padding="same"),
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_ssim_with_any_window(images, window):
    x, y, _ = images((2, 3, 33, 40))
    x.requires_grad_()
    y.requires_grad_()
    found = ssim(x, y, data_range=2.0, window_size=window.size, sigma=window.sigma, padding=window.padding)
    exact = ssim_map(x, y, data_range=2.0, window=window).mean(dim=(1, 2, 3))
    assert_close(found, exact, rtol=1e-12, atol=0)
    weights = torch.tensor([0.3, -2.0], dtype=torch.float64)
    for one, other in zip(*(torch.autograd.grad(value @ weights, (x, y)) for value in (found, exact)), strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-14)


def test_windows_that_reach_beyond_the_border_see_zeros_there(images):
    x, y, _ = images((1, 2, 20, 17))
    padded = (torch.nn.functional.pad(t, (5, 5, 5, 5)) for t in (x, y))
    assert_close(ssim(x, y, padding="same"), ssim(*padded), rtol=1e-12, atol=0)


def test_bad_arguments_of_ssim():
    x = torch.zeros(2, 3, 16, 10)
    with pytest.raises(InputError, match="at least 11"):
        ssim(x, x)
    with pytest.raises(InputError, match="data_range: expected a finite number > 0"):
        ssim(torch.zeros(1, 3, 11, 11), torch.zeros(1, 3, 11, 11), data_range=0)
    with pytest.raises(InputError, match="window_size: expected an odd integer from 3 to 31, got 4"):
        ssim(x, x, window_size=4)


@pytest.mark.parametrize("data_range", [1e-30, 1e-9, 1e10, 1e30])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_data_range_may_be_small_or_large(data_range, reduction):
    """The kernels' float32 holds the fourth power of none of these."""
    x, y = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    found = ssim(x * data_range, y * data_range, data_range=data_range, reduction=reduction)
    torch.testing.assert_close(found, ssim(x, y, reduction=reduction), rtol=0, atol=1e-5)


@pytest.mark.parametrize("data_range", [1e-39, 1e39, 1e200])
def test_a_data_range_that_float32_does_not_hold(data_range):
    with pytest.raises(InputError, match=r"^data_range: expected a number that float32 holds, got"):
        ssim(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), data_range=data_range)


@pytest.mark.parametrize("sigma", [1e-300, 1e300])
def test_a_window_may_be_one_pixel_or_flat(sigma):
    x, y = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    assert ssim(x, y, sigma=sigma).isfinite().all()
