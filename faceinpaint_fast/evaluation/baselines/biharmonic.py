"""scikit-image's biharmonic fill: the Laplacian's square vanishes in the hole (Damelin and Hoang 2018)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import inpaint_biharmonic


def biharmonic(images: NDArray[np.float64], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Images (B, H, W, 3) in [0, 1], holes (B, H, W) -> images; scikit-image clips to the known pixels' range."""
    known = np.where(holes[..., None], 0, images)
    return np.stack([inpaint_biharmonic(*pair, channel_axis=-1) for pair in zip(known, holes, strict=True)])
