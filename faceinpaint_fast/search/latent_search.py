"""The search for z^ = argmin_z L(G(z)), Eq. 8, by back-propagation through frozen G and D to z alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from faceinpaint_fast.errors import ModelError
from faceinpaint_fast.search.loop import Engine
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS

SPREAD = 0.1  # of starts around a guess


@dataclass(frozen=True, slots=True)
class Starts:
    """Where the search begins: `restarts` codes from N(0, 1) for each image, which depend on its seed alone; or from
    N(guess, SPREAD^2), where there is a guess.

    The rows of a code, a loss and so on are the images', each with its restarts; `first` is the number of the first
    image in the caller's batch.

    guess  (len(seeds) * restarts, latent_size); what begins again does so without it
    """

    seeds: Sequence[int]
    restarts: int
    latent_size: int
    first: int = 0
    guess: Tensor | None = None

    def draw(self, attempt: int = 0) -> Tensor:
        """The draw number `attempt` of every seed: (len(seeds) * restarts, latent_size), float32.

        Drawn on the CPU, so that a seed means the same on every device.
        """
        return self.draws(attempt + 1)[attempt]

    def draws(self, count: int) -> Tensor:
        """The first `count` of them: (count, len(seeds) * restarts, latent_size)."""
        codes = []
        for seed in self.seeds:
            generator = torch.Generator().manual_seed(seed)
            # one call each: a call for all would draw other numbers
            each = [torch.randn(self.restarts, self.latent_size, generator=generator) for _ in range(count)]
            codes.append(torch.stack(each))
        drawn = torch.cat(codes, dim=1)
        return drawn if self.guess is None else around(self.guess.cpu(), drawn)

    def best(self, totals: Tensor) -> Tensor:
        """The row with the least loss of each image, (len(seeds),); ModelError names one that has no finite loss."""
        by_image = totals.where(totals.isfinite(), torch.inf).view(-1, self.restarts)
        failed = by_image.isinf().all(dim=1)
        if failed.any():
            raise self.hopeless(int(failed.nonzero()[0]) * self.restarts)
        return by_image.argmin(dim=1) + self.restarts * torch.arange(len(by_image), device=totals.device)

    def hopeless(self, row: int) -> ModelError:
        """What to raise for the image of a row."""
        return ModelError(f"images[{self.first + row // self.restarts}]: expected a finite loss, got NaN or Inf")


def around(guess: Tensor, drawn: Tensor) -> Tensor:
    """Draws (count, B, latent_size) from N(0, 1), the first of them made one from N(guess, SPREAD^2)."""
    return torch.cat([guess + SPREAD * drawn[:1], drawn[1:]])


def search(
    engine: Engine, objective: Objective, starts: Starts, progress: Callable[[float], None] = lambda _: None
) -> tuple[Tensor, Tensor]:
    """Minimise the objective from every start, each on its own.

    Returns z^ (len(seeds) * restarts, latent_size) and the losses of all iterations (iterations, len(seeds) *
    restarts), float32.  A code whose loss or gradient is not finite begins again, alone, from the next draw of its
    seed; ModelError names the image of one that failed ATTEMPTS times.  `progress` hears the share that is done.
    """
    z, losses, attempts = engine.run(objective, starts.draws(ATTEMPTS).to(objective.device), progress)
    hopeless = (attempts == ATTEMPTS).nonzero()
    if len(hopeless):
        raise starts.hopeless(int(hopeless[0]))
    return z, losses
