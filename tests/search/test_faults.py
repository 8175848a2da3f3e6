"""NaN within a search: its image begins again, at most three times, then fails alone; no other knows of it."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from faceinpaint_fast import InpaintConfig, Inpainter, ModelError, masks
from faceinpaint_fast.folders.engine import Damaged, Engine, Restored
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.latent_search import LatentSearch
from faceinpaint_fast.search.loop import AdamLoop, Loop
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS
from faceinpaint_fast.search.problem import Problem

CPU = torch.device("cpu")
HOLES = np.stack([masks.draw(name, (64, 64), 1) for name in ("centre", "left", "drop-80", "free-form")])
SEEDS = [4, 5, 6, 7]
STEPS, ROW = 8, 2
CONFIGS = {
    "adam": InpaintConfig.over_z(optimiser="adam", iterations=STEPS, learning_rate=0.05),
    "bfgs": InpaintConfig.over_z(optimiser="bfgs", iterations=STEPS),
}
ALWAYS = range(10**6)


class Own(nn.Module):
    """A generator that is no DCGAN: it is asked as it is, with the weights that it has just then."""

    latent_size, weight = 10, 1.0

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(10, 3 * 64 * 64)

    def forward(self, z):
        return torch.tanh(self.linear(z) * Own.weight).view(-1, 3, 64, 64)


class Injected:
    """Makes NaN of what belongs to ROW, or of all that `Own` draws, at some of a search's steps."""

    def __init__(self, what, steps):
        self.what, self.steps = what, steps
        self.step, self.loop = 0, None

    @contextmanager
    def at_work(self):
        with pytest.MonkeyPatch.context() as patch:
            for kind in (Loop, AdamLoop):
                patch.setattr(kind, "advance", self._advancing(kind.advance))
            patch.setattr(Objective, "with_gradient", self._of_objective(Objective.with_gradient))
            patch.setattr(Objective, "terms", self._of_objective(Objective.terms))
            yield self

    @property
    def now(self):
        return self.step in self.steps

    def _advancing(self, advance):
        def advanced(loop):
            self.loop = loop
            if self.now and self.what == "z":
                loop.state.z[ROW] = torch.nan
            Own.weight = torch.nan if self.now and self.what == "generator" else 1.0
            advance(loop)
            self.step += 1

        return advanced

    def _of_objective(self, asked):
        def answered(objective, x):
            if not self.now or self.what not in ("loss", "weights"):
                return asked(objective, x)
            if self.what == "weights":
                before = objective.total_weight
                objective.total_weight = before.index_fill(0, torch.tensor([ROW]), torch.nan)
                found = asked(objective, x)
                objective.total_weight = before
                return found
            found = asked(objective, x)
            loss = found[0] if isinstance(found, tuple) else found
            loss[ROW] = torch.nan
            return found

        return answered


@pytest.fixture
def images(generator):
    with torch.no_grad():
        z = torch.randn(len(SEEDS), generator.latent_size, generator=torch.Generator().manual_seed(100))
        return (generator(z) + 1) / 2


def searched(generator, discriminator, images, config):
    search = LatentSearch(
        Networks.of(frozen(generator, CPU), frozen(discriminator, CPU), None, config, CPU), config, CPU
    )
    return search(Problem.of(images, torch.from_numpy(HOLES), search.networks, config), SEEDS)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("what", ["z", "loss", "weights"])
@pytest.mark.parametrize("steps", [(0,), (3,), (STEPS - 2,), (1, 2, 5)], ids=str)
def test_an_image_begins_again_alone(generator, discriminator, images, config, what, steps):
    well = searched(generator, discriminator, images, config)
    with Injected(what, steps).at_work() as injected:
        found = searched(generator, discriminator, images, config)
    # BFGS goes back to where it was, a shorter way, and begins again only where it had not begun
    again = len(steps) if config.optimiser == "adam" else steps.count(0)
    assert injected.loop.state.attempt.tolist() == [again if row == ROW else 0 for row in range(len(SEEDS))]
    for name in ("z", "generated", "losses"):
        one, other = getattr(found, name), getattr(well, name)
        assert one.isfinite().all()
        others = [row for row in range(len(SEEDS)) if row != ROW]
        assert torch.equal(one[others], other[others]), name
    assert not (again and torch.equal(found.z[ROW], well.z[ROW]))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("what", ["loss", "weights"])
def test_after_three_new_beginnings_the_image_is_named(generator, discriminator, images, config, what):
    with (
        Injected(what, ALWAYS).at_work() as injected,
        pytest.raises(ModelError, match=rf"^images\[{ROW}\]: expected a finite loss, got NaN or Inf$"),
    ):
        searched(generator, discriminator, images, config)
    # one that is out of starts is counted as ATTEMPTS
    assert injected.loop.state.attempt.tolist() == [ATTEMPTS if row == ROW else 0 for row in range(len(SEEDS))]
    assert ATTEMPTS == 4


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_weights_of_the_generator_that_are_nan_for_a_step(discriminator, images, config):
    torch.manual_seed(0)
    G = Own()
    with Injected("generator", (0,)).at_work() as injected:
        found = searched(G, discriminator, images, config)
    assert injected.loop.state.attempt.tolist() == [1] * len(SEEDS)
    assert found.losses.isfinite().all()
    with (
        Injected("generator", range(STEPS)).at_work() as injected,
        pytest.raises(ModelError, match=r"^images\[0\]: expected a finite loss"),
    ):
        searched(G, discriminator, images, config)
    assert injected.loop.state.attempt.tolist() == [ATTEMPTS] * len(SEEDS)


def test_in_a_batch_of_pictures_it_fails_alone(generator, discriminator, faces):
    """Its weights W are NaN from the first step on: of a batch that is done in halves the others keep their bits."""
    config = dataclasses.replace(CONFIGS["adam"], batch_invariant=True)
    inpainter = Inpainter(generator, discriminator, config=config, device="cpu")
    damaged = [Damaged(pixels=faces[i], missing=HOLES[i], seed=i) for i in range(4)]
    well = Engine(inpainter, None, 4, print).restore(damaged)

    weights = Objective.__init__

    def poisoned(objective, problem, *given):
        weights(objective, problem, *given)
        theirs = (problem.known == torch.from_numpy(~HOLES[ROW]).float()).all(dim=(1, 2))
        objective.total_weight = objective.total_weight.where(~theirs, torch.nan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Objective, "__init__", poisoned)
        found = Engine(inpainter, None, 4, print).restore(damaged)
    for i, (one, other) in enumerate(zip(found, well, strict=True)):
        if i == ROW:
            assert isinstance(one, ModelError)
            assert "expected a finite loss" in str(one)
        else:
            assert isinstance(one, Restored)
            assert (one.pixels == other.pixels).all()
            assert one.losses == other.losses
