"""Samples: the images that a generator draws, of which calibration and the Frechet distance take many."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from faceinpaint_fast.networks.dcgan import DCGANGenerator
from faceinpaint_fast.networks.protocols import frozen, to_unit

BATCH = 64  # samples at a time


def codes_of(latent_size: int, count: int, seed: int) -> Iterator[Tensor]:
    """Yields `count` codes, BATCH at a time, (B, latent_size), which follow from the seed."""
    random = torch.Generator("cpu").manual_seed(seed)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        yield torch.randn(size, latent_size, generator=random, dtype=torch.float32, device="cpu")


@torch.no_grad()
def samples_of(generator: DCGANGenerator, count: int, seed: int, device: torch.device) -> Iterator[Tensor]:
    """Yields `count` samples of G, BATCH at a time: (B, 3, H, W) in [0, 1], which follow from the seed."""
    G = frozen(generator, device)
    for z in codes_of(G.latent_size, count, seed):
        yield to_unit(G(z.to(device)))
