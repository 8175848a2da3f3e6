"""Steps 1 to 3 of section 3.3: the images' gradients, merged by the mask, and the divergence v of the merged field.

Step 4 is `poisson.py`: Laplacian(F) = v at the missing pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Gradients(NamedTuple):
    """Differences along the edges between neighbouring pixels of an image (H, W, C), NumPy or CuPy."""

    down: Any  # (H - 1, W, C)
    right: Any  # (H, W - 1, C)


def gradient_fields(image: Any) -> Gradients:
    """Step 1: returns the gradient of an image (H, W, C)."""
    return Gradients(np.diff(image, axis=0), np.diff(image, axis=1))


def merge(target: Gradients, source: Gradients, hole: Any, *, mixed: bool = False) -> Gradients:
    """Step 2: returns the source's gradient on edges that touch the hole (H, W), the target's elsewhere.

    mixed  on an edge that touches the hole the larger of the two, channel by channel (Perez et al. 2003, Eq. 12)
    """

    def choose(of_target: Any, of_source: Any, inside: Any) -> Any:
        if mixed:
            of_source = np.where(abs(of_target) > abs(of_source), of_target, of_source)
        return np.where(inside[..., None], of_source, of_target)

    return Gradients(
        choose(target.down, source.down, hole[1:] | hole[:-1]),
        choose(target.right, source.right, hole[:, 1:] | hole[:, :-1]),
    )


def divergence(field: Gradients) -> Any:
    """Step 3: returns what flows out of each pixel minus what flows in, (H, W, C); none crosses the image's border."""
    rows, columns = ((0, 0), (1, 1), (0, 0)), ((1, 1), (0, 0), (0, 0))
    down = np.diff(np.pad(field.down, columns), axis=0)
    return down + np.diff(np.pad(field.right, rows), axis=1)
