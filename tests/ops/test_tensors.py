"""What the operations ask of their tensors, and in what they sum."""

from __future__ import annotations

import pytest
import torch

from faceinpaint_fast import InputError
from faceinpaint_fast.ops import ssim, weighted_l1
from faceinpaint_fast.ops.tensors import accumulator


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17)),
        (torch.zeros(16, 16), torch.zeros(16, 16)),
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.zeros(1, 3, 16, 16, dtype=torch.uint8)),
        (torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16).to_sparse()),
    ],
    ids=["sizes", "rank", "integers", "sparse"],
)
def test_pairs_that_do_not_fit(x, y):
    with pytest.raises(InputError, match="x, y: expected"):
        ssim(x, y)
    with pytest.raises(InputError, match="x, y: expected"):
        weighted_l1(x, y, torch.ones(x.shape[-2:]))


@pytest.mark.parametrize("loss", [ssim, lambda x, y: weighted_l1(x, y, x[0, 0])], ids=["ssim", "weighted_l1"])
def test_a_view_that_torch_has_yet_to_negate_is_read(loss):
    """As the imaginary part of a conjugate is."""
    x, y = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    assert torch.equal(loss(torch._neg_view(-x), y), loss(x, y))


@pytest.mark.parametrize("loss", [ssim, lambda x, y: weighted_l1(x, y, y[0, 0])], ids=["ssim", "weighted_l1"])
def test_many_gradients_at_once(loss):
    x, y, many = torch.rand(2, 3, 16, 16, requires_grad=True), torch.rand(2, 3, 16, 16), torch.eye(2)
    value = loss(x, y)

    def of(gradient):
        return torch.autograd.grad(value, x, gradient, retain_graph=True)[0]

    expected = torch.stack([of(gradient) for gradient in many])
    together = torch.autograd.grad(value, x, many, is_grads_batched=True, retain_graph=True)[0]
    torch.testing.assert_close(together, expected)
    torch.testing.assert_close(torch.vmap(of)(many), expected)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (torch.bfloat16, torch.bfloat16, torch.float32),
        (torch.float16, torch.bfloat16, torch.float32),
        (torch.float32, torch.float16, torch.float32),
        (torch.bfloat16, torch.float64, torch.float64),
    ],
    ids=str,
)
def test_half_precision_is_summed_in_single(x, y, expected):
    assert accumulator(torch.zeros(1, dtype=x), torch.zeros(1, dtype=y)) == expected
