"""The generator G and the discriminator D of DCGAN (Radford et al. 2015), layer by layer; section 3.4.  And an encoder.

Their weights are named as those of `faceinpaint_fast.networks.dcgan`, so that the same model folder fits both.

size   of the images in pixels, 4 times a power of 2: 64 is the paper's
width  number of channels at half that size, twice as many with every further halving, down to 4x4 pixels
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class DCGANGenerator(nn.Module):
    """z (B, latent_size) -> 4x4 -> 8x8 -> ... -> (B, channels, size, size) in [-1, 1]."""

    def __init__(self, *, size: int = 64, width: int = 64, latent_size: int = 100, channels: int = 3) -> None:
        super().__init__()
        self.latent_size = latent_size
        pixels, depth = 4, width * size // 8
        layers = [
            nn.ConvTranspose2d(latent_size, depth, kernel_size=4, bias=False),
            nn.BatchNorm2d(depth),
            nn.ReLU(),
        ]
        while pixels < size // 2:
            layers += [
                nn.ConvTranspose2d(depth, depth // 2, kernel_size=4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(depth // 2),
                nn.ReLU(),
            ]
            pixels, depth = 2 * pixels, depth // 2
        layers += [nn.ConvTranspose2d(depth, channels, kernel_size=4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    @property
    def stages(self) -> list[nn.Module]:
        """The generator in parts, one after the other, each of which ends behind a BatchNorm but the last."""
        ends = [i + 1 for i, layer in enumerate(self.layers) if isinstance(layer, nn.BatchNorm2d)]
        bounds = pairwise([0, *ends, len(self.layers)])
        first, *others = (self.layers[begin:end] for begin, end in bounds)
        return [nn.Sequential(nn.Unflatten(1, (-1, 1, 1)), first), *others]

    def forward(self, z: Tensor) -> Tensor:
        """Returns the images of codes."""
        return self.layers(z[:, :, None, None])


class Halving(nn.Module):
    """(B, inputs, size, size) -> ... -> 8x8 -> 4x4 -> (B, outputs)."""

    def __init__(self, *, inputs: int, size: int, width: int, outputs: int) -> None:
        super().__init__()
        pixels, depth = size // 2, width
        layers = [nn.Conv2d(inputs, depth, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        while pixels > 4:
            layers += [
                nn.Conv2d(depth, 2 * depth, kernel_size=4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(2 * depth),
                nn.LeakyReLU(0.2),
            ]
            pixels, depth = pixels // 2, 2 * depth
        layers += [nn.Conv2d(depth, outputs, kernel_size=4)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the outputs for images."""
        return self.layers(x).flatten(1)


class DCGANDiscriminator(Halving):
    """(B, channels, size, size) in [-1, 1] -> logit (B,); D(x) is its sigmoid."""

    def __init__(self, *, size: int = 64, width: int = 64, channels: int = 3) -> None:
        super().__init__(inputs=channels, size=size, width=width, outputs=1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits of images."""
        return super().forward(x)[:, 0]


class DCGANEncoder(Halving):
    """An image in [-1, 1], 0 where missing, and M: (B, channels + 1, size, size) -> a guessed code (B, latent_size)."""

    def __init__(self, *, size: int = 64, width: int = 64, latent_size: int = 100, channels: int = 3) -> None:
        super().__init__(inputs=channels + 1, size=size, width=width, outputs=latent_size)
