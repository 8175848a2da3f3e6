"""Weighted L1 and SSIM against the reference, scikit-image and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch.autograd import gradcheck
from torch.testing import assert_close

from faceinpaint_fast import InputError, reference, ssim, weighted_l1

# the contract's: sums of 10^4 terms in float32; float64 differs by the order of its sums alone
RTOL = {torch.float32: 1e-5, torch.float64: 1e-12}
SHAPES = [(1, 1, 11, 11), (2, 3, 64, 64), (3, 3, 19, 40), (1, 4, 33, 12)]


def images(shape, rng, dtype=torch.float64):
    """Two batches that resemble each other, so that SSIM is far from 0, and weights of one image or of all."""
    x = rng.random(shape)
    y = np.clip(x + 0.3 * rng.standard_normal(shape), 0, 1)
    w = 1 + 2 * rng.random((shape[0], *shape[2:]))
    return (torch.from_numpy(array).to(dtype) for array in (x, y, w))


def last(tensor):
    return tensor.double().movedim(-3, -1).numpy()


@pytest.mark.parametrize("dtype", RTOL, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_weighted_l1_is_the_reference_s(shape, dtype, rng):
    x, y, w = images(shape, rng, dtype)
    expected = torch.from_numpy(np.asarray(reference.weighted_l1(last(x), last(y), w.double().numpy())))
    assert_close(weighted_l1(x, y, w).double(), expected, rtol=RTOL[dtype], atol=0)


@pytest.mark.parametrize("dtype", RTOL, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ssim_is_the_reference_s(shape, dtype, rng):
    x, y, _ = images(shape, rng, dtype)
    expected = torch.from_numpy(np.asarray(reference.ssim(last(x), last(y))))
    # variances are differences of two squares: in float32 a few ulp of 1 are lost before the division
    assert_close(ssim(x, y).double(), expected, rtol=RTOL[dtype], atol={torch.float32: 1e-5}.get(dtype, 0))


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_ssim_is_scikit_image_s(data_range, rng):
    x, y, _ = images((2, 3, 40, 52), rng)
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


def test_gradients_are_the_reference_s(rng):
    x, y, w = images((2, 3, 20, 23), rng)
    x.requires_grad_()
    (found,) = torch.autograd.grad(ssim(x, y).sum(), x)
    expected = torch.from_numpy(reference.ssim_gradient(last(x.detach()), last(y))).movedim(-1, -3)
    assert_close(found, expected, rtol=1e-10, atol=1e-14)
    (found,) = torch.autograd.grad(weighted_l1(x, y, w).sum(), x)
    expected = torch.from_numpy(reference.weighted_l1_gradient(last(x.detach()), last(y), w.numpy()))
    assert_close(found, expected.movedim(-1, -3), rtol=1e-12, atol=0)


def test_gradcheck(rng):
    x, y, w = images((2, 2, 12, 13), rng)
    x.requires_grad_()
    y.requires_grad_()
    assert gradcheck(ssim, (x, y))
    assert gradcheck(lambda x, y: weighted_l1(x, y, w), (x, y))


def test_gradient_of_weighted_l1_is_0_where_images_agree():
    x = torch.full((1, 3, 2, 2), 0.5, requires_grad=True)
    weighted_l1(x, x.detach(), torch.ones(2, 2)).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


def test_weights_of_any_shape_that_fits(rng):
    x, y, w = images((2, 3, 12, 15), rng)
    expected = weighted_l1(x, y, w)
    assert_close(weighted_l1(x, y, w[:, None]), expected)
    assert_close(weighted_l1(x, y, w[:, None].expand_as(x)), expected)
    assert_close(weighted_l1(x, y, w[0])[0], expected[0])
    by_channel = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).view(1, 3, 1, 1) * w[:, None]
    assert_close(weighted_l1(x, y, by_channel), weighted_l1(x[:, :1], y[:, :1], w))


def test_without_a_batch_axis(rng):
    x, y, w = images((2, 3, 16, 16), rng)
    assert weighted_l1(x[1], y[1], w[1]).shape == ()
    assert_close(weighted_l1(x[1], y[1], w[1]), weighted_l1(x, y, w)[1])
    assert ssim(x[1], y[1]).shape == ()
    assert_close(ssim(x[1], y[1]), ssim(x, y)[1])


def test_ssim_of_an_image_with_itself_is_1(rng):
    x, _, _ = images((1, 3, 30, 30), rng, torch.float32)
    assert_close(ssim(x, x), torch.ones(1), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17)),
        (torch.zeros(16, 16), torch.zeros(16, 16)),
        (torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16, dtype=torch.float64)),
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.zeros(1, 3, 16, 16, dtype=torch.uint8)),
    ],
    ids=["sizes", "rank", "dtypes", "integers"],
)
def test_pairs_that_do_not_fit(x, y):
    with pytest.raises(InputError, match="x, y: expected"):
        ssim(x, y)
    with pytest.raises(InputError, match="x, y: expected"):
        weighted_l1(x, y, torch.ones(x.shape[-2:]))


def test_other_bad_arguments():
    x = torch.zeros(2, 3, 16, 10)
    with pytest.raises(InputError, match="at least 11"):
        ssim(x, x)
    with pytest.raises(InputError, match="data_range: expected > 0"):
        ssim(torch.zeros(1, 3, 11, 11), torch.zeros(1, 3, 11, 11), data_range=0)
    with pytest.raises(InputError, match="w: expected"):
        weighted_l1(x, x, torch.ones(3, 16, 10))
