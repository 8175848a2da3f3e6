"""What benchmarks restore: a shipped model, images, a hole, codes to begin at."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast import masks
from faceinpaint_fast.models import DEFAULT, Model, load_model
from faceinpaint_fast.search.optimisers import ATTEMPTS

# each is loaded once, whether it is named or meant
_loaded = cache(load_model)


def model(name: str = DEFAULT) -> Model:
    """Returns the shipped model of that name."""
    return _loaded(name)


def image_shape(name: str = DEFAULT) -> tuple[int, int, int]:
    """Returns (C, H, W) of the model's images."""
    config = model(name).config
    return config.channels, config.size, config.size


def centre_hole(name: str = DEFAULT) -> NDArray[np.bool_]:
    """Returns a hole (H, W) in the middle of the model's images."""
    return masks.centre(image_shape(name)[1:])


def random_images(count: int, name: str = DEFAULT) -> Tensor:
    """Returns images (count, C, H, W) in [0, 1] of independent pixels."""
    return torch.rand(count, *image_shape(name), generator=torch.Generator().manual_seed(0))


def codes(count: int, name: str = DEFAULT) -> Tensor:
    """Returns random codes (ATTEMPTS, B, latent_size), those of the first attempt first."""
    random = torch.Generator().manual_seed(1)
    return torch.randn(ATTEMPTS, count, model(name).config.latent_size, generator=random)
