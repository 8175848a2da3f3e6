"""The pair of SSIM and L1, as the search takes it, against the definitions."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast.ops.ssim import ssim_map
from faceinpaint_fast.ops.ssim_l1 import Target, ssim_l1
from faceinpaint_fast.ops.weighted_l1 import weighted_l1_reference
from faceinpaint_fast.ops.window import Window

# the contract's: sums of 10^4 terms in float32; float64 differs by the order of its sums alone
RTOL = {torch.float32: 1e-5, torch.float64: 1e-12}
SHAPES = [(1, 1, 11, 11), (2, 3, 64, 64), (3, 3, 19, 40), (1, 4, 33, 12)]


@pytest.mark.parametrize("dtype", RTOL, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_pair_is_ssim_and_l1_and_their_gradient(images, rng, shape, dtype):
    x, y, w = images(shape)
    share = torch.from_numpy(rng.random((shape[0], shape[2] - 10, shape[3] - 10)))
    a, b = (torch.from_numpy(rng.standard_normal(shape[0])) for _ in range(2))
    # as the target wants them: all windows of an image's channels together count 1
    share /= shape[1] * share.sum(dim=(1, 2), keepdim=True)
    target = Target.of(*(t.to(dtype) for t in (y, w, share)))
    found = ssim_l1(x.to(dtype), target, a.to(dtype), b.to(dtype))

    x.requires_grad_()
    u, v = w[:, None] * x, w[:, None] * y
    similarity = (share[:, None] * ssim_map(u, v)).sum(dim=(1, 2, 3))
    l1 = weighted_l1_reference(x, y, w[:, None])
    (gradient,) = torch.autograd.grad((a * similarity + b * l1).sum(), x)
    # of the largest: sums of both signs have no relative error of their own
    rtol = {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    for one, other in zip(found, (similarity, l1, gradient), strict=True):
        assert one.dtype == dtype
        assert_close(one.double(), other, rtol=0, atol=rtol * float(other.detach().abs().max()))


def test_the_pair_with_another_window_and_data_range(images):
    x, y, w = images((2, 3, 20, 23))
    window, one = Window(size=5, sigma=1.0, padding="same"), torch.ones(2, dtype=torch.float64)
    share = torch.full((1, 20, 23), 1 / (3 * 20 * 23), dtype=torch.float64)
    similarity, _, _ = ssim_l1(x, Target.of(y, w, share, window=window, data_range=2.0), one, one)
    expected = ssim_map(w[:, None] * x, w[:, None] * y, data_range=2.0, window=window).mean(dim=(1, 2, 3))
    assert_close(similarity, expected, rtol=1e-12, atol=0)


def test_the_pair_without_its_gradient(images):
    x, y, w = images((2, 3, 20, 23), torch.float32)
    target = Target.of(y, w, torch.ones(1, 10, 13))
    a = torch.ones(2)
    similarity, l1, gradient = ssim_l1(x, target, a, a, with_gradient=False)
    assert gradient.numel() == 0
    for one, other in zip((similarity, l1), ssim_l1(x, target, a, a), strict=False):
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", RTOL, ids=str)
def test_a_window_without_a_share_may_divide_by_0(dtype):
    """As one that lies beyond the last may: it has no say in SSIM nor in the gradient."""
    y = torch.zeros(1, 1, 11, 12, dtype=dtype)
    share = torch.tensor([[[0.0, 1.0]]], dtype=dtype)
    target = Target.of(y, torch.ones_like(y[:, 0]), share)
    # 2 variance + c2 is what it divides by where nothing differs
    target.variance[..., 0] = -target.c2 / 2
    one = torch.ones(1, dtype=dtype)
    similarity, l1, gradient = ssim_l1(y.clone(), target, one, one)
    assert (similarity.item(), l1.item()) == (1, 0)
    assert not gradient.any()
