"""The weights W of Eq. 7: W(p) = 1 + alpha * (sum of (O - M)(q) over the q in the k x k patch around p) / k^2."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate

from faceinpaint_fast.reference.mask import known_pixels


def weight_map(hole: ArrayLike, *, k: int = 7, alpha: float = 2.0) -> NDArray[np.float64]:
    """Eq. 7 for a hole (H, W) or (B, H, W) -> the same shape.

    Patches are clipped at the border of the image while the divisor stays k^2: beyond it nothing counts as missing.
    """
    if k < 1 or k % 2 == 0:
        raise ValueError(f"k: expected an odd integer >= 1, got {k}")
    missing = (~known_pixels(hole)).astype(np.float64)
    patch = np.ones((1,) * (missing.ndim - 2) + (k, k))
    count = correlate(missing, patch, mode="constant", cval=0.0)
    return 1 + alpha * count / k**2
