"""Images to compare, and how the reference has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch


@pytest.fixture
def images(rng):
    """Two batches that resemble each other, so that SSIM is far from 0, and weights of each image."""

    def drawn(shape, dtype=torch.float64):
        x = rng.random(shape)
        y = np.clip(x + 0.3 * rng.standard_normal(shape), 0, 1)
        w = 1 + 2 * rng.random((shape[0], *shape[2:]))
        return (torch.from_numpy(array).to(dtype) for array in (x, y, w))

    return drawn


@pytest.fixture
def last():
    """Channels last, float64, NumPy's."""
    return lambda tensor: tensor.double().movedim(-3, -1).numpy()
