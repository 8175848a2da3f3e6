"""What a blend will make of generated content: the known pixels, and an offset that is the blend's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import masks, poisson_blend
from faceinpaint_fast.training.offset import met, spread


def problem(faces, mask):
    """Images and T, another face in colours of its own, (4, 3, 64, 64) in [0, 1], and what is known, (4, 64, 64)."""
    images = torch.from_numpy(faces / 255).float().permute(0, 3, 1, 2)
    generated = 0.7 * images[4:8] + 0.2
    hole = torch.from_numpy(np.stack([masks.draw(mask, (64, 64), seed) for seed in range(4)]))
    return images[:4], generated, 1 - hole.float()


@pytest.mark.parametrize("mask", ["centre", "left", "top", "free-form", "drop-80"])
def test_it_is_nearly_the_blend(faces, mask):
    images, generated, known = problem(faces, mask)
    found = met(generated, images, known)
    there = known.bool()[:, None].expand_as(images)
    assert torch.equal(found[there], images[there])
    exact = poisson_blend(images.double(), generated.double(), ~known.bool().numpy()).float()
    away, before = ((each - exact)[~there].square().mean().sqrt() for each in (found, generated))
    assert away < 0.6 * before, (away, before)


def test_a_colour_cast_is_taken_away(faces):
    images, _, known = problem(faces, "left")
    cast = torch.tensor([0.1, -0.05, 0.2])[:, None, None]
    assert_close(met(images + cast, images, known), images, rtol=0, atol=1e-6)


def test_only_known_pixels_beside_the_hole_say_what_is_added(faces):
    images, generated, known = problem(faces, "left")
    other = images.clone()
    # columns 0 to 31 are missing, column 32 lies beside them
    other[..., 33:] = 0
    assert torch.equal(met(generated, other, known)[..., :32], met(generated, images, known)[..., :32])
    other[..., 32] = 0
    assert not torch.equal(met(generated, other, known)[..., :32], met(generated, images, known)[..., :32])


def test_where_nothing_is_known_there_is_nothing_to_add(faces):
    images, generated, known = problem(faces, "left")
    assert torch.equal(met(generated, images, torch.zeros_like(known)), generated)


def test_what_is_spread_stays_within_its_range(rng):
    values = torch.from_numpy(rng.random((2, 3, 16, 16)))
    weights = torch.from_numpy((rng.random((2, 1, 16, 16)) < 0.1).astype(float))
    found = spread(values * weights, weights)
    least, most = (each.flatten(2)[..., None] for each in (values + 10 * (1 - weights), values - 10 * (1 - weights)))
    assert (found >= least.amin(dim=2, keepdim=True) - 1e-12).all()
    assert (found <= most.amax(dim=2, keepdim=True) + 1e-12).all()
    there = weights.bool().expand_as(values)
    assert torch.equal(found[there], values[there])
