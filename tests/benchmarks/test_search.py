"""That what is compared of a search does the same; and what an iteration computes."""

from __future__ import annotations

import pytest
import torch

from faceinpaint_fast.benchmarks.search import comparisons, flops_of_an_iteration
from faceinpaint_fast.models import Model

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["iteration-1-fp32", "iteration-1-bf16", "batch-invariance"])
def test_what_is_compared_does_the_same(name):
    comparison = comparisons(CPU)[name]()
    comparison.check()
    comparison.ours()
    comparison.theirs()


def test_flops_are_counted_from_the_layers(generator, discriminator):
    """By hand, of networks of width 4: kernels of 4x4, each weight at every pixel of a layer's smaller side."""
    channels, pixels = [32, 16, 8, 4, 3], [16, 64, 256, 1024]
    between = sum(16 * a * b * n for a, b, n in zip(channels, channels[1:], pixels, strict=False))
    first_of_g, last_of_d = 100 * 16 * 32, 16 * 32
    expected = 4 * (2 * between + first_of_g + last_of_d)
    assert flops_of_an_iteration(Model(generator, discriminator, None, None)) == expected
