"""The search for z^ = argmin_z L(G(z)), Eq. 8, by back-propagation through frozen G and D to z alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import ModelError
from faceinpaint_fast.networks.adjoint import TapedNetwork
from faceinpaint_fast.networks.protocols import to_unit
from faceinpaint_fast.search.loop import Compiled, Gradient, Loop, loss_and_gradient
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import IMAGE_TERMS, Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS, BFGS, Adam, optimiser
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem
from faceinpaint_fast.search.starts import around, beginning_at, codes

TERMS = (*IMAGE_TERMS, "prior", "total")

WORTH_COMPILING = 100  # iterations: compiling takes half a minute


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search found for each image.

    z          z^, (B, latent_size) float32
    generated  T = G(z^), (B, C, H, W) in [0, 1]
    losses     (B, len(TERMS)), at z^
    """

    z: Tensor
    generated: Tensor
    losses: Tensor


class LatentSearch:
    """Searches with the same networks for one config; from several threads at once, if need be.

    On a CUDA device it keeps graphs of a few sizes of batches, and its searches wait for each other: see `graph`.
    """

    def __init__(self, networks: Networks, config: InpaintConfig, device: torch.device) -> None:
        self.networks, self.config, self.device = networks, config, device
        self._optimiser = optimiser(config, device)
        self._gradient: Gradient = partial(loss_and_gradient, networks.generator)
        taped = isinstance(networks.generator, TapedNetwork)
        # on a CPU a compiled iteration was slower than autograd's, and took 44 s to compile
        if device.type == "cuda" and config.iterations >= WORTH_COMPILING and taped:
            self._gradient = Compiled(self._gradient)
        self._on_device: Any = None
        # an optimiser without a kernel is searched with as on a CPU
        if device.type == "cuda" and isinstance(self._optimiser, BFGS | Adam):
            from faceinpaint_fast.search.fused import Searches

            self._on_device = Searches(networks, self._gradient, self._optimiser, config)

    def __call__(
        self,
        problem: Problem,
        seeds: Sequence[int],
        *,
        start: Tensor | None = None,
        first: int = 0,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Found:
        """Returns the best of each image's `config.restarts` starts, which depend on its seed and its guess alone.

        A code whose loss or gradient is not finite begins again, alone, from its seed's next draw.

        start     (B, latent_size), what each image's first start is, if not its seed's
        first     the number of the first image in the caller's batch
        progress  hears the share that is done

        Raises ModelError, naming the image, where a code failed ATTEMPTS times and where an image has no finite loss.
        """
        restarts = self.config.restarts
        problem = problem.repeated(restarts)
        objective = Objective(problem, self.networks.discriminator, self.config)
        prior = Prior.of(problem, self.config)
        drawn = codes(seeds, restarts, self.networks.latent_size, ATTEMPTS).to(self.device)
        starts = beginning_at(start, around(problem.guess, drawn), restarts)
        z, _, attempts = self.iterate(objective, prior, starts, progress)
        hopeless = (attempts == ATTEMPTS).nonzero()
        if len(hopeless):
            raise without_loss(first + int(hopeless[0]) // restarts)
        x, _ = self.networks.generator(z)
        terms = objective.terms(x)
        total = objective.total(terms) + prior.weighted(z)
        losses = torch.cat([terms, prior.loss(z)[:, None], total[:, None]], dim=1)
        best = least(total, restarts, first)
        return Found(z[best], to_unit(x[best]), losses[best])

    def iterate(
        self, objective: Objective, prior: Prior, starts: Tensor, progress: Callable[[float], None] = lambda _: None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns z^ (B, latent_size), the losses (iterations, B) and the attempts (B,) of codes, each on its own.

        starts    (ATTEMPTS, B, latent_size): where each code begins, and begins again
        progress  hears the share that is done
        """
        if self._on_device is not None:
            return self._on_device.iterate(objective, prior, starts, progress)
        return self.loop(objective, prior, starts).iterate(progress)

    def loop(self, objective: Objective, prior: Prior, starts: Tensor) -> Any:
        """Returns a search over these very tensors: it has a state, losses, and `advance`, an iteration of it."""
        if self._on_device is not None:
            return self._on_device.loop(objective, prior, starts)
        return Loop(self._gradient, objective, prior, starts, self._optimiser, self.config.iterations)


def least(totals: Tensor, restarts: int, first: int) -> Tensor:
    """Returns each image's row with the least loss of (images * restarts,): (images,).

    Raises ModelError for an image without a finite one; `first` is the number of the first image.
    """
    by_image = totals.where(totals.isfinite(), torch.inf).view(-1, restarts)
    failed = by_image.isinf().all(dim=1)
    if failed.any():
        raise without_loss(first + int(failed.nonzero()[0]))
    return by_image.argmin(dim=1) + restarts * torch.arange(len(by_image), device=totals.device)


def without_loss(image: int) -> ModelError:
    """Returns what to raise for the image of that number."""
    return ModelError(f"images[{image}]: expected a finite loss, got NaN or Inf")
