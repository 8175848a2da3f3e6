"""Where a search begins, and begins again: codes of seeds, at random or around a guess."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SPREAD = 0.1  # of starts around a guess


def codes(seeds: Sequence[int], restarts: int, latent_size: int, attempts: int) -> Tensor:
    """Returns codes from N(0, 1), those of an image from its seed alone: `restarts` an image, `attempts` of each.

    They are (attempts, len(seeds) * restarts, latent_size) float32, drawn on the CPU, so that a seed means the same on
    every device.
    """
    drawn = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        # one call each: a call for all would draw other numbers
        each = [torch.randn(restarts, latent_size, generator=generator) for _ in range(attempts)]
        drawn.append(torch.stack(each))
    return torch.cat(drawn, dim=1)


def around(guess: Tensor | None, codes: Tensor) -> Tensor:
    """Returns where to begin: codes (attempts, B, latent_size), the first of them made ones from N(guess, SPREAD^2).

    Whatever has to begin again does so without the guess.  Where there is none the codes are returned as they are.
    """
    return codes if guess is None else torch.cat([guess + SPREAD * codes[:1], codes[1:]])
