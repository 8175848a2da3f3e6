"""Holes: what a user's mask means, read from a picture or drawn: centre, halves, rectangle, random, free-form.

A hole is True, or white, where the image is missing and to be filled: the convention of every inpainting tool.
The paper's M is its complement, 1 = known; inside the package that array is called `known`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import read_grey

Side = Literal["left", "right", "top", "bottom"]
# one hole of each kind, as `draw` calls it, by what a caption calls it
KINDS = {"centre": "centre", "left half": "left", "free-form": "free-form", "80 % dropped": "drop-80"}


def threshold(hole: NDArray[Any], name: str = "hole") -> float | NDArray[Any]:
    """The level from which on a pixel of `hole`, (H, W) or (B, H, W), is missing.

    True for bool; 0.5 for float; 128 for uint8, or 1 where an image's hole holds only 0 and 1: a number, or one an
    image, (B, 1, 1), where images differ.  Raises InputError for any other dtype and for NaN.
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
        if np.isnan(hole).any():
            raise InputError(f"{name}: expected numbers, got NaN")
        return 0.5
    raise InputError(f"{name}: expected bool, uint8 or float, got {hole.dtype}")


def as_hole(hole: NDArray[Any], name: str = "hole") -> NDArray[np.bool_]:
    """`hole` as bool, True = missing; see `threshold`."""
    missing: NDArray[np.bool_] = hole >= threshold(hole, name)
    return missing


def read_hole(source: Path | str | NDArray[Any], *, invert: bool = False) -> NDArray[np.bool_]:
    """A hole (H, W) from an image file or an array, white = fill; `invert` where black is to be filled."""
    hole = as_hole(source if isinstance(source, np.ndarray) else read_grey(source))
    if hole.ndim != 2:
        raise InputError(f"hole: expected shape (H, W), got {hole.shape}")
    return ~hole if invert else hole


def centre(shape: tuple[int, int], size: int | None = None) -> NDArray[np.bool_]:
    """A centred square of `size` pixels, half the shorter side by default."""
    height, width = shape
    size = min(height, width) // 2 if size is None else size
    return rectangle(shape, top=(height - size) // 2, left=(width - size) // 2, height=size, width=size)


def half(shape: tuple[int, int], side: Side) -> NDArray[np.bool_]:
    """The left, right, top or bottom half."""
    height, width = shape
    if side in ("left", "right"):
        left = 0 if side == "left" else width - width // 2
        return rectangle(shape, top=0, left=left, height=height, width=width // 2)
    if side in ("top", "bottom"):
        top = 0 if side == "top" else height - height // 2
        return rectangle(shape, top=top, left=0, height=height // 2, width=width)
    raise InputError(f"side: expected one of {get_args(Side)}, got {side!r}")


def rectangle(shape: tuple[int, int], *, top: int, left: int, height: int, width: int) -> NDArray[np.bool_]:
    """A rectangle, which must lie within the image."""
    if not (0 <= top < top + height <= shape[0] and 0 <= left < left + width <= shape[1]):
        box = f"rows {top} to {top + height}, columns {left} to {left + width}"
        raise InputError(f"rectangle: expected one within {shape[0]}x{shape[1]}, got {box}")
    hole = np.zeros(shape, dtype=np.bool_)
    hole[top : top + height, left : left + width] = True
    return hole


def random_pixels(shape: tuple[int, int], fraction: float, seed: int = 0) -> NDArray[np.bool_]:
    """This fraction of the pixels, rounded to a whole number, each with the same chance."""
    if not 0 <= fraction <= 1:
        raise InputError(f"fraction: expected 0 to 1, got {fraction}")
    hole = np.zeros(shape, dtype=np.bool_)
    dropped = np.random.default_rng(seed).permutation(hole.size)[: round(fraction * hole.size)]
    hole.flat[dropped] = True
    return hole


def free_form(shape: tuple[int, int], seed: int = 0, *, strokes: int = 4) -> NDArray[np.bool_]:
    """Brush strokes that wander over the image; their length and width go with its size."""
    height, width = shape
    if strokes < 1:
        raise InputError(f"strokes: expected >= 1, got {strokes}")
    rng = np.random.default_rng(seed)
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


def draw(name: str, shape: tuple[int, int], seed: int = 0) -> NDArray[np.bool_]:
    """A hole by its name: centre, left, right, top, bottom, free-form, or drop-P for P per cent of the pixels."""
    if name == "centre":
        return centre(shape)
    if name in get_args(Side):
        return half(shape, cast(Side, name))
    if name == "free-form":
        return free_form(shape, seed)
    percent = name.removeprefix("drop-")
    if percent != name and percent.isdecimal():
        return random_pixels(shape, int(percent) / 100, seed)
    raise InputError(f"hole: expected centre, {', '.join(get_args(Side))}, free-form or drop-PERCENT, got {name!r}")
