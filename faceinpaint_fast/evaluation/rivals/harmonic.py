"""The harmonic fill: Laplace's equation in the hole, with the known pixels as boundary.

Laplacian(F) = 0 is section 3.3's Poisson equation for a source without any gradient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.blend.doors import poisson_blend


def harmonic(images: NDArray[np.float64], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fills the holes (B, H, W) of images (B, H, W, 3) in [0, 1]; raises what `poisson_blend` raises."""
    # the solver's last digits may leave the range of the known pixels
    return np.clip(poisson_blend(images, np.zeros_like(images), holes), 0, 1)
