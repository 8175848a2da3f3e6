"""How much each pixel counts: the more of its neighbourhood is missing, the more (Qiang et al. 2019, Eq. 7).

W(p) = 1 + alpha * (sum over q in the k x k patch around p of hole(q)) / k^2
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import _cpu, arrays, checks, masks
from faceinpaint_fast.errors import InputError

PIXELS_PER_THREAD = 1 << 20  # about 0.3 ms of work, several times what starting a thread costs
PICTURE = 32  # rows and columns that a picture has; where there are fewer, few columns are no channels
_COMPILED = (np.uint8, np.float32, np.float64)
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def weight_map(hole: arrays.Array, *, k: int = 7, alpha: float = 2.0) -> arrays.Array:
    """Returns the weights W of Eq. 7, float32, of the same kind as `hole`: (H, W) -> (H, W) or (B, H, W) -> (B, H, W).

        W(p) = 1 + alpha * (sum over q in the k x k patch around p of hole(q)) / k^2        (Qiang et al. 2019, Eq. 7)

    Patches are clipped at the image's border, the divisor stays k^2: W lies between 1 and 1 + alpha.

    hole   missing where True, float >= 0.5, uint8 >= 128 (or 1 where it holds only 0 and 1); NumPy, torch or CuPy;
           (H, W, C) of 32 rows and columns or more, and of four channels or fewer, all equal, is (H, W)
    k      side of the patch in pixels, odd; it may exceed the image
    alpha  slope, in units of the weight of a pixel far from any hole

    Counts are exact and W is rounded once, to float32.  Raises InputError for a hole of another rank or dtype, an empty
    one, an image, floats outside [0, 1] or NaN, for an even k or one below 1, and for an alpha that float32 does not
    hold.
    """
    pixels = masks.plane(arrays.to_numpy(hole, "hole"), planar=arrays.is_torch(hole), smallest=PICTURE)
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise InputError(f"hole: expected shape (H, W) or (B, H, W), none of them 0, got {pixels.shape}")
    k = checks.whole(k, "k", least=1, odd=True)
    checks.expect_number(alpha, "alpha", "a number that float32 holds", lambda number: abs(number) <= _FLOAT32_MAX)

    threshold = masks.threshold(pixels)
    if (pixels.dtype not in _COMPILED and pixels.dtype != np.bool_) or isinstance(threshold, np.ndarray):
        # half precision, a batch of masks in both conventions: rare enough for a pass of its own
        pixels, threshold = pixels >= threshold, 1
    if pixels.dtype == np.bool_:
        pixels = pixels.view(np.uint8)

    height, width = pixels.shape[-2:]
    weights = weighed(pixels.reshape(-1, height, width), threshold, *radius_and_scale(k, alpha, height, width))
    return arrays.like(weights.reshape(pixels.shape), hole)


def radius_and_scale(k: int, alpha: float, height: int, width: int) -> tuple[int, float]:
    """Returns how far a patch reaches to each side within an image, and what a missing pixel of it adds to W."""
    # beyond the image there is nothing to reach, and k may be more than an int64 holds
    return min(k // 2, max(height, width)), float(alpha) * (1 / k**2)


def weighed(pixels: NDArray[Any], threshold: float, radius: int, scale: float) -> NDArray[np.float32]:
    """Returns 1 + scale times the number of pixels of at least `threshold` within radius: (B, H, W) float32.

    pixels  (B, H, W) uint8, float32 or float64
    """
    weights = np.empty(pixels.shape, np.float32)
    _cpu.weight_map(
        np.require(pixels, requirements=["C", "A"]),
        threshold,
        radius,
        scale=scale,
        threads=arrays.threads_for(pixels.size, PIXELS_PER_THREAD),
        out=weights,
    )
    return weights
