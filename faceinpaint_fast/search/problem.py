"""What is asked of a search: images, what is known of them, how much each pixel counts, and a guess of their codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.networks.protocols import visible
from faceinpaint_fast.ops.weight_map import weight_map
from faceinpaint_fast.search.networks import Networks


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is asked of a search, on its device; each image is a question of its own.

    images   I, (B, C, H, W) float32 in [0, 1], 0 where missing
    known    M, (B, H, W) float32, 1 = known, 0 = missing
    weights  W, (B, H, W) float32, Eq. 7
    guess    the encoder's, (B, latent_size) float32; none: the search starts at random
    """

    images: Tensor
    known: Tensor
    weights: Tensor
    guess: Tensor | None = None

    @classmethod
    def of(cls, images: Tensor, missing: Tensor, networks: Networks, config: InpaintConfig) -> Problem:
        """Returns what is asked of images (B, C, H, W) float32 in [0, 1] where `missing` (B, H, W) is True.

        What the images hold there does not matter.  With flips, the mirrored images are asked about too, behind them.
        """
        if config.flips:
            images, missing = torch.cat([images, images.flip(-1)]), torch.cat([missing, missing.flip(-1)])
        known = (~missing).to(images.dtype)
        # where, not a product: the hole may hold NaN
        images = images.where(~missing.unsqueeze(1), 0)
        guess = None
        if networks.encoder is not None:
            guess, _ = networks.encoder(visible(images, known))
        return cls(images, known, weight_map(missing, config.k, config.alpha), guess)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that is asked, each tensor by rows; without a guess three."""
        guess = () if self.guess is None else (self.guess,)
        return self.images, self.known, self.weights, *guess

    def rows(self, index: Tensor) -> Problem:
        """Returns what is asked of these rows."""
        return Problem(*(tensor[index] for tensor in self.tensors))

    def repeated(self, restarts: int) -> Problem:
        """Returns the rows of a search with so many starts an image: each image so many times, one after the other."""
        return Problem(*(tensor.repeat_interleave(restarts, dim=0) for tensor in self.tensors))


def mean_of_both(generated: Tensor) -> Tensor:
    """Returns the means of T and of the mirrored images' T, mirrored back: (2 B, C, H, W) -> (B, C, H, W)."""
    straight, mirrored = generated.chunk(2)
    return (straight + mirrored.flip(-1)) / 2
