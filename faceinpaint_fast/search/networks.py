"""The networks of a search, each with its pullback."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from faceinpaint_fast.checks import whole
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.networks.adjoint import TapedNetwork, differentiable
from faceinpaint_fast.networks.products import Product
from faceinpaint_fast.networks.protocols import Differentiable, Discriminator, Encoder, Generator
from faceinpaint_fast.ops.window import Window


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
        Raises InputError for networks that do not fit each other or `protocols`.
        """

        def with_pullback(network: Generator | Discriminator | Encoder) -> Differentiable:
            invariant = config.batch_invariant
            return differentiable(network, device, config.precision, batch_invariant=invariant, product=product)

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(1, *shape, dtype=torch.float32, device=device)

        latent_size = whole(generator.latent_size, "generator.latent_size", least=1)
        G, D = with_pullback(generator), with_pullback(discriminator)
        x = tried(G, zeros(latent_size), "generator", back=True)
        if x.ndim != 4 or len(x) != 1 or min(x.shape[2:]) < Window().size or x.shape[1] == 0:
            images = f"(1, channels, height, width) of at least {Window().size} pixels a side"
            raise InputError(f"generator: expected an image {images} for one code, got {tuple(x.shape)}")
        logit = tried(D, x, "discriminator", back=config.lambda_d > 0)
        if logit.shape != (1,):
            raise InputError(f"discriminator: expected a logit (1,) for one image, got {tuple(logit.shape)}")
        channels, height, width = x.shape[1:]
        E = with_pullback(encoder) if encoder is not None and config.start == "encoder" else None
        if E is not None:
            code = tried(E, zeros(channels + 1, height, width), "encoder")
            if code.shape != (1, latent_size):
                expected = f"a code (1, {latent_size}) for one image"
                raise InputError(f"encoder: expected {expected}, got {tuple(code.shape)}")
        return cls(G, D, E, latent_size, (channels, height, width))

    @property
    def batch_invariant(self) -> bool:
        """Whether an image's bits are the same in batches of any size."""
        networks = (self.generator, self.discriminator, self.encoder)
        return all(network.batch_invariant for network in networks if network is not None)


def tried(network: Differentiable, x: Tensor, name: str, *, back: bool = False) -> Tensor:
    """Returns what a network makes of x; goes the way back too, if asked to, where there is a tape that may be cut.

    Raises InputError, which calls the network by its name, where it fails.
    """
    try:
        y, pull = network(x)
        if back and isinstance(network, TapedNetwork):
            pull(torch.zeros_like(y))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        expected = f"a {'differentiable ' * back}module that takes {tuple(x.shape)} float32"
        raise InputError(f"{name}: expected {expected}, got {type(error).__name__}: {error}") from error
    return y
