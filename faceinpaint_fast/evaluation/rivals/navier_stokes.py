"""OpenCV's fill along a fluid's flow.

Bertalmio, Bertozzi and Sapiro 2001, "Navier-Stokes, fluid dynamics, and image and video inpainting".

It works on bytes: what it fills in is a multiple of 1/255.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RADIUS = 3  # pixels around a new one that it is made of


def navier_stokes(images: NDArray[np.float64], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fills the holes (B, H, W) of images (B, H, W, 3) in [0, 1]; raises ImportError where OpenCV is not installed."""
    import cv2

    missing = holes[..., None]
    damaged = np.round(255 * np.where(missing, 0, images)).astype(np.uint8)
    pairs = zip(damaged, holes.astype(np.uint8), strict=True)
    filled = [cv2.inpaint(image, hole, RADIUS, cv2.INPAINT_NS) for image, hole in pairs]
    return np.where(missing, np.divide(filled, 255), images)
