"""Where a search begins, and begins again: codes of seeds, at random or around a guess."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

SPREAD = 0.1  # of an image's further starts around its guess


def codes(seeds: Sequence[int], restarts: int, latent_size: int, attempts: int) -> Tensor:
    """Returns codes from N(0, 1), those of an image from its seed alone: `restarts` an image, `attempts` of each.

    They are (attempts, len(seeds) * restarts, latent_size) float32, drawn on the CPU, so that a seed means the same on
    every device.
    """
    return torch.cat([_codes(seed, restarts, latent_size, attempts) for seed in seeds], dim=1)


# a server draws the same few again and again
@lru_cache(maxsize=4096)
def _codes(seed: int, restarts: int, latent_size: int, attempts: int) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    settings: Any = {"generator": generator, "dtype": torch.float32, "device": "cpu"}
    # one call each: a call for all would draw other numbers
    return torch.stack([torch.randn(restarts, latent_size, **settings) for _ in range(attempts)])


def around(guess: Tensor | None, codes: Tensor, restarts: int = 1, spreads: Sequence[float] | None = None) -> Tensor:
    """Returns where to begin: codes (attempts, B, latent_size), those of the first attempt by the guess of their row.

    An image's first start is the guess itself, for noise costs quality (docs/decisions), or, where its spread is more
    than 0, from N(guess, spread^2); its further ones are from N(guess, SPREAD^2).  Whatever has to begin again does so
    without the guess.  Where there is none the codes are returned as they are.
    """
    if guess is None:
        return codes
    first = guess + SPREAD * codes[0]
    first[::restarts] = guess[::restarts]
    for image, spread in enumerate(spreads or ()):
        # not a product with 0: what was drawn need not be finite
        if spread:
            first[image * restarts] += spread * codes[0, image * restarts]
    return torch.cat([first[None], codes[1:]])


def beginning_at(start: Tensor | None, codes: Tensor, restarts: int) -> Tensor:
    """Returns the codes (attempts, B * restarts, latent_size) with `start` (n, latent_size) as n images' first."""
    if start is None:
        return codes
    codes = codes.clone()
    codes[0, : len(start) * restarts : restarts] = start
    return codes
