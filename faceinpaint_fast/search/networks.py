"""The networks of a search, each with its pullback."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.networks.adjoint import differentiable
from faceinpaint_fast.networks.products import Product
from faceinpaint_fast.networks.protocols import Differentiable, Discriminator, Encoder, Generator


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of a search, on its device.

    generator      codes (B, latent_size) -> images (B, channels, height, width) in [-1, 1]
    discriminator  images -> logits (B,)
    encoder        what is `visible` of images, (B, channels + 1, height, width) -> codes; none: there is no guess
    latent_size    numbers a code
    image_shape    (channels, height, width)
    """

    generator: Differentiable
    discriminator: Differentiable
    encoder: Differentiable | None
    latent_size: int
    image_shape: tuple[int, int, int]

    @classmethod
    def of(
        cls,
        generator: Generator,
        discriminator: Discriminator,
        encoder: Encoder | None,
        config: InpaintConfig,
        device: torch.device,
        product: type[Product] | None = None,
    ) -> Networks:
        """Returns the networks of modules that are frozen and on the device, in the precision that the config asks for.

        The encoder is left out unless the config asks for its guess: this is the one place that decides whether a
        search starts at one.  `product` is what a DCGAN's layers multiply by, if not by what is best on the device.
        Raises InputError for an encoder whose codes are not the generator's.
        """

        def with_pullback(network: Generator | Discriminator | Encoder) -> Differentiable:
            invariant = config.batch_invariant
            return differentiable(network, device, config.precision, batch_invariant=invariant, product=product)

        G, latent_size = with_pullback(generator), generator.latent_size
        x, _ = G(torch.zeros(1, latent_size, device=device))
        channels, height, width = x.shape[1:]
        E = with_pullback(encoder) if encoder is not None and config.start == "encoder" else None
        if E is not None:
            code, _ = E(torch.zeros(1, channels + 1, height, width, device=device))
            if code.shape != (1, latent_size):
                expected = f"a code (1, {latent_size}) for one image"
                raise InputError(f"encoder: expected {expected}, got {tuple(code.shape)}")
        return cls(G, with_pullback(discriminator), E, latent_size, (channels, height, width))

    @property
    def batch_invariant(self) -> bool:
        """Whether an image's bits are the same in batches of any size."""
        networks = (self.generator, self.discriminator, self.encoder)
        return all(network.batch_invariant for network in networks if network is not None)
