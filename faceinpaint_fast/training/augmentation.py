"""Differentiable augmentation (Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training").

    max_D E[log D(A(x))] + E[log(1 - D(A(G(z))))],  and G learns through A as well: real and generated faces are
changed alike, so D cannot know the real ones by heart, and G is not taught to draw what A does.  A changes colours,
shifts, and blots out a square, each as the authors have it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHIFT = 1 / 8  # of a side, at most, to either side
SQUARE = 1 / 2  # of a side: what is blotted out


def augmented(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Returns A(x) for images (B, C, H, W) in [-1, 1], each changed by its own draw; 0 lies where nothing is left."""
    return blotted(shifted(coloured(x, rng), rng), rng)


def coloured(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Returns images with another brightness, saturation and contrast."""
    brightness, saturation, contrast = _on(x, rng.random((3, len(x), 1, 1, 1)))
    x = x + (brightness - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (2 * saturation) + grey
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def shifted(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Returns images that moved by whole pixels, 0 where nothing came from."""
    moves = []
    for side in x.shape[2:]:
        most = round(side * SHIFT)
        place = torch.arange(side, device=x.device)
        source = place - _on(x, rng.integers(-most, most + 1, (len(x), 1)))
        # a matrix an image, which takes each row, or column, from where it was
        moves.append((source[:, :, None] == place).to(x.dtype))
    down, across = moves
    return torch.einsum("bij,bcjk,blk->bcil", down, x, across)


def blotted(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Returns images with a square of 0, which may lie over the border."""
    within = []
    for side in x.shape[2:]:
        middle = _on(x, rng.integers(0, side + 1, (len(x), 1)))
        within.append((torch.arange(side, device=x.device) + 0.5 - middle).abs() < side * SQUARE / 2)
    rows, columns = within
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _on(x: Tensor, values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values).to(x.device, x.dtype)
