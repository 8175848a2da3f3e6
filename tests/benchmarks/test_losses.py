"""That what is compared of SSIM and L1 does the same, and that a gradient without one of its parts is noticed."""

from __future__ import annotations

import pytest
import torch

from faceinpaint_fast.benchmarks.losses import (
    assert_same_gradient,
    bandwidth,
    comparisons,
    eager_gradient,
    images,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["pair-1", "ops-1"])
def test_what_is_compared_does_the_same(name):
    comparison = comparisons(CPU, (3, 64, 64))[name]()
    comparison.check()
    comparison.ours()
    comparison.theirs()


def test_a_pair_moves_its_images_and_what_is_known_of_the_target():
    """Four bytes a number: x, the gradient and y; means and variances, which lack a window's border."""
    found = bandwidth(CPU, (1, 3, 20, 30), 0.6)
    found.ours()
    found.theirs()
    moved, copied = found.work
    assert copied == 2 * 4 * 3 * 20 * 30
    assert moved == copied + 4 * (3 * 20 * 30 + 2 * 3 * 10 * 20)


@pytest.mark.parametrize("lost", ["SSIM", "L1"])
def test_a_gradient_without_one_of_its_parts_is_noticed(lost):
    x, y = images(CPU, (1, 3, 64, 64))
    whole = eager_gradient(x, y, with_l1=True)()
    of_ssim = eager_gradient(x, y, with_l1=False)()
    assert_same_gradient(whole, of_ssim + (x - y).sign(), x, y)
    with pytest.raises(AssertionError):
        assert_same_gradient(of_ssim if lost == "L1" else (x - y).sign(), whole, x, y)
