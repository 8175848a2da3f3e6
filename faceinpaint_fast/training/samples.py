"""Samples: the images that a generator draws, of which calibration and the Frechet distance take many."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from faceinpaint_fast.networks.dcgan import DCGANGenerator
from faceinpaint_fast.networks.protocols import frozen, to_unit

BATCH = 64  # samples at a time


@torch.no_grad()
def samples_of(generator: DCGANGenerator, count: int, seed: int, device: torch.device) -> Iterator[Tensor]:
    """Yields `count` samples of G, BATCH at a time: (B, 3, H, W) in [0, 1], which follow from the seed."""
    G = frozen(generator, device)
    random = torch.Generator("cpu").manual_seed(seed)
    for start in range(0, count, BATCH):
        z = torch.randn(min(BATCH, count - start), G.latent_size, generator=random, dtype=torch.float32, device="cpu")
        yield to_unit(G(z.to(device)))
