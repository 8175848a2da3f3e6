"""The whole method on one screen: weights, search, blend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.reference.mask import known_pixels
from faceinpaint_fast.reference.plate import biharmonic_blend, tension_blend
from faceinpaint_fast.reference.poisson import poisson_blend
from faceinpaint_fast.reference.search import SearchResult, search
from faceinpaint_fast.reference.symmetry import mirrored

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Inpainting:
    """F and T in [0, 1], of the shape of the images; z^, and u^ if it was searched; each image's losses at the end."""

    image: Array
    generated: Array
    z: Array
    activations: Array | None
    losses: dict[str, Array]


@dataclass(frozen=True, slots=True)
class Inpainter:
    """Fills holes with what G can draw.  It computes in the networks' dtype: `precision` does not concern it."""

    generator: nn.Module
    discriminator: nn.Module
    encoder: nn.Module | None = field(default=None, kw_only=True)
    config: InpaintConfig = field(default=InpaintConfig(), kw_only=True)

    def __call__(self, images: ArrayLike, holes: ArrayLike, *, seed: int | Sequence[int] = 0) -> Inpainting:
        """Images (H, W, 3) or (B, H, W, 3), float in [0, 1] or uint8; holes (H, W) or (B, H, W).

        Raises ValueError for an image without a known pixel.
        """
        images = np.asarray(images)
        images = images / 255.0 if images.dtype == np.uint8 else images.astype(np.float64)
        missing = ~known_pixels(holes)
        if missing.all(axis=(-2, -1)).any():
            raise ValueError("holes: expected at least one known pixel an image, got none")
        if images.ndim == 3:
            batch = self(images[None], missing, seed=seed)
            losses = {name: loss[0] for name, loss in batch.losses.items()}
            u = None if batch.activations is None else batch.activations[0]
            return Inpainting(batch.image[0], batch.generated[0], batch.z[0], u, losses)

        missing = np.broadcast_to(missing, images.shape[:3])
        found, generated = self._found(images, missing, seed)
        if self.config.flips:
            _, flipped = self._found(images[:, :, ::-1], missing[:, :, ::-1], seed)
            generated = (generated + flipped[:, :, ::-1]) / 2
        if self.config.symmetry:
            generated = mirrored(images, missing, generated)
        filled = blended(images, generated, missing, self.config)
        losses = {name: loss[-1].cpu().numpy().astype(np.float64) for name, loss in found.losses.items()}
        u = None if found.activations is None else found.activations.cpu().numpy()
        return Inpainting(np.clip(filled, 0, 1), generated, found.z.cpu().numpy(), u, losses)

    def _found(
        self, images: Array, missing: NDArray[np.bool_], seed: int | Sequence[int]
    ) -> tuple[SearchResult, Array]:
        """What the search finds, and T (B, H, W, 3)."""
        weight = next(self.generator.parameters())
        tensor = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).to(weight)
        networks = self.generator, self.discriminator
        found = search(*networks, tensor, missing, self.config, encoder=self.encoder, seed=seed)
        return found, found.generated.permute(0, 2, 3, 1).cpu().numpy().astype(np.float64)


def blended(images: Array, generated: Array, holes: ArrayLike, config: InpaintConfig) -> Array:
    """F by the config's blend: images and generated (B, H, W, 3), holes (H, W) or (B, H, W)."""
    match config.blend:
        case "none":
            missing = np.broadcast_to(~known_pixels(holes), images.shape[:3])
            return np.where(missing[..., None], generated, images)
        case "poisson":
            return poisson_blend(images, generated, holes)
        case "biharmonic":
            return biharmonic_blend(images, generated, holes)
        case "tension":
            return tension_blend(images, generated, holes, tension=config.at_size(images.shape[1]).tension)
