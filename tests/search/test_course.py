"""The course of a search: its parts, and that they do together what the descents do one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceinpaint_fast import InpaintConfig, masks
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.course import Course
from faceinpaint_fast.search.descent import Descent
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.optimisers import ATTEMPTS, optimiser, optimiser_of
from faceinpaint_fast.search.problem import Problem

CPU = torch.device("cpu")
HOLES = np.stack([masks.draw(name, (64, 64), 1) for name in ("centre", "left")])
CONFIG = InpaintConfig(iterations=7, stages=[(1, 4, 0.1), (3, 2, 0.1)])


@pytest.fixture
def course(generator, discriminator, encoder):
    """Of a search over z and two behind layers of G."""
    networks = Networks.of(*(frozen(each, CPU) for each in (generator, discriminator, encoder)), CONFIG, CPU)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    problem = Problem.of(images, torch.from_numpy(HOLES), networks, CONFIG)
    descents = [(0, Descent(networks, optimiser(CONFIG), 7, CONFIG, CPU))]
    for stage in CONFIG.stages:
        rule = optimiser_of(stage, CONFIG)
        descents.append((stage.layer, Descent(networks.beyond(stage.layer), rule, stage.steps, CONFIG, CPU)))
    starts = torch.randn(ATTEMPTS, 2, 100, generator=torch.Generator().manual_seed(2))
    starts[0] = problem.guess
    return Course(networks, CONFIG, descents, problem, starts)


@pytest.mark.parametrize(
    ("at_once", "expected"), [(1, [(7, 1), (4, 1), (2, 1)]), (3, [(2, 3), (1, 1), (1, 3), (1, 1), (1, 2)])]
)
def test_every_iteration_is_in_a_part(at_once, expected, course):
    iterating = []
    for part in course.parts(at_once):
        for _ in range(part.times):
            part.do()
        if part.iterations:
            iterating.append((part.times, part.iterations))
    assert iterating == expected


def test_however_many_iterations_at_once_the_bits_are_the_same(course):
    told = []
    course.done(told.append)
    assert told == list(range(1, 14))
    kept = [each.clone() for each in (course.z, course.u, course.x, course.losses)]
    # the same course again, as a graph is replayed
    for part in course.parts(3):
        for _ in range(part.times):
            part.do()
    for found, before in zip((course.z, course.u, course.x, course.losses), kept, strict=True):
        assert torch.equal(found, before)


def test_it_goes_down_from_descent_to_descent(course):
    """Eq. 8 without its prior, which is another one behind each layer."""
    course.done(lambda _: None)
    networks, objective = course._networks, course.objective
    begun, _ = networks.generator(course.starts[0])
    ended, _ = networks.generator(course.z)
    totals = [objective.total(objective.terms(x)) for x in (begun, ended, course.x)]
    # a generator that has learnt nothing hardly follows its codes
    assert not torch.equal(totals[0], totals[1])
    assert (totals[2] < 0.99 * totals[1]).all()
    assert not course.failed.any()
