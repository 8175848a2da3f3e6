"""The search: z^ = argmin_z L(G(z)), Eq. 8, by back-propagation to z alone; section 3.2.

The paper names no optimiser; Adam as its authors print it, on every start of every image at once, or BFGS.  And the
search beyond z, over what leaves G's layers: intermediate layer optimization, Daras et al. 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from faceinpaint_fast.config import InpaintConfig, Stage
from faceinpaint_fast.reference.mask import known_pixels
from faceinpaint_fast.reference.objective import objective
from faceinpaint_fast.reference.weight_map import weight_map

SPREAD = 0.1  # of starts around an encoder's guess

Losses = Callable[[Tensor], dict[str, Tensor]]  # of codes or activations (B, ...), each (B,)
Point = tuple[Tensor, Tensor, Tensor]  # a code, its loss and its gradient


class SearchResult(NamedTuple):
    """z^ (B, latent_size), u^ (B, ...) or none, T (B, 3, H, W) in [0, 1], and each loss (steps + 1, B), of T last."""

    z: Tensor
    activations: Tensor | None
    generated: Tensor
    losses: dict[str, Tensor]


def search(
    generator: nn.Module,
    discriminator: nn.Module,
    image: Tensor,
    hole: ArrayLike,
    config: InpaintConfig,
    *,
    encoder: nn.Module | None = None,
    z0: Tensor | None = None,
    seed: int | Sequence[int] = 0,
) -> SearchResult:
    """Search for the z, or u, of which G makes what fits the known pixels of `image` (B, 3, H, W), in its dtype.

    hole     (H, W) or (B, H, W); what the image holds there does not matter
    encoder  guesses codes for a search that starts there, and whose prior draws there
    z0       where to start, (B, latent_size) or (B, restarts, latent_size); without it, `starts` of the seed

    The networks, of the same dtype, come back as they were; the search uses frozen copies of them in eval mode.  It is
    one function, for it is one thought: what is asked, where it begins, over z, beyond z, the best of the starts.
    """
    G, D = (deepcopy(network).eval().requires_grad_(False) for network in (generator, discriminator))
    B, R = len(image), config.restarts
    missing = np.broadcast_to(~known_pixels(hole), (B, *image.shape[2:]))
    W = torch.from_numpy(weight_map(missing, k=config.k, alpha=config.alpha)).to(image)
    known = torch.from_numpy(~missing).to(image.device)
    # where, not a product: the hole may hold NaN
    image = torch.where(known[:, None], image, 0.0)
    guess, spread = image.new_zeros(B, 1, cast(int, generator.latent_size)), torch.ones(R, 1)
    guided, parts = encoder is not None and config.start == "encoder", list(getattr(G, "stages", []))
    if guided:
        guess = guessed(cast(nn.Module, encoder), image, known.to(image))[:, None]
        # the first start is the guess
        spread = SPREAD * (torch.arange(R) > 0)[:, None]
    config = config if guided and parts else config.over_z_alone()
    image, known, W = (t.repeat_interleave(R, dim=0) for t in (image, known.to(image), W))
    if z0 is None:
        z0 = guess + (spread * starts(seed, B, R, guess.shape[2])).to(image)
    expected = guess.repeat_interleave(R, dim=0)[:, 0]

    def losses_at(z: Tensor, G: nn.Module = G, expected: Tensor = expected, **where: bool) -> dict[str, Tensor]:
        return objective(G(z), D, image, known, W, config, z, expected, **where)

    minimise = bfgs if config.optimiser == "bfgs" else adam
    z, rows = minimise(losses_at, z0.to(image).reshape(B * R, -1).clone(), config)
    u, at_the_end = z, losses_at
    for layers, stage in zip(pairwise([0, *(stage.layer for stage in config.stages)]), config.stages, strict=True):
        with torch.no_grad():
            began = nn.Sequential(*parts[slice(*layers)])(u)
        G = nn.Sequential(*parts[stage.layer :])
        at_the_end = partial(losses_at, G=G, expected=began, beyond_z=True)
        u, more = adam_beyond(at_the_end, began.clone(), stage, config)
        rows += more
    with torch.no_grad():
        generated = G(u)
        rows.append(at_the_end(u))

    final = rows[-1]["total"].reshape(B, R)
    if not final.isfinite().all():
        raise ValueError(f"losses: expected finite numbers, got {final.tolist()}")
    best = torch.arange(B, device=z.device) * R + final.argmin(dim=1)
    losses = {name: torch.stack([row[name][best] for row in rows]) for name in rows[-1]}
    return SearchResult(z[best], u[best] if config.stages else None, (generated[best] + 1) / 2, losses)


def adam(losses_at: Losses, z: Tensor, config: InpaintConfig) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Where Adam gets to from z (B, latent_size), and the losses on its way."""
    sizes = step_sizes(config.learning_rate, config.iterations, config)
    return adam_by(sizes, losses_at, z, betas=(0.9, 0.999), eps=1e-8, bound=config.z_max)


