"""Holes: what a user's mask means, read from a picture or drawn: centre, halves, rectangle, random, free-form.

A hole is True, or white, where the image is missing and to be filled: the convention of every inpainting tool.
The paper's M is its complement, 1 = known; inside the package that array is called `known`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from faceinpaint_fast.checks import expect_number, in_unit, whole
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import read_grey

Side = Literal["left", "right", "top", "bottom"]
MOST_CHANNELS = 4  # of a picture that may be a hole: grey, with or without alpha, or colours
# one hole of each kind, as `draw` calls it, by what a caption calls it
KINDS = {"centre": "centre", "left half": "left", "free-form": "free-form", "80 % dropped": "drop-80"}


def threshold(hole: NDArray[Any], name: str = "hole") -> float | NDArray[Any]:
    """Returns the level from which on a pixel of `hole`, (H, W) or (B, H, W), is missing.

    It is 1 for bool; 0.5 for float; 128 for uint8, or 1 where an image's hole holds only 0 and 1: a number, or one an
    image, (B, 1, 1), where images differ.  Raises InputError for any other dtype, for NaN and for floats that are not
    in [0, 1].
    """
    if hole.dtype == np.bool_:
        return 1
    if hole.dtype == np.uint8:
        highest = hole.reshape(*hole.shape[:-2], -1).max(axis=-1) if hole.size else np.zeros(hole.shape[:-2], np.uint8)
        if (highest != 1).all():
            return 128
        # an image without a missing pixel is the same by either rule
        return 1 if (highest <= 1).all() else np.where(highest == 1, 1, 128)[..., None, None]
    if np.issubdtype(hole.dtype, np.floating):
        # of an array with NaN both are NaN
        low, high = (float(hole.min()), float(hole.max())) if hole.size else (0.0, 0.0)
        if math.isnan(low):
            raise InputError(f"{name}: expected numbers, got NaN")
        if not in_unit(low, high):
            raise InputError(f"{name}: expected float in [0, 1], bool or uint8, got {low:.9g} to {high:.9g}")
        return 0.5
    raise InputError(f"{name}: expected bool, uint8 or float, got {hole.dtype}")


def as_hole(hole: NDArray[Any], name: str = "hole") -> NDArray[np.bool_]:
    """Returns `hole` as bool, True = missing; see `threshold`."""
    missing: NDArray[np.bool_] = hole >= threshold(hole, name)
    return missing


def plane(hole: NDArray[Any], *, planar: bool, smallest: int = MOST_CHANNELS + 1) -> NDArray[Any]:
    """Returns a hole without the channels that cv2 and PIL give it: (H, W, C) -> (H, W), (B, H, W, C) -> (B, H, W).

    Any other array is returned as it is.  Raises InputError where channels differ, as those of an image do.

    planar    the channels of a batch come before its rows, as torch has them: (B, C, H, W)
    smallest  rows and columns of a picture; with fewer, (B, H, W) are holes of MOST_CHANNELS columns or fewer
    """
    if hole.ndim not in (3, 4):
        return hole
    last = np.moveaxis(hole, -3, -1) if planar and hole.ndim == 4 else hole
    *_, height, width, channels = last.shape
    if not 1 <= channels <= MOST_CHANNELS or min(height, width) < smallest:
        return hole
    # NaN, which is unlike itself, is told as such by the threshold
    if not ((last == last[..., :1]) | (last != last)).all():
        raise InputError(f"hole: expected one channel, or equal ones, got {hole.shape} that differ, as an image's do")
    return last[..., 0]


def read_hole(source: Path | str | NDArray[Any], *, invert: bool = False) -> NDArray[np.bool_]:
    """Returns the hole (H, W) of an image file or an array, white = fill; `invert` where black is to be filled."""
    hole = as_hole(plane(source, planar=False) if isinstance(source, np.ndarray) else read_grey(source))
    if hole.ndim != 2:
        raise InputError(f"hole: expected shape (H, W), got {hole.shape}")
    return ~hole if invert else hole


def centre(shape: tuple[int, int], size: int | None = None) -> NDArray[np.bool_]:
    """Returns a centred square of `size` pixels, by default half the shorter side, as a hole (H, W)."""
    height, width = sides_of(shape)
    size = min(height, width) // 2 if size is None else whole(size, "size")
    return rectangle(shape, top=(height - size) // 2, left=(width - size) // 2, height=size, width=size)


def half(shape: tuple[int, int], side: Side) -> NDArray[np.bool_]:
    """Returns the left, right, top or bottom half as a hole (H, W)."""
    height, width = sides_of(shape)
    if side in ("left", "right"):
        left = 0 if side == "left" else width - width // 2
        return rectangle(shape, top=0, left=left, height=height, width=width // 2)
    if side in ("top", "bottom"):
        top = 0 if side == "top" else height - height // 2
        return rectangle(shape, top=top, left=0, height=height // 2, width=width)
    raise InputError(f"side: expected one of {get_args(Side)}, got {side!r}")


def rectangle(shape: tuple[int, int], *, top: int, left: int, height: int, width: int) -> NDArray[np.bool_]:
    """Returns a rectangle as a hole (H, W); raises InputError unless it lies within the image."""
    rows, columns = sides_of(shape)
    named = {"top": top, "left": left, "height": height, "width": width}
    top, left, height, width = (whole(value, name) for name, value in named.items())
    if not (0 <= top < top + height <= rows and 0 <= left < left + width <= columns):
        box = f"rows {top} to {top + height}, columns {left} to {left + width}"
        raise InputError(f"rectangle: expected one within {rows}x{columns}, got {box}")
    hole = np.zeros((rows, columns), dtype=np.bool_)
    hole[top : top + height, left : left + width] = True
    return hole


def random_pixels(shape: tuple[int, int], fraction: float, seed: int = 0) -> NDArray[np.bool_]:
    """Returns this fraction of the pixels, rounded to a whole number, each with the same chance, as a hole (H, W)."""
    expect_number(fraction, "fraction", "0 to 1", lambda number: 0 <= number <= 1)
    hole = np.zeros(sides_of(shape), dtype=np.bool_)
    dropped = _random(seed).permutation(hole.size)[: round(fraction * hole.size)]
    hole.flat[dropped] = True
    return hole


def free_form(shape: tuple[int, int], seed: int = 0, *, strokes: int = 4) -> NDArray[np.bool_]:
    """Returns brush strokes that wander over the image as a hole (H, W); their length and width go with its size."""
    height, width = sides_of(shape)
    strokes, rng = whole(strokes, "strokes", least=1), _random(seed)
    picture = Image.new("L", (width, height))
    draw = ImageDraw.Draw(picture)
    step, brush = min(height, width) / 5, min(height, width) / 12
    for _ in range(strokes):
        point = rng.uniform(0.15, 0.85, 2) * (width, height)
        angle = rng.uniform(0, 2 * np.pi)
        for _ in range(rng.integers(3, 7)):
            angle += rng.normal(0, 0.8)
            end = np.clip(point + step * np.array([np.cos(angle), np.sin(angle)]), 0, (width - 1, height - 1))
            draw.line([*point, *end], fill=255, width=max(1, round(brush)))
            # a round joint: lines alone leave notches where they meet
            draw.ellipse([*(end - brush / 2), *(end + brush / 2)], fill=255)
            point = end
    return np.asarray(picture) > 0


def sides_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Returns an image's height and width; raises InputError for what is not two whole numbers above 0."""
    try:
        height, width = shape
    except (TypeError, ValueError):
        raise InputError(f"shape: expected (height, width), got {shape!r}") from None
    return whole(height, "height", least=1), whole(width, "width", least=1)


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(whole(seed, "seed", least=0))


def draw(name: str, shape: tuple[int, int], seed: int = 0) -> NDArray[np.bool_]:
    """Returns the hole (H, W) of a name: centre, left, right, top, bottom, free-form, or drop-P for P %."""
    if name == "centre":
        return centre(shape)
    if name in get_args(Side):
        return half(shape, cast(Side, name))
    if name == "free-form":
        return free_form(shape, seed)
    percent = name.removeprefix("drop-") if isinstance(name, str) else ""
    if percent != name and percent.isdecimal():
        if int(percent) > 100:
            raise InputError(f"hole: expected drop-0 to drop-100, got {name!r}")
        return random_pixels(shape, int(percent) / 100, seed)
    raise InputError(f"hole: expected centre, {', '.join(get_args(Side))}, free-form or drop-PERCENT, got {name!r}")
