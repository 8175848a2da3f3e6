"""DCGAN's generator G and discriminator D (Radford et al. 2015) for images of SIZES, and an encoder of D's layers.

Qiang et al. 2019, section 3.4: z (100) -> 4x4 -> 8x8 -> 16x16 -> 32x32 -> 64x64x3, tanh; D mirrors it.  Images of twice
the size have a layer more, for every DCGAN begins at 4x4 pixels.  `width` is the number of channels at half the size;
there are twice as many with every further halving.  The paper's D ends in a two-class softmax, which equals the one
logit and the sigmoid used here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from faceinpaint_fast.errors import InputError

SIZES = (32, 64, 128, 256)
LATENT_SIZE = 100


class DCGANGenerator(nn.Module):
    """DCGAN's G: (B, latent_size) -> (B, channels, size, size) in [-1, 1]."""

    def __init__(
        self,
        *,
        size: int = 64,
        width: int = 64,
        latent_size: int = LATENT_SIZE,
        channels: int = 3,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.size, self.width, self.latent_size, self.channels = size, width, latent_size, channels
        depths, made = _depths(size, width)[::-1], _made(device)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_size, depths[0], 4, bias=False, **made),
            nn.BatchNorm2d(depths[0], **made),
            nn.ReLU(inplace=True),
        ]
        for before, after in pairwise(depths):
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False, **made),
                nn.BatchNorm2d(after, **made),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(depths[-1], channels, 4, stride=2, padding=1, **made), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, z: Tensor) -> Tensor:
        """Returns the images of codes z (B, latent_size)."""
        return self.layers(z[:, :, None, None])


class DCGANDiscriminator(nn.Module):
    """DCGAN's D: (B, channels, size, size) in [-1, 1] -> logit (B,)."""

    def __init__(
        self, *, size: int = 64, width: int = 64, channels: int = 3, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__()
        self.size, self.width, self.channels = size, width, channels
        self.layers = _halving(channels, size, width, 1, device)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the logits of images x."""
        return self.layers(x)[:, 0, 0, 0]


class DCGANEncoder(nn.Module):
    """An `Encoder` of D's layers: what is `visible` of images, (B, channels + 1, size, size) -> (B, latent_size)."""

    def __init__(
        self,
        *,
        size: int = 64,
        width: int = 64,
        latent_size: int = LATENT_SIZE,
        channels: int = 3,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.size, self.width, self.latent_size, self.channels = size, width, latent_size, channels
        self.layers = _halving(channels + 1, size, width, latent_size, device)

    def forward(self, seen: Tensor) -> Tensor:
        """Returns the codes that it guesses."""
        return self.layers(seen)[:, :, 0, 0]


DCGAN = DCGANGenerator | DCGANDiscriminator | DCGANEncoder


def check_size(size: int) -> None:
    """Raises InputError for a number of pixels that is none of SIZES."""
    if type(size) is not int or size not in SIZES:
        raise InputError(f"size: expected one of {', '.join(map(str, SIZES))}, got {size}")


def _depths(size: int, width: int) -> list[int]:
    """The numbers of channels from half the size to 4x4 pixels."""
    check_size(size)
    # halvings between half the size and 4 pixels
    return [width << i for i in range((size // 8).bit_length())]


def _made(device: torch.device | str) -> dict[str, Any]:
    """Of what every layer is made, whatever torch's defaults are."""
    return {"dtype": torch.float32, "device": device}


def _halving(inputs: int, size: int, width: int, outputs: int, device: torch.device | str) -> nn.Sequential:
    """(B, inputs, size, size) -> (B, outputs, 1, 1)."""
    depths, made = _depths(size, width), _made(device)
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, depths[0], 4, stride=2, padding=1, **made),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    for before, after in pairwise(depths):
        layers += [
            nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False, **made),
            nn.BatchNorm2d(after, **made),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    layers.append(nn.Conv2d(depths[-1], outputs, 4, **made))
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
