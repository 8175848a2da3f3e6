"""The whole method: W from the hole, the search for z^, T = G(z^), and T blended into the hole."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast import masks
from faceinpaint_fast.arrays import like, pick_device
from faceinpaint_fast.batches import ImageBatch, check_finite, holes_of
from faceinpaint_fast.blend.doors import blended
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.models import Model, load_model
from faceinpaint_fast.networks.adjoint import differentiable
from faceinpaint_fast.networks.protocols import (
    Differentiable,
    Discriminator,
    Encoder,
    Generator,
    frozen,
    to_unit,
    visible,
)
from faceinpaint_fast.search.latent_search import Starts, search
from faceinpaint_fast.search.loop import Engine
from faceinpaint_fast.search.objective import TERMS, Objective
from faceinpaint_fast.weight_map import weight_map


@dataclass(frozen=True, slots=True)
class Inpainting:
    """What came of it: the kind of array that went in, batched as it was, pictures in its layout and dtype.

    image      F, the restored image: the input's known pixels bit for bit, the rest blended
    generated  T = G(z^), the best generated image
    z          z^, (latent_size,) or (B, latent_size), float32
    losses     at z^, each () or (B,): "discriminator" (Eq. 3), "context" (Eq. 6), "structural" (Eq. 5), "prior" (of z),
               "total" (Eq. 8)
    """

    image: Any
    generated: Any
    z: Any
    losses: dict[str, Any]


class Inpainter:
    """Restores missing parts of images by the method of Qiang et al. 2019 with a generator and a discriminator.

    generator      module with a `latent_size`, (B, latent_size) -> (B, 3, H, W) in [-1, 1]: `protocols.Generator`
    discriminator  module, (B, 3, H, W) in [-1, 1] -> logit (B,): `protocols.Discriminator`
    encoder        module, (B, 4, H, W) -> (B, latent_size), the code guessed from what is known: `protocols.Encoder`;
                   without it a "guided" search is "bfgs"
    config         what to do, by default what works best
    device         "auto" is CUDA where there is a device, else the CPU

    The modules are copied; the originals stay as they are.  An Inpainter may be called from several threads at once.
    On a CUDA device it keeps graphs of the last few batch sizes, and searches of one Inpainter wait for each other.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        encoder: Encoder | None = None,
        config: InpaintConfig = InpaintConfig(),  # noqa: B008 - frozen
        device: str | torch.device = "auto",
    ) -> None:
        if not isinstance(getattr(generator, "latent_size", None), int):
            raise InputError(f"generator: expected a module with a latent_size, got {type(generator).__name__}")
        self.config = config
        self.device = pick_device(device)
        self.generator = frozen(generator, self.device)
        self.discriminator = frozen(discriminator, self.device)
        self.encoder = None if encoder is None else frozen(encoder, self.device)
        self._engine = Engine(self.generator, config, self.device)
        self._D = self._differentiable(self.discriminator)
        guided = self.encoder is not None and config.search == "guided"
        self._E = self._differentiable(self.encoder) if guided else None
        drawn, _ = self._engine.generator(torch.zeros(1, generator.latent_size, device=self.device))
        self._image_shape = channels, height, width = tuple(drawn[0].shape)
        if self._E is not None:
            code, _ = self._E(torch.zeros(1, channels + 1, height, width, device=self.device))
            if code.shape != (1, generator.latent_size):
                expected = f"a code (1, {generator.latent_size}) for one image"
                raise InputError(f"encoder: expected {expected}, got {tuple(code.shape)}")

    def _differentiable(self, network: Any) -> Differentiable:
        config = self.config
        return differentiable(network, self.device, config.precision, batch_invariant=config.batch_invariant)

    @classmethod
    def from_pretrained(
        cls,
        folder: Path | str | None = None,
        *,
        config: InpaintConfig = InpaintConfig(),  # noqa: B008 - frozen
        device: str | torch.device = "auto",
    ) -> Inpainter:
        """With the model of a folder, by default the shipped one, of 64x64 faces; ModelError if it is damaged."""
        return cls.of(load_model(folder), config=config, device=device)

    @classmethod
    def of(cls, model: Model, *, config: InpaintConfig, device: str | torch.device = "auto") -> Inpainter:
        """With a model that has been loaded."""
        return cls(model.generator, model.discriminator, encoder=model.encoder, config=config, device=device)

    def warm_up(self, batch: int = 1) -> None:
        """Do beforehand what the first call with a batch of this size would: pack weights, compile, capture graphs.

        It restores such a batch, and takes as long.  Later calls of that size compile nothing, and on a CUDA device the
        search takes no more memory from it.
        """
        if batch < 1:
            raise InputError(f"batch: expected >= 1, got {batch}")
        channels, height, width = self._image_shape
        images = np.zeros((batch, height, width, channels), np.float32)
        self(images, masks.random_pixels((height, width), 0.5))
        # the blend has another way for a rectangle
        rectangle = np.broadcast_to(masks.centre((height, width)), (batch, height, width))
        blended(images, images, rectangle, self.config)

    def __call__(
        self,
        images: Any,
        holes: Any,
        *,
        seed: int | Sequence[int] = 0,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Inpainting:
        """Restore `images` where `holes` are missing.

        images    float in [0, 1] or uint8, of the generator's size; NumPy (H, W, 3) or (B, H, W, 3), torch (3, H, W)
                  or (B, 3, H, W); what they hold inside the hole does not matter
        holes     (H, W), for all images, or (B, H, W); missing where True, float >= 0.5, uint8 >= 128
        seed      of the start; one for all images, or one an image, of which alone an image's result depends
        progress  hears the share that is done, up to 1

        Raises InputError for what does not fit; ModelError, naming the image, if its loss cannot be kept finite.
        Warns of a hole without a pixel: that image comes back as it is.
        """
        batch = ImageBatch.of(images, "images")
        count, height, width, channels = batch.pixels.shape
        if (channels, height, width) != self._image_shape:
            raise InputError(
                f"images: expected {'x'.join(map(str, self._image_shape[1:]))} pixels with {self._image_shape[0]} "
                f"channels, the generator's size, got {height}x{width} with {channels}"
            )
        missing = holes_of(holes, batch.count, height, width)
        check_finite(batch.pixels, missing, "images")
        known = np.where(missing[..., None], 0, batch.unit())
        if known.min() < 0 or known.max() > 1:
            raise InputError(f"images: expected float in [0, 1] or uint8, got {known.min():g} to {known.max():g}")
        seeds = np.full(count, seed).tolist() if np.ndim(seed) == 0 else np.asarray(seed).tolist()
        if len(seeds) != count:
            raise InputError(f"seed: expected one, or one for each of {count} images, got {len(seeds)}")
        if not missing.any(axis=(1, 2)).all():
            warnings.warn("hole: expected a missing pixel, got none: that image comes back as it is", stacklevel=2)

        # a batch of another size may run other kernels, whose sums round otherwise
        networks = [self._engine.generator, self._D, *([] if self._E is None else [self._E])]
        invariant = all(network.batch_invariant for network in networks)
        size = 1 if self.config.batch_invariant and not invariant else count

        def search_from(first: int) -> tuple[Tensor, Tensor, Tensor]:
            part = slice(first, first + size)
            return self._search(
                known[part], missing[part], seeds[part], first, lambda share: progress((first + share * size) / count)
            )

        found = [search_from(first) for first in range(0, count, size)]
        z, generated, losses = (torch.cat(results).cpu().numpy() for results in zip(*found, strict=True))
        generated = np.moveaxis(generated, 1, -1)
        return Inpainting(
            image=batch.filled(blended(known, generated, missing, self.config).clip(0, 1), missing),
            generated=batch.laid_out(batch.rounded(generated)),
            z=like(batch.strip(z), images),
            losses={name: like(batch.strip(loss), images) for name, loss in zip(TERMS, losses.T, strict=True)},
        )

    def _search(
        self,
        known: NDArray[Any],
        missing: NDArray[np.bool_],
        seeds: Sequence[int],
        first: int,
        progress: Callable[[float], None],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """z^ (B, latent_size), T (B, 3, H, W) in [0, 1] and the losses (B, len(TERMS)) of images whose holes hold 0.

        first  number of the first image in the caller's batch
        """
        restarts = self.config.restarts
        images, there, weights = (
            torch.from_numpy(array.astype(np.float32)).to(self.device)
            for array in (
                np.moveaxis(known, -1, 1),
                ~missing,
                weight_map(missing, k=self.config.k, alpha=self.config.alpha),
            )
        )
        guess = None
        if self._E is not None:
            guess, _ = self._E(visible(images, there))
            guess = guess.repeat_interleave(restarts, dim=0)
        images, there, weights = (each.repeat_interleave(restarts, dim=0) for each in (images, there, weights))
        objective = Objective(images, there, weights, self._D, self.config, guess)
        starts = Starts(seeds, restarts, self.generator.latent_size, first, guess)
        z, _ = search(self._engine, objective, starts, progress)
        x, _ = self._engine.generator(z)
        losses = objective.terms(x, z)
        best = starts.best(losses[:, TERMS.index("total")])
        return z[best], to_unit(x[best]), losses[best]
