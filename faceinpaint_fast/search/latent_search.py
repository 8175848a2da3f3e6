"""The search for z^ = argmin_z L(G(z)), Eq. 8, by back-propagation through frozen G and D to z alone; and beyond z.

Beyond z the search goes on, or begins, at a code, and is over the activations u behind G's layers, one layer after the
other: u^ = argmin_u L(G_k(u)) + lambda_u L_u, G_k being what of G lies behind layer k (Daras et al. 2021, "Intermediate
Layer Optimization for Inverse Problems using Deep Generative Models").  What is found behind one layer goes through the
next one, and there the search over that one's activations begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import ModelError
from faceinpaint_fast.networks.protocols import to_unit
from faceinpaint_fast.search.descent import Descent
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import IMAGE_TERMS, Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS, optimiser, optimiser_of
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem, mean_of_both
from faceinpaint_fast.search.starts import around, beginning_at, codes

TERMS = (*IMAGE_TERMS, "prior", "total")

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search found for each image.

    z            z^, (B, latent_size) float32; without iterations over z, the code that the search beyond it began at
    activations  u^ behind the last layer that was searched, (B, ...) float32 as the generator's modules have them; none
                 where z alone was searched
    generated    T, what G makes of u^, or of z^: (B, C, H, W) in [0, 1]; with flips, the mean of both ways round
    losses       (B, len(TERMS)), where the search ended
    """

    z: Tensor
    activations: Tensor | None
    generated: Tensor
    losses: Tensor

    def rows(self, index: Tensor | slice) -> Found:
        """Returns what was found for these images."""
        u = self.activations
        return Found(self.z[index], None if u is None else u[index], self.generated[index], self.losses[index])


def together(found: Sequence[Found]) -> Found:
    """Returns what was found for the images of several searches, one after the other."""
    activations = [each.activations for each in found if each.activations is not None]
    return Found(
        z=torch.cat([each.z for each in found]),
        activations=torch.cat(activations) if activations else None,
        generated=torch.cat([each.generated for each in found]),
        losses=torch.cat([each.losses for each in found]),
    )


class LatentSearch:
    """Searches with the same networks for one config; from several threads at once, if need be."""

    def __init__(self, networks: Networks, config: InpaintConfig, device: torch.device) -> None:
        self.networks, self.config, self.device = networks, config, device
        self.over_z = Descent(networks, optimiser(config, device), config.iterations, config, device)
        self._over_stages = [
            Descent(networks.beyond(stage.layer), optimiser_of(stage, config, device), stage.steps, config, device)
            for stage in config.stages
        ]

    def __call__(
        self,
        problem: Problem,
        seeds: Sequence[int],
        *,
        start: Tensor | None = None,
        first: int = 0,
        progress: Progress = lambda _: None,
    ) -> Found:
        """Returns the best of each image's `config.restarts` starts, which depend on its seed and its guess alone.

        A start whose loss or gradient is not finite gives way to its seed's next draw, alone.

        problem   with flips, of the images and then of the mirrored ones
        seeds     one an image
        start     (B, latent_size), what each image's first start is, if not its guess or its seed's; the mirrored ones
                  keep theirs
        first     the number of the first image in the caller's batch
        progress  hears the share that is done

        Raises ModelError, naming the image, where ATTEMPTS starts failed and where an image has no finite loss.
        """
        images, restarts = len(seeds), self.config.restarts
        if self.config.flips:
            seeds = [*seeds, *seeds]
        problem = problem.repeated(restarts)
        objective = Objective(problem, self.networks.discriminator, self.config)
        drawn = codes(seeds, restarts, self.networks.latent_size, ATTEMPTS).to(self.device)
        starts = beginning_at(start, around(problem.guess, drawn, restarts), restarts)

        z, u, prior, failed = self._searched(objective, Prior.of(problem, self.config), starts, progress)
        last = self.config.stages[-1].layer if self.config.stages else 0
        ended = z if u is None else u
        x, _ = self.networks.beyond(last).generator(ended)
        terms = objective.terms(x)
        total = objective.total(terms) + prior.weighted(ended)
        total = total.where(~failed, torch.inf)
        losses = torch.cat([terms, prior.loss(ended)[:, None], total[:, None]], dim=1)
        best = least(total, restarts, lambda row: without_loss(first + row % images))
        shaped = None if u is None else self.networks.cuts[last - 1].shaped(u)
        found = Found(z, shaped, to_unit(x), losses).rows(best)
        if not self.config.flips:
            return found
        return replace(found.rows(slice(images)), generated=mean_of_both(found.generated))

    def _searched(
        self, objective: Objective, prior: Prior, starts: Tensor, progress: Progress
    ) -> tuple[Tensor, Tensor | None, Prior, Tensor]:
        """Returns z^ (B, latent_size), u^ (B, n) if there are stages, the last prior, and which rows failed, (B,)."""

        def heard(done: int, steps: int, share: float) -> None:
            progress((done + share * steps) / self.config.steps)

        z, failed = starts[0].clone(), torch.zeros(starts.shape[1], dtype=torch.bool, device=self.device)
        if self.config.iterations:
            told = partial(heard, 0, self.config.iterations)
            z, _, attempts = self.over_z.iterate(objective, prior, starts, told)
            failed = attempts == len(starts)
        if not self.config.stages:
            return z, None, prior, failed
        u, began, failed = self._beyond(objective, z, heard)
        for attempt in range(1, len(starts)):
            rows = failed.nonzero()[:, 0]
            if not len(rows):
                break
            z[rows] = starts[attempt, rows]
            u[rows], began[rows], failed[rows] = self._beyond(objective.rows(rows), z[rows], lambda *_: None)
        return z, u, Prior.at(began, self.config), failed

    def _beyond(
        self, objective: Objective, z: Tensor, heard: Callable[[int, int, float], None]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns u^ (B, n) of the search from codes z on, where its last stage began, and which rows failed, (B,)."""
        u, layer, done = z, 0, self.config.iterations
        failed = torch.zeros(len(z), dtype=torch.bool, device=self.device)
        began = z
        for stage, descent in zip(self.config.stages, self._over_stages, strict=True):
            for cut in self.networks.cuts[layer : stage.layer]:
                u = cut.into(u)
            began, layer = u, stage.layer
            prior, told = Prior.at(began, self.config), partial(heard, done, stage.steps)
            u, _, attempts = descent.iterate(objective, prior, began[None], told)
            failed, done = failed | (attempts > 0), done + stage.steps
        return u, began, failed


def least(totals: Tensor, restarts: int, failure: Callable[[int], ModelError]) -> Tensor:
    """Returns each image's row with the least loss of (images * restarts,): (images,).

    Raises what `failure` makes of the number of an image without a finite one.
    """
    by_image = totals.where(totals.isfinite(), torch.inf).view(-1, restarts)
    failed = by_image.isinf().all(dim=1)
    if failed.any():
        raise failure(int(failed.nonzero()[0]))
    return by_image.argmin(dim=1) + restarts * torch.arange(len(by_image), device=totals.device)


def without_loss(image: int) -> ModelError:
    """Returns what to raise for the image of that number."""
    return ModelError(f"images[{image}]: expected a finite loss, got NaN or Inf")
