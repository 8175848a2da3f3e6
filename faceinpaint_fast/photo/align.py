"""The frame of a damaged face: its detected points, and where the hole hides some, those of the restored face.

What a detector says of points in the hole is a guess from the smooth fill.  The face is restored in the frame of these
points, and looked at again, until points lie still or a few times; the last frame is kept.  That whose search ended
with the least loss is farther off: at known pixels alone a loss hardly tells frames apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.photo import cv2
from faceinpaint_fast.photo.detect import is_same
from faceinpaint_fast.photo.frame import Floats, window_around
from faceinpaint_fast.photo.paste import Mask

ROUNDS = 6  # of restoring and looking again, at most
STILL = 0.2  # model pixels: points that move less have settled
WIDE = 1.0  # model pixels: what is narrower than twice that hides no point
BESIDE = 2  # pixels from the hole at which a point is still hidden


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A restoration in the frame of points.

    points     (5, 2), in the photograph
    generated  T, (size, size, 3)
    losses     by name, where the search ended
    """

    points: NDArray[np.float64]
    generated: NDArray[np.float32]
    losses: dict[str, float]


def hides(missing: Mask, points: Floats, scale: float) -> bool:
    """Whether a hole (H, W) that is more than a scratch hides one of the points, at so many pixels a model pixel."""
    wide = round(WIDE * scale)
    disc = cv2().getStructuringElement(cv2().MORPH_ELLIPSE, (2 * wide + 1, 2 * wide + 1))
    beside = np.ones((2 * BESIDE + 1, 2 * BESIDE + 1), np.uint8)
    rows, columns = window_around(points, 2 * wide + BESIDE + 1, missing.shape)
    opened = cv2().morphologyEx(missing[rows, columns].astype(np.uint8), cv2().MORPH_OPEN, disc)
    at = np.round(points - (columns.start, rows.start)).astype(int)
    at = np.clip(at, 0, np.array(opened.shape[::-1]) - 1)
    return bool(cv2().dilate(opened, beside)[at[:, 1], at[:, 0]].any())


def settled(
    points: Mapping[int, NDArray[np.float64]],
    scales: Mapping[int, float],
    restore: Callable[[dict[int, NDArray[np.float64]]], dict[int, Attempt]],
    look: Callable[[dict[int, Attempt]], NDArray[np.float64]],
) -> dict[int, Attempt]:
    """Returns the last attempt at each of the faces, by their numbers, whose points (5, 2) are in part hidden.

    scales   of each, the photograph's pixels along one of the model's
    restore  makes the attempts at faces
    look     returns the points (N, 5, 2) that are found in the photograph with these attempts in it
    """
    last: dict[int, Attempt] = {}
    now = dict(points)
    for _ in range(ROUNDS):
        if not now:
            break
        tried = restore(now)
        last |= tried
        seen = look(tried)
        now = {
            face: same[0]
            for face, before in now.items()
            if (same := [each for each in seen if is_same(each, before)])
            and np.abs(same[0] - before).mean() >= STILL * scales[face]
        }
    return last
