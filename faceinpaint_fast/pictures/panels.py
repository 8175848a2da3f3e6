"""The steps between a damaged image and a restored one as pictures: the panels of Fig. 6, and W."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.blend.gradients import divergence, gradient_fields, merge
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.weight_map import weight_map

NAMES = ("weights", "generated", "gradients", "divergence")


def panels(
    image: NDArray[np.uint8], hole: NDArray[np.bool_], generated: NDArray[np.uint8], config: InpaintConfig
) -> dict[str, NDArray[np.uint8]]:
    """Returns W, G(z^), the merged gradients and their divergence v by NAMES: grey (H, W), of G(z^) (H, W, 3).

    W goes from black, 1, to white, 1 + alpha.  Of the gradients, the mean over channels of the length is shown; of
    the divergence, its mean, with grey for none.
    """
    target, source = image / 255, generated / 255
    merged = merge(gradient_fields(target), gradient_fields(source), hole)
    length = np.hypot(_padded(merged.down, axis=0), _padded(merged.right, axis=1)).mean(axis=-1)
    v = divergence(merged).mean(axis=-1)
    weights = weight_map(hole, k=config.k, alpha=config.alpha)
    pictures = (
        _grey((weights - 1) / config.alpha if config.alpha else weights - 1),
        generated,
        _grey(length / max(length.max(), np.finfo(float).tiny)),
        _grey(0.5 + v / (2 * max(abs(v).max(), np.finfo(float).tiny))),
    )
    return dict(zip(NAMES, pictures, strict=True))


def _padded(differences: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """Returns differences in the image's shape: no edge leaves the last row or column."""
    return np.concatenate([differences, np.zeros_like(np.take(differences, [0], axis))], axis)


def _grey(levels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.round(np.clip(levels, 0, 1) * 255).astype(np.uint8)
