"""The search against the reference along its trajectory, and what one image may know of another: nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, ModelError, masks, reference
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.latent_search import TERMS, LatentSearch, least, without_loss
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem
from faceinpaint_fast.search.starts import codes

CPU = torch.device("cpu")

HOLES = np.stack([masks.draw(name, (64, 64), 1) for name in ("centre", "left", "drop-80", "free-form", "drop-20")])
COUNT = len(HOLES)
SEEDS = list(range(COUNT))
CONFIGS = {
    "paper": InpaintConfig.paper(),
    "default": InpaintConfig.over_z(),
    "default with D": InpaintConfig.over_z(lambda_d=0.003),
    "without decay": InpaintConfig.over_z(optimiser="adam"),
}


@pytest.fixture
def images(generator):
    """Pictures of the generator's own, so that there is something to find."""
    with torch.no_grad():
        z = torch.randn(COUNT, generator.latent_size, generator=torch.Generator().manual_seed(100))
        return (generator(z) + 1) / 2


def search_of(generator, discriminator, config):
    return LatentSearch(Networks.of(frozen(generator, CPU), frozen(discriminator, CPU), None, config, CPU), config, CPU)


def problem_of(images, holes, search):
    return Problem.of(images, torch.from_numpy(holes), search.networks, search.config)


def found_by(generator, discriminator, images, holes, seeds, config, **options):
    search = search_of(generator, discriminator, config)
    return search(problem_of(images, holes, search), seeds, **options)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_ten_iterations_are_the_reference_s(config, generator, discriminator, images):
    """The contract: z within 1e-4 after 10 iterations in float32, of a reference in float64.

    Of most images, hence the median: where a number passes through a kink of ReLU, or a component of the gradient
    through 0, two correct float32 programs part ways (torch's own eager float32 does on some of these).
    """
    config = dataclasses.replace(config, iterations=10)
    found = found_by(generator, discriminator, images, HOLES, SEEDS, config)
    exact = reference.search(generator.double(), discriminator.double(), images.double(), HOLES, config, seed=SEEDS)
    assert (exact.z.float() - codes(SEEDS, 1, 100, 1)[0]).abs().amax(dim=1).min() > 0.05
    apart = (found.z.double() - exact.z).abs().amax(dim=1)
    assert apart.median() < 1e-4
    assert apart.max() < 0.05


def test_a_thousand_iterations_reach_the_reference_s_loss(generator, discriminator, images):
    """The contract: the mean loss within 2 %; trajectories are chaotic, so z itself is not compared."""
    config = dataclasses.replace(InpaintConfig.paper(), normalization="masked")
    search = search_of(generator, discriminator, config)
    problem = problem_of(images[:2], HOLES[:2], search)
    objective, prior = Objective(problem, search.networks.discriminator, config), Prior.of(problem, config)
    _, losses, _ = search.over_z.loop(objective, prior, codes([5, 6], 1, 100, ATTEMPTS)).iterate(lambda _: None)
    assert losses.shape == (1000, 2)
    exact = reference.search(generator, discriminator, images[:2], HOLES[:2], config, seed=[5, 6])
    assert_close(losses[0], exact.losses["total"][0], rtol=1e-5, atol=0)
    assert_close(losses[-1].mean(), exact.losses["total"][-1].mean(), rtol=0.02, atol=0)


def test_the_step_size_decays_along_a_half_cosine(discriminator):
    """Adam's first steps are of the step size exactly: a constant gradient shows the schedule."""
    target = torch.full((1, 3, 64, 64), 1.0)
    config = InpaintConfig.over_z(
        optimiser="adam", schedule="cosine", iterations=8, learning_rate=0.5, lambda_s=0.0, lambda_z=0.0
    )

    where = []

    class Watched(nn.Module):
        latent_size = 2

        def forward(self, z):
            where.append(z[0, 0].item())
            return z[:, :1, None, None].expand(-1, 3, 64, 64) * 1e-3

    found = found_by(Watched(), discriminator, target, HOLES[:1], [0], config)
    # the first call asks for the size, the last is a final look
    moved = np.diff([*where[1:-1], found.z[0, 0].item()])
    expected = 0.25 * (1 + np.cos(np.pi * np.arange(8) / 8))
    np.testing.assert_allclose(moved, expected, rtol=1e-3)


