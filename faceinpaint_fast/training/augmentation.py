"""Differentiable augmentation (Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training").

    max_D E[log D(A(x))] + E[log(1 - D(A(G(z))))],  and G learns through A as well: real and generated faces are
changed alike, so D cannot know the real ones by heart, and G is not taught to draw what A does.  A changes colours,
shifts, and blots out a square, each as the authors have it.
"""

from __future__ import annotations

import torch
from torch import Tensor

DRAWS = 7  # numbers that decide what becomes of an image
SHIFT = 1 / 8  # of a side, at most, to either side
SQUARE = 1 / 2  # of a side: what is blotted out


def augmented(x: Tensor, draws: Tensor) -> Tensor:
    """Returns A(x) for images (B, C, H, W) in [-1, 1]; 0 lies where nothing is left.

    draws  (B, DRAWS) in [0, 1): each image's brightness, saturation and contrast, how far it moves down and across, and
           where its square lies
    """
    return blotted(shifted(coloured(x, draws[:, :3]), draws[:, 3:5]), draws[:, 5:])


def coloured(x: Tensor, draws: Tensor) -> Tensor:
    """Returns images with another brightness, saturation and contrast."""
    brightness, saturation, contrast = draws.to(x.dtype)[:, :, None, None, None].unbind(dim=1)
    x = x + (brightness - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (2 * saturation) + grey
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def shifted(x: Tensor, draws: Tensor) -> Tensor:
    """Returns images that moved by whole pixels, 0 where nothing came from."""
    moves = []
    for side, draw in zip(x.shape[2:], draws.unbind(dim=1), strict=True):
        most = round(side * SHIFT)
        by = (draw * (2 * most + 1)).floor() - most
        place = torch.arange(side, device=x.device)
        source = place - by[:, None]
        # a matrix an image, which takes each row, or column, from where it was
        moves.append((source[:, :, None] == place).to(x.dtype))
    down, across = moves
    return torch.einsum("bij,bcjk,blk->bcil", down, x, across)


def blotted(x: Tensor, draws: Tensor) -> Tensor:
    """Returns images with a square of 0, which may lie over the border."""
    within = []
    for side, draw in zip(x.shape[2:], draws.unbind(dim=1), strict=True):
        middle = (draw * (side + 1)).floor()[:, None]
        within.append((torch.arange(side, device=x.device) + 0.5 - middle).abs() < side * SQUARE / 2)
    rows, columns = within
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])
