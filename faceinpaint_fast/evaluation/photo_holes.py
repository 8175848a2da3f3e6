"""Holes of photographs: drawn at a photograph's own pixels, in the frame of its undamaged face."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import masks
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.photo.frame import Floats, Frame, lattice

SIZE = 64  # a frame's pixels, which the numbers here are in, whatever a model draws
MEANS = CELEBA_108.detected_in(SIZE)
MIDDLE = (SIZE - 1) / 2
ALONG = (-24, 45)  # from the eye to the corner of the mouth and beyond, what a scratch goes over
STROKES = 256  # pixels a side of free-form strokes

Mask = NDArray[np.bool_]


def _scratch(half: float) -> Callable[[Floats, np.random.Generator, int], Mask]:
    """Returns what draws a scratch, twice `half` wide, over an eye and a corner of the mouth, give or take."""

    def draw(at: Floats, random: np.random.Generator, seed: int) -> Mask:  # noqa: ARG001 - as the others
        eye, mouth = random.normal(MEANS[[0, 4]], 2)
        along = (mouth - eye) / np.linalg.norm(mouth - eye)
        nearest = eye + np.clip((at - eye) @ along, *ALONG)[..., None] * along
        return np.linalg.norm(at - nearest, axis=-1) < half

    return draw


def _ellipse(x: float, y: float) -> Callable[[Floats, np.random.Generator, int], Mask]:
    return lambda at, *_: (((at - MEANS[0]) / (x, y)) ** 2).sum(axis=-1) < 1


def _rectangle(u: float, v: float, width: float, height: float) -> Callable[[Floats, np.random.Generator, int], Mask]:
    return lambda at, *_: (abs(at - (u, v)) < (width / 2, height / 2)).all(axis=-1)


def _strokes(at: Floats, random: np.random.Generator, seed: int) -> Mask:  # noqa: ARG001
    index = np.clip(np.round((at + 0.5) * STROKES / SIZE - 0.5), 0, STROKES - 1).astype(int)
    return masks.free_form((STROKES, STROKES), seed)[index[..., 1], index[..., 0]]


HOLES: Mapping[str, Callable[[Floats, np.random.Generator, int], Mask]] = {
    "thin scratch": _scratch(0.5),
    "thick scratch": _scratch(3),
    "one eye": _ellipse(9, 7),
    "both eyes": _rectangle(31.7, MEANS[0, 1], 45, 14),
    "nose and mouth": _rectangle(MIDDLE, 51.5, 29, 23),
    "left half": _rectangle(MIDDLE - SIZE / 4, MIDDLE, SIZE / 2, SIZE),
    "free-form": _strokes,
    "60 % dropped": lambda at, random, _: random.random(at.shape[:2]) < 0.6,
}


def draw(name: str, frame: Frame, shape: tuple[int, int], seed: int) -> Mask:
    """Returns the hole of a name (H, W) in a photograph whose face has this frame, of any size, within that square."""
    at = frame.finer(SIZE / frame.size).to_model(lattice(shape))
    inside = (abs(at - MIDDLE) < SIZE / 2).all(axis=-1)
    return np.asarray(inside & HOLES[name](at, np.random.default_rng(seed), seed))
