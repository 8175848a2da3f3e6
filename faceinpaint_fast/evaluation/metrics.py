"""PSNR, SSIM and L1 of a restored image against the truth, in the hole alone too, and the seam around it.

A seam is a kink across the hole's boundary.  Of all straight triples (p', p, q) of neighbours with p', p known and q
missing, the mean of |F_q - 2 F_p + F_p'| is taken, less that of the truth, which has kinks of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.extras import of_extra

with of_extra("evaluate"):
    from skimage.metrics import structural_similarity


@dataclass(frozen=True, slots=True)
class Quality:
    """How near an image is to the truth; NaN where there is nothing to take a mean of.

    psnr, ssim            in dB, infinite for the truth itself; and Eq. 2
    hole_psnr, hole_ssim  of the missing pixels: of the SSIM map, the mean over them
    l1                    mean absolute difference on the scale [0, 1]
    seam                  in grey levels of 255; 0 where the boundary shows as in the truth, positive for a seam
    """

    psnr: float
    ssim: float
    hole_psnr: float
    hole_ssim: float
    l1: float
    seam: float


def quality(image: NDArray[Any], truth: NDArray[Any], hole: NDArray[np.bool_]) -> Quality:
    """Returns the quality of an image (H, W, 3) in [0, 1] whose hole (H, W) was filled; an empty hole's is NaN."""
    image, truth = image.astype(np.float64), truth.astype(np.float64)
    squares = (image - truth) ** 2
    ssim, similarity = structural_similarity(
        image,
        truth,
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
        l1=float(abs(image - truth).mean()),
        seam=seam(image, truth, hole),
    )


def seam(image: NDArray[np.float64], truth: NDArray[np.float64], hole: NDArray[np.bool_]) -> float:
    """Returns how much more an image (H, W, C) bends across its hole's boundary than the truth, in levels of 255."""
    found = _bends(image, hole)
    return float(255 * (found.mean() - _bends(truth, hole).mean())) if found.size else float("nan")


def _bends(image: NDArray[np.float64], hole: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns |F_q - 2 F_p + F_p'| of every triple, (N, C)."""
    bends = []
    for lines, missing in ((image, hole), (image.swapaxes(0, 1), hole.T)):
        # p in the middle, q on one of its sides and p' on the other
        triples = ~missing[1:-1] & (missing[:-2] ^ missing[2:])
        bends.append(abs(np.diff(lines, 2, axis=0))[triples])
    return np.concatenate(bends)


def _decibel(mean_square: float) -> float:
    return float(-10 * np.log10(mean_square)) if mean_square > 0 else float("inf")
