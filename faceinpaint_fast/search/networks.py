"""The networks of a search, each with its pullback."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from faceinpaint_fast.checks import whole
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.networks.adjoint import AdjointNetwork, TapedNetwork, cuts_of, differentiable
from faceinpaint_fast.networks.products import Product
from faceinpaint_fast.networks.protocols import Cut, Differentiable, Discriminator, Encoder, Generator
from faceinpaint_fast.ops.window import Window

SAME = 0.05  # of two images in [-1, 1], in bfloat16 too


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of a search, on its device.

    generator      codes (B, latent_size) -> images (B, channels, height, width) in [-1, 1]
    cuts           where it can be cut, from its first layer on
    discriminator  images -> logits (B,)
    encoder        what is `visible` of images, (B, channels + 1, height, width) -> codes; none: there is no guess
    latent_size    numbers a code
    image_shape    (channels, height, width)
    """

    generator: Differentiable
    cuts: tuple[Cut, ...]
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
        Raises InputError for networks that do not fit each other or `protocols`, and for stages that G does not have.
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
        cuts = tried_cuts(generator, G, x, device, config)
        channels, height, width = x.shape[1:]
        E = with_pullback(encoder) if encoder is not None and config.start == "encoder" else None
        if E is not None:
            code = tried(E, zeros(channels + 1, height, width), "encoder")
            if code.shape != (1, latent_size):
                expected = f"a code (1, {latent_size}) for one image"
                raise InputError(f"encoder: expected {expected}, got {tuple(code.shape)}")
        return cls(G, cuts, D, E, latent_size, (channels, height, width))

    def carried_out(self, config: InpaintConfig) -> InpaintConfig:
        """Returns what of a config these networks can do: without a guess, or a place to cut, z alone is searched."""
        return config if self.encoder is not None and self.cuts else config.over_z_alone()

    def beyond(self, layer: int) -> Networks:
        """Returns the networks of a search over the activations behind that layer of G, counted from 1; 0: over z."""
        return replace(self, generator=self.cuts[layer - 1].onward) if layer else self

    @property
    def are_packed(self) -> bool:
        """Whether all are of our own products, beside which torch has little to do."""
        return all(isinstance(network, AdjointNetwork) for network in self._all)

    @property
    def _all(self) -> tuple[Differentiable, ...]:
        networks = (self.generator, self.discriminator, self.encoder)
        return tuple(network for network in networks if network is not None)

    @property
    def batch_invariant(self) -> bool:
        """Whether an image's bits are the same in batches of any size."""
        return all(network.batch_invariant for network in self._all)


def tried_cuts(
    generator: Generator, whole: Differentiable, x: Tensor, device: torch.device, config: InpaintConfig
) -> tuple[Cut, ...]:
    """Returns where G can be cut; x is what it makes of a code of zeros.

    Raises InputError where its `stages` are no modules that make the same of it, and where the config's go beyond them.
    """
    try:
        cuts = cuts_of(generator, whole, device, config.precision)
        u = x.new_zeros(1, generator.latent_size)
        for cut in cuts:
            u = cut.into(u)
        same = not cuts or torch.allclose(cuts[-1].onward(u)[0], x, rtol=0, atol=SAME, equal_nan=True)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        expected = "modules that are the generator, one after the other"
        raise InputError(f"generator.stages: expected {expected}, got {type(error).__name__}: {error}") from error
    if not same:
        raise InputError("generator.stages: expected modules that draw what the generator draws, got other images")
    last = max((stage.layer for stage in config.stages), default=0)
    if cuts and last > len(cuts):
        raise InputError(f"stages: expected layers 1 to {len(cuts)}, behind which the generator can be cut, got {last}")
    return cuts


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
