"""DCGAN's generator G and discriminator D (Radford et al. 2015), and an encoder of D's layers.

Qiang et al. 2019, section 3.4: z (100) -> 4x4 -> 8x8 -> 16x16 -> 32x32 -> 64x64x3, tanh; D mirrors it.  The paper's
D ends in a two-class softmax, which equals the one logit and the sigmoid used here.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

IMAGE_SIZE = 64
LATENT_SIZE = 100


class DCGANGenerator(nn.Module):
    """DCGAN's G with `width` channels at 32x32: (B, latent_size) -> (B, 3, 64, 64) in [-1, 1]."""

    def __init__(self, *, width: int = 64, latent_size: int = LATENT_SIZE) -> None:
        super().__init__()
        self.latent_size = latent_size
        channels = [8 * width, 4 * width, 2 * width, width]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_size, channels[0], 4, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
        ]
        for before, after in pairwise(channels):
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(channels[-1], 3, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


class DCGANDiscriminator(nn.Module):
    """DCGAN's D with `width` channels at 32x32: (B, 3, 64, 64) in [-1, 1] -> logit (B,)."""

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.layers = _halving(3, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[:, 0, 0, 0]


class DCGANEncoder(nn.Module):
    """An `Encoder` with the layers of DCGAN's D: (B, 4, 64, 64), see `visible` -> (B, latent_size)."""

    def __init__(self, *, width: int = 64, latent_size: int = LATENT_SIZE) -> None:
        super().__init__()
        self.layers = _halving(4, width, latent_size)

    def forward(self, seen: Tensor) -> Tensor:
        return self.layers(seen)[:, :, 0, 0]


DCGAN = DCGANGenerator | DCGANDiscriminator | DCGANEncoder


def _halving(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """(B, inputs, 64, 64) -> (B, outputs, 1, 1), with `width` channels at 32x32."""
    channels = [width, 2 * width, 4 * width, 8 * width]
    layers: list[nn.Module] = [nn.Conv2d(inputs, channels[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
    for before, after in pairwise(channels):
        layers += [
            nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    layers.append(nn.Conv2d(channels[-1], outputs, 4))
    return nn.Sequential(*layers).apply(_initialise)


def _initialise(module: nn.Module) -> None:
    """Radford et al. 2015, section 4: weights from N(0, 0.02^2)."""
    # weights without memory, which a file will replace: drawing them would import torch's compiler, a second
    if any(parameter.is_meta for parameter in module.parameters(recurse=False)):
        return
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
