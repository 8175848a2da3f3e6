"""What benchmarks restore: the shipped model, images, a hole, codes to begin at."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast import masks
from faceinpaint_fast.models import Model, load_model
from faceinpaint_fast.search.optimisers import ATTEMPTS


@cache
def model() -> Model:
    """Returns the shipped model."""
    return load_model()


def image_shape() -> tuple[int, int, int]:
    """Returns (C, H, W) of the shipped model's images."""
    config = model().config
    return config.channels, config.size, config.size


def centre_hole() -> NDArray[np.bool_]:
    """Returns a hole (H, W) in the middle of the shipped model's images."""
    return masks.centre(image_shape()[1:])


def random_images(count: int) -> Tensor:
    """Returns images (count, C, H, W) in [0, 1] of independent pixels."""
    return torch.rand(count, *image_shape(), generator=torch.Generator().manual_seed(0))


def codes(count: int) -> Tensor:
    """Returns random codes (ATTEMPTS, B, latent_size), those of the first attempt first."""
    random = torch.Generator().manual_seed(1)
    return torch.randn(ATTEMPTS, count, model().config.latent_size, generator=random)