def adam_beyond(
    losses_at: Losses, u: Tensor, stage: Stage, config: InpaintConfig
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Where Adam gets to from activations u (B, ...), and the losses on its way.

    Its first moment forgets faster than Adam's usually does, and epsilon is small beside a mean over pixels' gradient.
    """
    sizes = step_sizes(stage.rate, stage.steps, config)
    return adam_by(sizes, losses_at, u, betas=(0.5, 0.999), eps=1e-12, bound=math.inf)


def adam_by(
    sizes: Sequence[float], losses_at: Losses, x: Tensor, *, betas: tuple[float, float], eps: float, bound: float
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Where torch's Adam gets to from x by steps of these sizes, each clipped to the bound; and the losses there."""
    x.requires_grad_()
    optimiser = torch.optim.Adam([x], betas=betas, eps=eps)
    rows = []
    for size in sizes:
        losses = losses_at(x)
        rows.append({name: loss.detach() for name, loss in losses.items()})
        optimiser.zero_grad()
        losses["total"].sum().backward()
        optimiser.param_groups[0]["lr"] = size
        optimiser.step()
        with torch.no_grad():
            x.clamp_(-bound, bound)
    return x.detach(), rows


def bfgs(losses_at: Losses, z: Tensor, config: InpaintConfig) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Where BFGS gets to from z (B, latent_size), and the losses on its way (Nocedal and Wright 2006, algorithm 6.1).

    A step that does not bring the descent of their eq. 3.4 is halved; `config.iterations` counts the trials too.
    """
    B, n = z.shape
    identity = torch.eye(n, dtype=z.dtype, device=z.device)
    best: list[Point | None] = [None] * B
    H: list[Tensor | None] = [None] * B
    p = torch.zeros_like(z)
    rows = []
    for _ in range(config.iterations):
        trial = z.clone().requires_grad_()
        losses = losses_at(trial)
        (gradients,) = torch.autograd.grad(losses["total"].sum(), trial)
        rows.append({name: loss.detach() for name, loss in losses.items()})
        for i in range(B):
            here, f, g = z[i], losses["total"][i].detach(), gradients[i]
            if (before := best[i]) is None:
                best[i], p[i] = (here, f, g), -config.learning_rate * g / g.norm()
            else:
                s, y = here - before[0], g - before[2]
                if f <= before[1] + 1e-4 * before[2] @ s:
                    if s @ y > 1e-4 * s.norm() * y.norm():
                        inverse = H[i]
                        # eq. 6.20, then 6.17
                        inverse = s @ y / (y @ y) * identity if inverse is None else inverse
                        V = identity - torch.outer(y, s) / (s @ y)
                        H[i] = V.T @ inverse @ V + torch.outer(s, s) / (s @ y)
                    learnt = H[i]
                    best[i] = here, f, g
                    p[i] = -config.learning_rate * g / g.norm() if learnt is None else -learnt @ g
                else:
                    p[i] /= 2
        z = torch.stack([cast(Point, b)[0] for b in best]) + p
        z = z.clamp(-config.z_max, config.z_max)
    return torch.stack([cast(Point, b)[0] for b in best]), rows


def guessed(encoder: nn.Module, image: Tensor, known: Tensor) -> Tensor:
    """What an encoder takes for the codes of images (B, 3, H, W) in [0, 1], known (B, H, W): (B, latent_size)."""
    M = known[:, None]
    with torch.no_grad():
        return deepcopy(encoder).eval()(torch.cat([M * (2 * image - 1), M], dim=1))


def starts(seed: int | Sequence[int], images: int, restarts: int, latent_size: int) -> Tensor:
    """Where the searches start, N(0, 1) in float32: (images, restarts, latent_size).

    A seed is one for all images or one an image; an image's starts depend on its own seed alone.
    """
    seeds = [seed] * images if isinstance(seed, int) else list(seed)
    if len(seeds) != images:
        raise ValueError(f"seed: expected one, or one for each of {images} images, got {len(seeds)}")
    return torch.stack([drawn(s, restarts, latent_size) for s in seeds])


def drawn(seed: int, count: int, latent_size: int) -> Tensor:
    """Codes (count, latent_size) from N(0, 1), float32 on the CPU, of a seed."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(count, latent_size, generator=generator, dtype=torch.float32, device="cpu")


def step_sizes(rate: float, steps: int, config: InpaintConfig) -> list[float]:
    """Adam's step sizes: constant, or decayed along half a cosine to almost 0."""
    if config.schedule == "constant":
        return [rate] * steps
    return [rate * (1 + math.cos(math.pi * t / steps)) / 2 for t in range(steps)]
