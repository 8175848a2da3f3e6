"""Which form a search takes on a CPU."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.descent import Descent
from faceinpaint_fast.search.loop import AdamLoop, Loop
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import Adam, optimiser
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem

CPU = torch.device("cpu")
CONFIG = InpaintConfig(stages=[(2, 4, 0.1)])


@pytest.fixture
def networks(generator, discriminator, encoder):
    return Networks.of(*(frozen(each, CPU) for each in (generator, discriminator, encoder)), CONFIG, CPU)


@pytest.fixture
def asked(networks):
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    problem = Problem.of(images, torch.rand(3, 64, 64) < 0.5, networks, CONFIG)
    u = networks.cuts[1].into(networks.cuts[0].into(problem.guess))
    return Objective(problem, networks.discriminator, CONFIG), Prior.at(u, CONFIG), u[None]


def test_adam_goes_in_one_pass_and_bfgs_by_torch_s_ops(networks, asked):
    adam = Descent(networks.beyond(2), Adam.of(4, 0.1, "cosine"), 4, CONFIG, CPU)
    assert type(adam.loop(*asked)) is AdamLoop
    config = InpaintConfig.over_z()
    assert type(Descent(networks, optimiser(config), 4, config, CPU).loop(*asked)) is Loop


def test_it_goes_down_for_as_many_iterations_as_it_was_made_for(networks, asked):
    descent = Descent(networks.beyond(2), Adam.of(4, 0.1, "cosine"), 4, CONFIG, CPU)
    shares = []
    u, losses, attempts = descent.loop(*asked).iterate(shares.append)
    assert u.shape == asked[2][0].shape
    assert losses.shape == (4, 3)
    assert (losses[-1] < losses[0]).all()
    assert not attempts.any()
    assert_close(torch.tensor(shares), torch.tensor([0.25, 0.5, 0.75, 1.0]))
