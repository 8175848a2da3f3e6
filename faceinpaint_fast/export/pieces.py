"""The search beyond z in pieces, each a module of torch's ops: what an ONNX graph is put together of.

A runtime knows no Python: what `search.course` does one after the other is cut where a loop begins or ends.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from faceinpaint_fast.config import InpaintConfig, Stage
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.models import Model
from faceinpaint_fast.networks.planar import PlanarProduct
from faceinpaint_fast.networks.protocols import frozen, to_unit
from faceinpaint_fast.search.loop import loss_and_gradient
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import optimiser_of
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem

CPU = torch.device("cpu")


class Pieces:
    """The pieces of one search, in the order in which they are done: begin, the stages with what is between, end.

    config  what the model can do of the config that was asked for

    Raises InputError for a search that is not beyond z alone, for restarts, flips, symmetry, and for another precision
    than float32.
    """

    def __init__(self, model: Model, config: InpaintConfig) -> None:
        config = model.resolved(config)
        expect_beyond_z(config)
        E = None if model.encoder is None else frozen(model.encoder, CPU)
        networks = (frozen(model.generator, CPU), frozen(model.discriminator, CPU), E)
        self.networks = Networks.of(*networks, config, CPU, PlanarProduct)
        self.config = self.networks.carried_out(config)
        # without an encoder it is over z
        expect_beyond_z(self.config)
        self.begin = Begin(self)
        self.steps = [Step(self, stage) for stage in self.config.stages]
        layers = (stage.layer for stage in self.config.stages)
        self.between = [Between(self, before, after) for before, after in pairwise(layers)]
        self.end = End(self)

    def question(self) -> tuple[Tensor, Tensor]:
        """Returns two images (2, C, H, W) and holes (2, 1, H, W) to be traced with."""
        channels, height, width = self.networks.image_shape
        images = torch.linspace(0, 1, 2 * channels * height * width).view(2, channels, height, width)
        return images, (images[:, :1] * 7 % 1 > 0.5).float()


def expect_beyond_z(config: InpaintConfig, where: str = "an .onnx file") -> None:
    """Raises InputError for a search that is none of loops of Adam from an encoder's guess to T, as that has it."""
    if config.iterations or not config.stages:
        expected = f"0 and stages, from an encoder's guess, in {where}"
        raise InputError(f"iterations: expected {expected}, got a search of z")
    if config.restarts != 1:
        raise InputError(f"restarts: expected 1 in {where}, got {config.restarts}")
    if config.flips:
        raise InputError(f"flips: expected False in {where}, to which the mirrored image is another one, got True")
    if config.symmetry:
        raise InputError(f"symmetry: expected False in {where}, which ends with T, got True")
    if config.precision != "fp32":
        raise InputError(f"precision: expected fp32 in {where}, as runtimes compute, got {config.precision}")


class Begin(nn.Module):
    """From images and holes to where the first stage begins, and to what every step needs of them."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self._networks, self._config = pieces.networks, pieces.config

    def forward(self, images: Tensor, holes: Tensor) -> tuple[Tensor, ...]:
        """Returns activations (B, n) and `tensors_of`.

        images (B, C, H, W) in [0, 1]; holes (B, 1, H, W), missing where >= 0.5
        """
        problem = Problem.of(images, holes.squeeze(1) >= 0.5, self._networks, self._config)
        u = problem.guess
        assert u is not None
        for cut in self._networks.cuts[: self._config.stages[0].layer]:
            u = cut.into(u)
        return u, *tensors_of(Objective(problem, self._networks.discriminator, self._config))


class Step(nn.Module):
    """An iteration of a stage."""

    def __init__(self, pieces: Pieces, stage: Stage) -> None:
        super().__init__()
        self._config, self._rule, self.count = pieces.config, optimiser_of(stage, pieces.config), stage.steps
        moments = self._rule.moments
        self.epsilon = moments.epsilon
        # as a float, as csrc/search/adam.hpp has it: 1 - beta2 is another number then, and a search shows that
        self._moments: Any = replace(moments, beta2=torch.tensor(moments.beta2, dtype=torch.float32).item())
        self._networks = pieces.networks.beyond(stage.layer)
        images, holes = pieces.question()
        problem = Problem.of(images, holes.squeeze(1) >= 0.5, pieces.networks, pieces.config)
        self._objective = Objective(problem, pieces.networks.discriminator, pieces.config)

    def forward(
        self,
        iteration: Tensor,
        epsilon: Tensor,
        u: Tensor,
        mean: Tensor,
        square: Tensor,
        began: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        """Returns u, mean and square, (B, n) each, one iteration later.

        iteration  (1,), its number, from 0 on
        epsilon    (), Adam's; as a number it would be lost: the exporter takes what is added and below 1e-8 for 0
        began      (B, n), where the stage began; tensors: `tensors_of` its objective
        """
        objective = with_tensors(self._objective, tensors)
        _, gradient = loss_and_gradient(self._networks.generator, u, objective, Prior.at(began, self._config))
        rule = replace(self._rule, moments=replace(self._moments, epsilon=epsilon))
        return rule.moved(u, mean, square, gradient, iteration, iteration + 1)


class Between(nn.Module):
    """From what was found behind one layer to where the search behind a later one begins."""

    def __init__(self, pieces: Pieces, before: int, after: int) -> None:
        super().__init__()
        self._cuts = pieces.networks.cuts[before:after]

    def forward(self, u: Tensor) -> Tensor:
        """Returns activations (B, n) of those (B, m) before."""
        for cut in self._cuts:
            u = cut.into(u)
        return u


class End(nn.Module):
    """From what was found in the last stage to T."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self._last = pieces.networks.beyond(pieces.config.stages[-1].layer)

    def forward(self, u: Tensor) -> Tensor:
        """Returns T (B, C, H, W) in [0, 1] of activations (B, n)."""
        return to_unit(self._last.generator(u)[0])


TENSORS = ("v", "mean", "variance", "w", "share")  # of a target


def tensors_of(objective: Objective) -> tuple[Tensor, ...]:
    """Returns all of an objective that `with_gradient` reads and that depends on its problems."""
    target = [getattr(objective.target, name) for name in TENSORS]
    return *target, objective.of_ssim, objective.of_l1, objective.total_weight


def with_tensors(objective: Objective, tensors: tuple[Tensor, ...]) -> Objective:
    """Returns the objective of the problems that these are `tensors_of`."""
    again = copy(objective)
    *target, again.of_ssim, again.of_l1, again.total_weight = tensors
    changes: dict[str, Any] = dict(zip(TENSORS, target, strict=True))
    again.target = replace(objective.target, **changes)
    return again
