"""The ops of the search: the image distances, differentiable, weighted L1 and windowed SSIM, and Eq. 7's weights."""

from faceinpaint_fast.ops.ssim import ssim
from faceinpaint_fast.ops.weight_map import weight_map
from faceinpaint_fast.ops.weighted_l1 import weighted_l1

__all__ = ["ssim", "weight_map", "weighted_l1"]
