"""Weighted L1 against the reference, with weights of any shape that fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InputError, reference
from faceinpaint_fast.ops import weighted_l1

# the contract's: sums of 10^4 terms in float32; float64 differs by the order of its sums alone
RTOL = {torch.float32: 1e-5, torch.float64: 1e-12}
SHAPES = [(1, 1, 11, 11), (2, 3, 64, 64), (3, 3, 19, 40), (1, 4, 33, 12)]


@pytest.mark.parametrize("dtype", RTOL, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_weighted_l1_is_the_reference_s(last, images, shape, dtype):
    x, y, w = images(shape, dtype)
    expected = torch.from_numpy(np.asarray(reference.weighted_l1(last(x), last(y), w.double().numpy())))
    assert_close(weighted_l1(x, y, w).double(), expected, rtol=RTOL[dtype], atol=0)


def test_gradient_of_weighted_l1_is_0_where_images_agree():
    x = torch.full((1, 3, 2, 2), 0.5, requires_grad=True)
    weighted_l1(x, x.detach(), torch.ones(2, 2)).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


def test_weights_of_any_shape_that_fits(images):
    x, y, w = images((2, 3, 12, 15))
    expected = weighted_l1(x, y, w)
    assert_close(weighted_l1(x, y, w[:, None]), expected)
    assert_close(weighted_l1(x, y, w[:, None].expand_as(x)), expected)
    assert_close(weighted_l1(x, y, w[0])[0], expected[0])
    by_channel = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).view(1, 3, 1, 1) * w[:, None]
    assert_close(weighted_l1(x, y, by_channel), weighted_l1(x[:, :1], y[:, :1], w))


def test_bad_weights():
    x = torch.zeros(2, 3, 16, 10)
    with pytest.raises(InputError, match="w: expected"):
        weighted_l1(x, x, torch.ones(3, 16, 10))
    with pytest.raises(InputError, match="w: expected weights without requires_grad"):
        weighted_l1(x, x, torch.ones(16, 10, requires_grad=True))
