"""A G and a D of 16x16 images, small enough that a search takes no time, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn


class TinyGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.latent_size = 6
        self.layers = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.LeakyReLU(0.5), nn.Linear(12, 3 * 16 * 16))

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.layers(z)).reshape(-1, 3, 16, 16)


class TinyDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 16 * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))[:, 0]


@pytest.fixture
def networks() -> tuple[nn.Module, nn.Module]:
    """In training mode, as a caller may leave them, and with moments that differ from a batch's."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        G, D = TinyGenerator().double(), TinyDiscriminator().double()
        nn.init.normal_(G.layers[3].weight, std=0.5)
        nn.init.normal_(G.layers[1].running_mean, std=0.1)
    return G.train(), D.train()
