"""The whole paper (Qiang et al. 2019) again, plain and slow: the truth that the fast code's parity is measured against.

float64 NumPy and SciPy for the formulas, on images (H, W, C) or (B, H, W, C); eager torch for the networks and the
search.  It shares nothing with the fast code but `faceinpaint_fast.config`.
"""

from faceinpaint_fast.reference.calibration import Calibration, calibrate
from faceinpaint_fast.reference.inpainter import Inpainter, Inpainting, blended
from faceinpaint_fast.reference.losses import (
    context_loss,
    discriminator_loss,
    masked_context_loss,
    masked_structural_loss,
    structural_loss,
    total_loss,
    weighted_l1,
    weighted_l1_gradient,
)
from faceinpaint_fast.reference.mask import known_pixels
from faceinpaint_fast.reference.networks import DCGANDiscriminator, DCGANEncoder, DCGANGenerator
from faceinpaint_fast.reference.objective import objective
from faceinpaint_fast.reference.plate import biharmonic_blend, tension_blend
from faceinpaint_fast.reference.poisson import poisson_blend
from faceinpaint_fast.reference.search import SearchResult, guessed, search, starts
from faceinpaint_fast.reference.ssim import ssim, ssim_gradient, ssim_map, windowed_mean
from faceinpaint_fast.reference.weight_map import weight_map

__all__ = [
    "Calibration",
    "DCGANDiscriminator",
    "DCGANEncoder",
    "DCGANGenerator",
    "Inpainter",
    "Inpainting",
    "SearchResult",
    "biharmonic_blend",
    "blended",
    "calibrate",
    "context_loss",
    "discriminator_loss",
    "guessed",
    "known_pixels",
    "masked_context_loss",
    "masked_structural_loss",
    "objective",
    "poisson_blend",
    "search",
    "ssim",
    "ssim_gradient",
    "ssim_map",
    "starts",
    "structural_loss",
    "tension_blend",
    "total_loss",
    "weight_map",
    "weighted_l1",
    "weighted_l1_gradient",
    "windowed_mean",
]
