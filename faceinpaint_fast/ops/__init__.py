"""The two image distances of the objective, differentiable: weighted L1 and windowed SSIM."""

from faceinpaint_fast.ops.ssim import ssim
from faceinpaint_fast.ops.weighted_l1 import weighted_l1

__all__ = ["ssim", "weighted_l1"]
