"""OpenCV's fast marching fill (Telea 2004, "An image inpainting technique based on the fast marching method").

It works on bytes: what it fills in is a multiple of 1/255.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.extras import of_extra

RADIUS = 3  # pixels around the front that a new one is made of


def telea(images: NDArray[np.float64], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fills the holes (B, H, W) of images (B, H, W, 3) in [0, 1]; raises ImportError where OpenCV is not installed."""
    with of_extra("evaluate"):
        import cv2

    missing = holes[..., None]
    damaged = np.round(255 * np.where(missing, 0, images)).astype(np.uint8)
    pairs = zip(damaged, holes.astype(np.uint8), strict=True)
    filled = [cv2.inpaint(image, hole, RADIUS, cv2.INPAINT_TELEA) for image, hole in pairs]
    return np.where(missing, np.divide(filled, 255), images)
