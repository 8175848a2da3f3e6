"""The bounds of Eq. 5 and 6, measured as in Fig. 4: mean -+ 3 std of SSIM and L1 between test and generated images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from faceinpaint_fast.config import Normalization
from faceinpaint_fast.reference.losses import weighted_l1
from faceinpaint_fast.reference.ssim import ssim


@dataclass(frozen=True, slots=True)
class Calibration:
    """The bounds, and the moments that they are made of; std is the population's."""

    normalization: Normalization
    ssim_mean: float
    ssim_std: float
    l1_mean: float
    l1_std: float


def calibrate(images: ArrayLike, generated: ArrayLike) -> Calibration:
    """Fig. 4 over every pair of an image (N, H, W, C) and a generated one (K, H, W, C), whole, in [0, 1]."""
    images, generated = np.asarray(images, np.float64), np.asarray(generated, np.float64)
    everywhere = np.ones(images.shape[1:3])
    similarities, norms = [], []
    for image in images:
        for sample in generated:
            similarities.append(ssim(image, sample))
            norms.append(weighted_l1(image, sample, everywhere))
    s_mean, s_std = float(np.mean(similarities)), float(np.std(similarities))
    c_mean, c_std = float(np.mean(norms)), float(np.std(norms))
    bounds = Normalization(s_mean - 3 * s_std, s_mean + 3 * s_std, c_mean - 3 * c_std, c_mean + 3 * c_std)
    return Calibration(bounds, s_mean, s_std, c_mean, c_std)
