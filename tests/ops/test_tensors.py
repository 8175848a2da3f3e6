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
    ],
    ids=["sizes", "rank", "integers"],
)
def test_pairs_that_do_not_fit(x, y):
    with pytest.raises(InputError, match="x, y: expected"):
        ssim(x, y)
    with pytest.raises(InputError, match="x, y: expected"):
        weighted_l1(x, y, torch.ones(x.shape[-2:]))


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
