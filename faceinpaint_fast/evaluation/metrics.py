"""PSNR and SSIM of a restored image against the truth, on the whole of it and in the hole alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity


@dataclass(frozen=True, slots=True)
class Quality:
    """PSNR in dB and SSIM (Eq. 2); the hole's SSIM is the mean of the map over the missing pixels."""

    psnr: float
    ssim: float
    hole_psnr: float
    hole_ssim: float


def quality(image: NDArray[Any], truth: NDArray[Any], hole: NDArray[np.bool_]) -> Quality:
    """Of an image (H, W, 3) in [0, 1] whose hole (H, W) was filled; NaN in the hole where it is empty."""
    squares = (image.astype(np.float64) - truth) ** 2
    ssim, similarity = structural_similarity(
        image.astype(np.float64),
        truth.astype(np.float64),
        data_range=1,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    missing = hole.any()
    return Quality(
        psnr=_decibel(squares.mean()),
        ssim=float(ssim),
        hole_psnr=_decibel(squares[hole].mean()) if missing else float("nan"),
        hole_ssim=float(similarity[hole].mean()) if missing else float("nan"),
    )


def _decibel(mean_square: float) -> float:
    return float(-10 * np.log10(mean_square)) if mean_square > 0 else float("inf")
