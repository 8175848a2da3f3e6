"""Total-variation inpainting: of all fills, the one of least total variation.

    min_u  TV(u) = sum_p |(D u)_p|   with u the image at the known pixels

is the noiseless limit of Shen and Chan 2002, "Mathematical models for local nontexture inpaintings".  (D u)_p are the
differences to the next row and the next column, and |.| is the norm over both and over the channels together (Bresson
and Chan 2008), so that edges lie in one place in all channels.  The solver is algorithm 1 of Chambolle and Pock 2011,
"A first-order primal-dual algorithm for convex problems with applications to imaging".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.evaluation.rivals.harmonic import harmonic

Array = NDArray[np.float64]

TOLERANCE = 1e-4  # of the gap, as a share of the harmonic fill's total variation
LIMIT = 50_000  # iterations; half a face takes 3000 to 7000
PERIOD = 50  # iterations between two looks at the gap
# tau sigma |D|^2 <= 1, where |D|^2 < 8; of their ratios, those with 0.05 and 0.2 in place of 0.1 are no faster on faces
TAU = 0.1 / np.sqrt(8)
SIGMA = 10 / np.sqrt(8)


def tv(images: Array, holes: NDArray[np.bool_]) -> Array:
    """Images (B, H, W, 3) in [0, 1], holes (B, H, W) -> images.

    Minimises until the total variation is proven to exceed the least one by no more than 1e-4 of the harmonic fill's.
    Raises InputError where nothing is known of an image.
    """
    filled = harmonic(images, holes)
    for image, hole in zip(filled, holes, strict=True):
        if hole.any():
            planes, window = np.ascontiguousarray(np.moveaxis(image, -1, 0)), _window(hole)
            excess = TOLERANCE * _variation(planes)
            image[window] = np.moveaxis(_minimum(planes[:, *window], hole[window], excess), 0, -1)
    return filled


def _window(hole: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns of the hole (H, W) and one more on each side: no other difference meets it."""
    rows, columns = (slice(max(at.min() - 1, 0), at.max() + 2) for at in np.nonzero(hole))
    return rows, columns


def _minimum(u: Array, hole: NDArray[np.bool_], excess: float) -> Array:
    """The minimiser on planes (3, H, W), from what they hold in the hole (H, W), with this much too much variation."""
    values = u[:, ~hole]
    # cut off at the known pixels' range u has no more variation, so the box changes no minimum but bounds the dual
    low, high = values.min(axis=1)[:, None, None], values.max(axis=1)[:, None, None]
    step = np.where(hole, TAU, 0)
    p, ahead = np.zeros((2, *u.shape)), u
    for iteration in range(LIMIT):
        p += SIGMA * _differences(ahead)
        p *= 1 / np.maximum(_norms(p), 1)
        if iteration % PERIOD == 0 and _variation(u) - _lower_bound(p, u, hole, low, high) <= excess:
            break
        before = u
        u = np.clip(u - step * _transposed(p), low, high)
        ahead = 2 * u - before
    return u


def _lower_bound(p: Array, u: Array, hole: NDArray[np.bool_], low: Array, high: Array) -> float:
    """What TV cannot fall below, from any p (2, 3, H, W) with |p| <= 1: the least <D u, p> of all u in the box.

    TV minus it is the partial primal-dual gap of Chambolle and Pock 2011, section 3.1, over the box; over all u the
    dual is minus infinity wherever D^T p is not exactly 0.
    """
    slope = _transposed(p)
    return float(np.where(hole, np.minimum(slope * low, slope * high), slope * u).sum())


def _variation(u: Array) -> float:
    """TV of planes (3, H, W)."""
    return float(_norms(_differences(u)).sum())


def _differences(u: Array) -> Array:
    """D u: from each pixel of (3, H, W) to the next row and the next column, (2, 3, H, W), 0 at the last."""
    out = np.zeros((2, *u.shape))
    np.subtract(u[:, 1:], u[:, :-1], out=out[0, :, :-1])
    np.subtract(u[:, :, 1:], u[:, :, :-1], out=out[1, :, :, :-1])
    return out


def _transposed(p: Array) -> Array:
    """D^T p of a field (2, 3, H, W) that is 0 at the last row and column, as D's are: (3, H, W)."""
    out = -(p[0] + p[1])
    out[:, 1:] += p[0, :, :-1]
    out[:, :, 1:] += p[1, :, :, :-1]
    return out


def _norms(p: Array) -> Array:
    """|p| at each pixel, (2, 3, H, W) -> (H, W)."""
    return np.sqrt(np.einsum("dchw,dchw->hw", p, p))
