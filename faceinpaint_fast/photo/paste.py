"""The hole of a photograph: filled smoothly for whoever looks at it, and filled with a face by the tension blend.

A plate's tension is for pixels: where the same face has twice as many along a side, a quarter of it does the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceinpaint_fast.blend.doors import tension_blend
from faceinpaint_fast.photo import cv2
from faceinpaint_fast.photo.frame import Floats, Frame, Window

Mask = NDArray[np.bool_]

SMOOTH = 0.01 * 335 * 410  # tension times pixels of the photograph: of the smooth fill
PULL = 1.0  # tension times pixels to a square model pixel: of a face's blend
GONE = 0.95  # of a model pixel missing: nothing is known of it
REACH = 4  # pixels around a hole that its blend may look at
FADING = 0.25  # of a frame's half side, beyond its border, in which a face goes over into the smooth fill
NEAR, STEEP = 0.1, 8.0  # how the parts of faces go over into each other: by powers of the depth in their frames


def smooth(damaged: Floats, missing: Mask) -> NDArray[np.float32]:
    """Returns a photograph (H, W, 3) whose hole (H, W) holds 0 with a smooth fill: the blend alone."""
    return blended(damaged, np.zeros_like(damaged), missing, tension=SMOOTH / missing.size)


def blended(damaged: Floats, source: Floats, missing: Mask, *, tension: float) -> NDArray[np.float32]:
    """Returns a photograph (H, W, 3) in [0, 1] whose hole is filled with a source by the tension blend."""
    if not missing.any():
        return damaged.astype(np.float32)
    if missing.all():
        return source.astype(np.float32)
    return np.asarray(tension_blend(damaged, source.astype(np.float32), missing, tension=tension)).clip(0, 1)


def is_thin(missing: Mask, frame: Frame) -> bool:
    """Whether a hole (H, W) leaves something known to nearly every pixel of the model's and its eight neighbours."""
    gone = (frame.drawn(missing, Image.Resampling.BOX) > GONE).astype(np.uint8)
    return not cv2().erode(gone, np.ones((3, 3), np.uint8)).any()


def parts_of(missing: Mask, frames: Sequence[Frame]) -> list[Mask]:
    """Returns of each frame the parts of the hole (H, W) that reach into it, each whole, as far as they go."""
    _, labels = cv2().connectedComponents(missing.astype(np.uint8), connectivity=8)
    rows, columns = np.nonzero(missing)
    at, of_each = np.stack([columns, rows], axis=-1).astype(np.float64), labels[rows, columns]
    found = []
    for frame in frames:
        touched = np.zeros(labels.max() + 1, np.bool_)
        touched[of_each[frame.depth(at) < 1]] = True
        touched[0] = False
        found.append(touched[labels])
    return found


def composed(smooth: Floats, faces: Iterable[tuple[Frame, Window, Mask, Floats]]) -> NDArray[np.float32]:
    """Returns a photograph (H, W, 3) with faces in their parts of the hole.

    Each has its frame in the photograph, and a window of it with its part (h, w) and what is there now, (h, w, 3).
    Beyond its frame, where a model draws nothing, a part soon is the smooth fill.  Where the parts of several overlap,
    a pixel is the more of a face's the deeper it lies in that one's frame.
    """
    image, total = np.zeros(smooth.shape, np.float32), np.zeros(smooth.shape[:2], np.float32)
    for frame, (rows, columns), part, restored in faces:
        inside = np.nonzero(part)
        y, x = inside[0] + rows.start, inside[1] + columns.start
        depth = frame.depth(np.stack([x, y], axis=-1).astype(np.float64))
        beyond = ((depth - 1) / FADING).clip(0, 1)[:, None]
        weight = (NEAR + depth) ** -STEEP
        image[y, x] += weight[:, None] * ((1 - beyond) * restored[inside] + beyond * smooth[y, x])
        total[y, x] += weight
    filled = np.nonzero(total)
    shared = image[filled] / total[filled][:, None]
    image[:] = smooth
    image[filled] = shared
    return image
