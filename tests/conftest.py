"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator

# threads of a small problem cost more than they bring, and much more on a busy machine
torch.set_num_threads(1)

# Triton reads it when it is imported, and nothing has imported it yet: without a GPU its interpreter runs the kernels
os.environ.setdefault("TRITON_INTERPRET", str(int(not torch.cuda.is_available())))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked gpu need a CUDA device."""
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20190101)


@pytest.fixture(autouse=True)
def _nan_in_fresh_memory() -> Iterator[None]:
    """Fill what torch.empty returns with NaN, so that reading it before it was written cannot go unnoticed."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def _lively(network: torch.nn.Module) -> torch.nn.Module:
    """A fresh DCGAN draws flat grey: larger weights and uneven BatchNorm statistics give it something to draw."""
    generator = torch.Generator().manual_seed(7)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            with torch.no_grad():
                # every number of the network is set: its own initialisation drew from the global generator
                fan_in = module.weight[0].numel() if isinstance(module, torch.nn.Conv2d) else module.in_channels * 4
                module.weight.normal_(0, fan_in**-0.5, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        if isinstance(module, torch.nn.BatchNorm2d):
            with torch.no_grad():
                module.weight.uniform_(0.8, 1.2, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


@pytest.fixture(scope="session")
def lively() -> Callable[[torch.nn.Module], torch.nn.Module]:
    """Gives a DCGAN of any size random weights with which it has something to draw."""
    return _lively


@pytest.fixture
def generator() -> DCGANGenerator:
    """A small G with random weights whose images are lively."""
    return _lively(DCGANGenerator(width=4))


@pytest.fixture
def discriminator() -> DCGANDiscriminator:
    """A small D with random weights."""
    return _lively(DCGANDiscriminator(width=4))


@pytest.fixture
def encoder() -> DCGANEncoder:
    """A small encoder with random weights."""
    return _lively(DCGANEncoder(width=4))


def _draw_face(number: int, size: int = 64) -> np.ndarray:
    """A head with one eye, so that its mirror image is another: (size, size, 3) uint8."""
    rng = np.random.default_rng(number)
    picture = Image.new("RGB", (size, size), tuple(rng.integers(0, 100, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([size // 5, size // 8, 4 * size // 5, 7 * size // 8], fill=tuple(rng.integers(120, 255, 3).tolist()))
    draw.ellipse([size // 3, size // 3, 9 * size // 20, 9 * size // 20], fill="black")
    return np.asarray(picture)


@pytest.fixture(scope="session")
def draw_face() -> Callable[..., np.ndarray]:
    return _draw_face


@pytest.fixture(scope="session")
def faces() -> np.ndarray:
    """Sixteen of them: (16, 64, 64, 3) uint8."""
    drawn = np.stack([_draw_face(i) for i in range(16)])
    drawn.flags.writeable = False
    return drawn
