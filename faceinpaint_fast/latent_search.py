"""The search for z^ = argmin_z L(G(z)), Eq. 8: Adam on z alone, by back-propagation through frozen G and D."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import ModelError
from faceinpaint_fast.objective import Objective

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Kingma and Ba 2015
ATTEMPTS = 4  # starts of one latent code before its image is given up


@dataclass(frozen=True, slots=True)
class Starts:
    """Where the search begins: `restarts` codes from N(0, 1) for each image, which depend on its seed alone.

    The rows of a code, a loss and so on are the images', each with its restarts; `first` is the number of the first
    image in the caller's batch.
    """

    seeds: Sequence[int]
    restarts: int
    latent_size: int
    first: int = 0

    def draw(self, attempt: int = 0) -> Tensor:
        """The draw number `attempt` of every seed: (len(seeds) * restarts, latent_size), float32.

        Drawn on the CPU, so that a seed means the same on every device.
        """
        codes = []
        for seed in self.seeds:
            generator = torch.Generator().manual_seed(seed)
            for _ in range(attempt):
                torch.randn(self.restarts, self.latent_size, generator=generator)
            codes.append(torch.randn(self.restarts, self.latent_size, generator=generator))
        return torch.cat(codes)

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


def step_size(iteration: int, config: InpaintConfig) -> float:
    """Constant for "adam"; for "adam-cosine" from learning_rate to 0 along a half cosine."""
    if config.search == "adam":
        return config.learning_rate
    return config.learning_rate * (1 + math.cos(math.pi * iteration / config.iterations)) / 2


def search(
    generator: Callable[[Tensor], Tensor],
    objective: Objective,
    starts: Starts,
    config: InpaintConfig,
    progress: Callable[[float], None] = lambda _: None,
) -> Tensor:
    """Minimise the objective from every start, each on its own: z^ (len(seeds) * restarts, latent_size), float32.

    A code whose loss or gradient is not finite begins again, alone, from the next draw of its seed; ModelError names
    the image of one that failed ATTEMPTS times.  `progress` hears the share that is done.
    """
    z = starts.draw().to(objective.images.device)
    mean, square, age = torch.zeros_like(z), torch.zeros_like(z), torch.zeros_like(z[:, :1])
    attempts = [0] * len(z)
    for iteration in range(config.iterations):
        z.requires_grad_(True)
        loss = objective.total(generator(z))
        (gradient,) = torch.autograd.grad(loss.sum(), z)
        with torch.no_grad():
            age += 1
            mean.lerp_(gradient, 1 - BETA1)
            square.lerp_(gradient**2, 1 - BETA2)
            direction = (mean / (1 - BETA1**age)) / ((square / (1 - BETA2**age)).sqrt() + EPSILON)
            z = z - step_size(iteration, config) * direction
            failed = ~(loss.isfinite() & z.isfinite().all(dim=1))
            for row in failed.nonzero()[:, 0].tolist():
                attempts[row] += 1
                if attempts[row] == ATTEMPTS:
                    raise starts.hopeless(row)
                z[row] = starts.draw(attempts[row])[row].to(z.device)
                mean[row], square[row], age[row] = 0, 0, 0
        progress((iteration + 1) / config.iterations)
    return z
