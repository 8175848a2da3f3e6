"""Frechet distance of a model's samples to held-out faces, d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

Means m and covariances C are of image features that are taken for Gaussian: Dowson and Landau 1982; Heusel et al. 2017,
Eq. 6.  There the features are those of an Inception network trained on ImageNet.  Here they are two that need no
weights, one of shape and one of colour, so the numbers do not compare with published FIDs.  They compare with the
distance that two halves of the held-out faces have, because the distance grows as images become fewer: all are taken
between sets of one size.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.extras import of_extra
from faceinpaint_fast.networks.dcgan import DCGANGenerator
from faceinpaint_fast.training.samples import samples_of

with of_extra("train"):
    from skimage.feature import hog

CELLS = 4  # across an image: of each the gradients are counted
TILES = 8  # across an image: of each the colour is averaged
LEAST = 3 * TILES**2 + 1  # images whose covariance has the full rank, of colours


def shapes(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns histograms of oriented gradients (Dalal and Triggs 2005): (N, H, W, 3) -> (N, 144).

    They are of 9 angles in 4x4 cells, each normalised by itself.  Blocks of 2x2 cells have 324 numbers and tell less:
    1000 samples of the shipped model were 1.6 times as far from faces as faces are from one another, and 1.8 times
    without blocks.
    """
    height, width = images.shape[1:3]
    options = {"pixels_per_cell": (height // CELLS, width // CELLS), "cells_per_block": (1, 1), "channel_axis": -1}
    return np.stack([hog(image, orientations=9, **options) for image in images])


def colours(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns means over 8x8 tiles, in [0, 1]: (N, H, W, 3) -> (N, 192), H and W multiples of 8."""
    height, width = images.shape[1:3]
    tiles = images.reshape(-1, TILES, height // TILES, TILES, width // TILES, 3)
    return tiles.mean(axis=(2, 4)).reshape(len(images), -1) / 255


FEATURES = {"hog": shapes, "colour": colours}


def distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Returns d^2 between the Gaussians that fit two sets of features, (N, F) and (M, F)."""
    apart = one.mean(axis=0) - other.mean(axis=0)
    # C = R'R, and the singular values of R1 R2' are the square roots of the eigenvalues of C1 C2: that way nothing is
    # squared whose root is taken later, which would leave half of the digits of small ones
    R1, R2 = _factor(one), _factor(other)
    root = torch.linalg.matrix_norm(R1 @ R2.T, "nuc")
    return float(apart @ apart + (R1.square().sum() + R2.square().sum() - 2 * root).item())


def _factor(features: NDArray[np.float64]) -> Tensor:
    centred = features - features.mean(axis=0)
    # torch's, which keeps to the threads that torch was given: on a busy machine NumPy's took a hundred times longer
    return torch.linalg.qr(torch.from_numpy(centred / np.sqrt(len(features) - 1)), mode="r").R


def frechet(
    generator: DCGANGenerator,
    images: NDArray[np.uint8],
    *,
    samples: int = 10_000,
    seed: int = 0,
    device: torch.device,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, float | int]:
    """Returns distances of G's samples to held-out images (N, H, W, 3), and between two halves of these: "..._real".

    A set is half of the images, or `samples` if that is less.  As many whole sets as there are among `samples` are
    drawn; what is returned is their mean distance to the halves.  Halves are every other image, so that several data
    sets are in both alike.  `progress` hears how many samples are done.  Raises InputError if a set has fewer than 193
    images, which leave a covariance of 192 numbers undetermined.
    """
    size = min(len(images) // 2, samples)
    if size < LEAST:
        raise InputError(
            f"data, samples: expected >= {2 * LEAST} faces and >= {LEAST} samples, got {len(images)} and {samples}"
        )
    halves = [_features(images[half::2][:size]) for half in (0, 1)]
    sets = samples // size
    drawn = []
    for batch in samples_of(generator, sets * size, seed, device):
        pixels = batch.mul(255).round().byte().movedim(1, -1).cpu().numpy()
        drawn.append(_features(pixels))
        progress(sum(len(features["hog"]) for features in drawn))
    found: dict[str, float | int] = {"images": 2 * size, "samples": sets * size, "set": size, "seed": seed}
    for name in FEATURES:
        fakes = np.split(np.concatenate([features[name] for features in drawn]), sets)
        real = [features[name] for features in halves]
        found[name] = float(np.mean([distance(*pair) for pair in product(fakes, real)]))
        found[f"{name}_real"] = distance(*real)
    return found


def _features(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    return {name: extract(images) for name, extract in FEATURES.items()}
