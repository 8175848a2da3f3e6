"""The search: z^ = argmin_z L(G(z)), Eq. 8, by back-propagation to z alone; section 3.2.

The paper names no optimiser; Adam as its authors print it, on every start of every image at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.reference.mask import known_pixels
from faceinpaint_fast.reference.objective import objective
from faceinpaint_fast.reference.weight_map import weight_map


class SearchResult(NamedTuple):
    """z^ (B, latent_size), T = G(z^) (B, 3, H, W) in [0, 1], and each loss (iterations + 1, B): at every z, z^ last."""

    z: Tensor
    generated: Tensor
    losses: dict[str, Tensor]


def search(
    generator: nn.Module,
    discriminator: nn.Module,
    image: Tensor,
    hole: ArrayLike,
    config: InpaintConfig,
    *,
    z0: Tensor | None = None,
    seed: int | Sequence[int] = 0,
) -> SearchResult:
    """Search for the z whose G(z) fits the known pixels of `image` (B, 3, H, W) in [0, 1], in the image's dtype.

    hole  (H, W) or (B, H, W); what the image holds there does not matter
    z0    where to start, (B, latent_size) or (B, restarts, latent_size); without it, `starts` of the seed

    The networks, of the same dtype, come back as they were; the search uses frozen copies of them in eval mode.
    """
    G, D = (deepcopy(network).eval().requires_grad_(False) for network in (generator, discriminator))
    B, R = len(image), config.restarts
    missing = np.broadcast_to(~known_pixels(hole), (B, *image.shape[2:]))
    W = torch.from_numpy(weight_map(missing, k=config.k, alpha=config.alpha)).to(image)
    known = torch.from_numpy(~missing).to(image.device)
    # where, not a product: the hole may hold NaN
    image = torch.where(known[:, None], image, 0.0)
    image, known, W = (t.repeat_interleave(R, dim=0) for t in (image, known.to(image), W))

    if z0 is None:
        z0 = starts(seed, B, R, cast(int, generator.latent_size))
    z = z0.to(image).reshape(B * R, -1).clone().requires_grad_()
    adam = torch.optim.Adam([z], betas=(0.9, 0.999), eps=1e-8)
    rows = []
    for t in range(config.iterations):
        losses = objective(G(z), D, image, known, W, config, z)
        rows.append({name: loss.detach() for name, loss in losses.items()})
        adam.zero_grad()
        losses["total"].sum().backward()
        adam.param_groups[0]["lr"] = step_size(t, config)
        adam.step()
        with torch.no_grad():
            z.clamp_(-config.z_max, config.z_max)
    with torch.no_grad():
        generated = G(z)
        rows.append(objective(generated, D, image, known, W, config, z))

    final = rows[-1]["total"].reshape(B, R)
    if not final.isfinite().all():
        raise ValueError(f"losses: expected finite numbers, got {final.tolist()}")
    best = torch.arange(B, device=z.device) * R + final.argmin(dim=1)
    losses = {name: torch.stack([row[name][best] for row in rows]) for name in rows[-1]}
    return SearchResult(z.detach()[best], (generated[best] + 1) / 2, losses)


def starts(seed: int | Sequence[int], images: int, restarts: int, latent_size: int) -> Tensor:
    """Where the searches start, N(0, 1) in float32: (images, restarts, latent_size).

    A seed is one for all images or one an image; an image's starts depend on its own seed alone.
    """
    seeds = [seed] * images if isinstance(seed, int) else list(seed)
    if len(seeds) != images:
        raise ValueError(f"seed: expected one, or one for each of {images} images, got {len(seeds)}")
    return torch.stack([torch.randn(restarts, latent_size, generator=torch.Generator().manual_seed(s)) for s in seeds])


def step_size(t: int, config: InpaintConfig) -> float:
    """Adam's step size at step t = 0, 1, ...: constant, or decayed along half a cosine to almost 0."""
    if config.search == "adam":
        return config.learning_rate
    return config.learning_rate * (1 + math.cos(math.pi * t / config.iterations)) / 2
