"""The generator G and the discriminator D of DCGAN (Radford et al. 2015), layer by layer; section 3.4.  And an encoder.

Their weights are named as those of `faceinpaint_fast.networks.dcgan`, so that the same model folder fits both.
"""

from __future__ import annotations

from torch import Tensor, nn


class DCGANGenerator(nn.Module):
    """z (B, latent_size) -> 4x4 -> 8x8 -> 16x16 -> 32x32 -> (B, 3, 64, 64) in [-1, 1]."""

    def __init__(self, *, width: int = 64, latent_size: int = 100) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(latent_size, 8 * width, kernel_size=4, bias=False),
            nn.BatchNorm2d(8 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(8 * width, 4 * width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 3, kernel_size=4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


class Halving(nn.Module):
    """(B, inputs, 64, 64) -> 32x32 -> 16x16 -> 8x8 -> 4x4 -> (B, outputs)."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, width, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 8 * width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8 * width, outputs, kernel_size=4),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1)


class DCGANDiscriminator(Halving):
    """(B, 3, 64, 64) in [-1, 1] -> logit (B,); D(x) is its sigmoid."""

    def __init__(self, *, width: int = 64) -> None:
        super().__init__(3, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, 0]


class DCGANEncoder(Halving):
    """The image in [-1, 1], 0 where it is missing, and M, (B, 4, 64, 64) -> a guess of its code (B, latent_size)."""

    def __init__(self, *, width: int = 64, latent_size: int = 100) -> None:
        super().__init__(4, width, latent_size)
