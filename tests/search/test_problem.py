"""What is asked of a search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, masks, reference
from faceinpaint_fast.networks.protocols import frozen, visible
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.problem import Problem, mean_of_both

CPU = torch.device("cpu")
HOLES = np.stack([masks.draw(name, (64, 64), 1) for name in ("centre", "drop-80")])


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def networks(generator, discriminator, encoder):
    return Networks.of(*(frozen(network, CPU) for network in (generator, discriminator, encoder)), InpaintConfig(), CPU)


def test_it_is_of_the_known_pixels_and_eq_7(images, networks):
    config = InpaintConfig(k=5, alpha=3.0)
    problem = Problem.of(images, torch.from_numpy(HOLES), networks, config)
    assert torch.equal(problem.known, torch.from_numpy(~HOLES).float())
    assert torch.equal(problem.images, images * problem.known[:, None])
    expected = reference.weight_map(HOLES, k=5, alpha=3.0).astype(np.float32)
    assert_close(problem.weights, torch.from_numpy(expected), rtol=1e-7, atol=0)
    assert torch.equal(problem.guess, networks.encoder(visible(problem.images, problem.known))[0])


@pytest.mark.parametrize("content", [0.0, 1.0, float("nan"), float("inf")])
def test_what_the_hole_contains_does_not_matter(content, images, networks):
    holes = torch.from_numpy(HOLES)
    expected = Problem.of(images, holes, networks, InpaintConfig())
    found = Problem.of(images.where(~holes[:, None], content), holes, networks, InpaintConfig())
    for name in ("images", "known", "weights", "guess"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


def test_repeated_are_the_rows_of_each_image(images, networks):
    problem = Problem.of(images, torch.from_numpy(HOLES), networks, InpaintConfig())
    rows = problem.repeated(3)
    for name in ("images", "known", "weights", "guess"):
        assert torch.equal(getattr(rows, name), getattr(problem, name)[[0, 0, 0, 1, 1, 1]]), name
    assert Problem(problem.images, problem.known, problem.weights).repeated(2).guess is None


def test_with_flips_the_mirrored_images_are_asked_about_too(images, networks):
    holes = torch.from_numpy(HOLES)
    both = Problem.of(images, holes, networks, InpaintConfig(flips=True))
    for part, (face, hole) in enumerate([(images, holes), (images.flip(-1), holes.flip(-1))]):
        alone = Problem.of(face, hole, networks, InpaintConfig())
        for name in ("images", "known", "weights", "guess"):
            assert_close(getattr(both, name)[2 * part : 2 * part + 2], getattr(alone, name), msg=name)


def test_the_mean_of_both_is_taken_the_right_way_round(images):
    assert_close(mean_of_both(torch.cat([images, images.flip(-1)])), images)
    assert_close(mean_of_both(torch.cat([images, torch.zeros_like(images)])), images / 2)
