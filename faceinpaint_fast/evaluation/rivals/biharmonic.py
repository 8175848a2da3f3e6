"""scikit-image's biharmonic fill: the Laplacian's square vanishes in the hole (Damelin and Hoang 2018)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.extras import of_extra

with of_extra("evaluate"):
    from skimage.restoration import inpaint_biharmonic


def biharmonic(images: NDArray[np.float64], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fills the holes (B, H, W) of images (B, H, W, 3) in [0, 1]; scikit-image clips to the known pixels' range."""
    pairs = zip(images, holes, strict=True)
    return np.stack([inpaint_biharmonic(image, hole, channel_axis=-1) for image, hole in pairs])