class Brittle(nn.Module):
    """A generator that fails for codes beyond `limit` in their first number."""

    def __init__(self, inner, limit):
        super().__init__()
        self.inner, self.limit, self.latent_size = inner, limit, inner.latent_size

    def forward(self, z):
        return self.inner(z).where((z[:, 0] < self.limit)[:, None, None, None], float("nan"))


def test_a_start_that_ends_in_nan_begins_again_alone(generator, discriminator, images):
    config = InpaintConfig.over_z(iterations=3, learning_rate=0.01)
    seeds = [5, 6, 7]
    firsts = codes(seeds, 1, 100, 2)[:, :, 0].T.tolist()
    worst = int(np.argmax([first[0] for first in firsts]))
    limit = firsts[worst][0] - 0.02
    assert all(first[0] < limit - 0.1 for i, first in enumerate(firsts) if i != worst)
    assert firsts[worst][1] < limit - 0.1
    asked = discriminator, images[:3], HOLES[:3], seeds, config
    well = found_by(Brittle(generator, float("inf")), *asked).z
    found = found_by(Brittle(generator, limit), *asked).z
    assert found.isfinite().all()
    others = [i for i in range(3) if i != worst]
    assert torch.equal(found[others], well[others])
    # one of the three iterations went on the start that failed
    assert (found[worst] - codes(seeds, 1, 100, 2)[1, worst]).abs().max() < 0.05


def test_an_image_that_cannot_be_searched_is_named(generator, discriminator, images):
    config = InpaintConfig.over_z(iterations=10)

    class Broken(nn.Module):
        latent_size = generator.latent_size

        def forward(self, z):
            x = generator(z)
            return torch.cat([x[:1], x[1:2] * float("inf"), x[2:]])

    for first, named in ((0, 1), (7, 8)):
        with pytest.raises(ModelError, match=rf"images\[{named}\]: expected a finite loss"):
            found_by(Broken(), discriminator, images, HOLES, SEEDS, config, first=first)


def test_progress_is_told(generator, discriminator, images):
    config = InpaintConfig.over_z(iterations=4)
    shares = []
    found_by(generator, discriminator, images, HOLES, SEEDS, config, progress=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_what_is_found_is_the_best_of_the_restarts(generator, discriminator, images):
    """And says of itself what it is: G of the code, its losses, and Eq. 8 as their sum."""
    config = InpaintConfig.over_z(iterations=3, restarts=4, lambda_d=0.003)
    search = search_of(generator, discriminator, config)
    found = search(problem_of(images, HOLES, search), SEEDS)
    assert_close(found.generated, (search.networks.generator(found.z)[0] + 1) / 2)
    lambdas = torch.tensor([config.lambda_d, config.lambda_c, config.lambda_s, config.lambda_z])
    assert TERMS == ("discriminator", "context", "structural", "prior", "total")
    assert_close(found.losses[:, -1], found.losses[:, :-1] @ lambdas)
    rows = problem_of(images, HOLES, search).repeated(4)
    objective, prior = Objective(rows, search.networks.discriminator, config), Prior.of(rows, config)
    z, _, _ = search.over_z.loop(objective, prior, codes(SEEDS, 4, 100, ATTEMPTS)).iterate(lambda _: None)
    totals = objective.total(objective.terms(search.networks.generator(z)[0])) + prior.weighted(z)
    assert torch.equal(found.losses[:, -1], totals.view(COUNT, 4).amin(dim=1))
    assert torch.equal(found.z, z.view(COUNT, 4, 100)[torch.arange(COUNT), totals.view(COUNT, 4).argmin(dim=1)])


def test_the_row_with_the_least_loss():
    totals = torch.tensor([3.0, torch.nan, 2.0, torch.inf, 5.0, 4.0])
    assert least(totals, 3, without_loss).tolist() == [2, 5]
    assert least(totals, 2, without_loss).tolist() == [0, 2, 5]
    with pytest.raises(ModelError, match=r"images\[1\]: expected a finite loss, got NaN or Inf"):
        least(torch.tensor([1.0, 2.0, torch.nan, torch.inf]), 2, without_loss)
