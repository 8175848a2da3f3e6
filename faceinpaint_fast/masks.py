"""Holes: what a user's mask means, cut from a picture or drawn: centre, halves, rectangle, random, free-form.

A hole is True, or white, where the image is missing and to be filled: the convention of every inpainting tool.
The paper's M is its complement, 1 = known; inside the package that array is called `known`.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from faceinpaint_fast.checks import expect_number, in_unit, whole
from faceinpaint_fast.errors import InputError

Side = Literal["left", "right", "top", "bottom"]
MOST_CHANNELS = 4  # of a picture that may be a hole: grey, with or without alpha, or colours
# one hole of each kind, as `draw` calls it, by what a caption calls it
KINDS = {"centre": "centre", "left half": "left", "free-form": "free-form", "80 % dropped": "drop-80"}
CENTRE = ("centre", "center")  # the two spellings
# top, left, height and width in 64ths of the image: both eyes with their brows, and the mouth, where framing.CELEBA_108
# has them, so in a face of 64 pixels these are pixels
FEATURES = {"eyes": (26, 11, 16, 42), "mouth": (50, 18, 13, 28)}
# of a picture of a hole: shares of its pixels.  At least 0.26 of any of 600 faces lie between their extremes, 0.16 at
# most of masks as JPEG files of quality 30 or brought to another size.
MOST_BETWEEN = 0.2
MOST_LEVEL = 0.005
FAINT = 32  # levels apart that a JPEG's noise may be
READ_AT_ONCE = 1 << 18  # pixels of uint8 holes, until it is known what they mean
BRUSH = 64  # levels a channel: half transparent edges, JPEG's noise


def threshold(hole: NDArray[Any], name: str = "hole") -> float | NDArray[Any]:
    """Returns the level from which on a pixel of `hole`, (H, W) or (B, H, W), is missing; see `level`.

    Raises InputError for what is no hole, NaN and floats that are not in [0, 1] among it.
    """
    if np.issubdtype(hole.dtype, np.floating) and hole.size:
        expect_range(float(hole.min()), float(hole.max()), name)
    return level(hole, name)


def level(hole: Any, name: str = "hole") -> Any:
    """Returns what `threshold` does, whatever floats are in the hole; one of CuPy's is not waited for.

    It is 1 for bool; 0.5 for float; 128 for uint8, or 1 where an image's hole holds only 0 and 1: a number, or one an
    image, (B, 1, 1), where images differ.  Raises InputError for any other dtype.
    """
    if hole.dtype == np.bool_:
        return 1
    if hole.dtype == np.uint8:
        if not hole.size:
            return 128
        on_host = isinstance(hole, np.ndarray)
        pixels = hole.reshape(*hole.shape[:-2], -1)
        highest = _highest(pixels) if on_host else pixels.max(axis=-1)
        if on_host and (highest != 1).all():
            return 128
        # an image without a missing pixel is the same by either rule
        if on_host and (highest <= 1).all():
            return 1
        return np.where(highest == 1, np.uint8(1), np.uint8(128))[..., None, None]
    if np.issubdtype(hole.dtype, np.floating):
        return 0.5
    raise InputError(f"{name}: expected bool, uint8 or float, got {hole.dtype}")


def _highest(pixels: NDArray[np.uint8]) -> Any:
    """Returns the highest level of each image (..., pixels), or any above 1: no more is read once all have shown it."""
    step = max(1, READ_AT_ONCE * pixels.shape[-1] // pixels.size)
    highest: Any = pixels[..., :step].max(axis=-1)
    for begin in range(step, pixels.shape[-1], step):
        if (highest > 1).all():
            break
        highest = np.maximum(highest, pixels[..., begin : begin + step].max(axis=-1))
    return highest


def expect_range(low: float, high: float, name: str = "hole") -> None:
    """Raises InputError unless a float hole, by its least and its largest number, is one."""
    # of an array with NaN both are NaN
    if math.isnan(low):
        raise InputError(f"{name}: expected numbers, got NaN")
    if not in_unit(low, high):
        raise InputError(f"{name}: expected float in [0, 1], bool or uint8, got {low:.9g} to {high:.9g}")


def as_hole(hole: NDArray[Any], name: str = "hole") -> NDArray[np.bool_]:
    """Returns `hole` as bool, True = missing; see `threshold`."""
    missing: NDArray[np.bool_] = hole >= threshold(hole, name)
    return missing


def cut(levels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Returns the lighter part of a picture of a hole, grey levels (H, W), as the hole.

    The picture is cut halfway between its darkest and its lightest level, so that any two colours will do.  A picture
    of a single level is missing everywhere or nowhere, by `threshold`.
    """
    low, high = int(levels.min()), int(levels.max())
    return as_hole(levels) if low == high else 2 * levels.astype(np.int64) > low + high


def doubt(levels: NDArray[np.uint8]) -> str | None:
    """Returns why grey levels (H, W) are no picture of a hole; None if they are one: two levels, with edges between.

    Smooth edges and a JPEG's noise leave few pixels between the two levels, and none where neighbours are alike.
    """
    grey = levels.astype(np.int64)
    low, high = int(grey.min()), int(grey.max())
    spread = high - low
    if spread < FAINT and len(np.unique(grey)) != 2:
        return f"one level, {low}" if spread == 0 else f"levels from {low} to {high} alone"
    between = (8 * (grey - low) > spread) & (8 * (high - grey) > spread)
    most, least = (_of_neighbours(levels, each).astype(np.int64) for each in (np.maximum, np.minimum))
    third = between & (32 * (most - least) <= spread)
    if third.mean() > MOST_LEVEL:
        return f"a third level, {int(np.median(grey[third]))}, between {low} and {high}"
    if between.mean() > MOST_BETWEEN:
        return f"{between.mean():.0%} of the pixels between its darkest level, {low}, and its lightest, {high}"
    return None


def of_transparency(alpha: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Returns what is less than half opaque, alpha (H, W) in 0 to 255, as the hole."""
    return alpha < 128


def of_colour(image: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    """Returns what was painted over an image (H, W, 3) in a colour, a name or #rrggbb, as the hole (H, W).

    The hole is every pixel within 64 levels of the colour in each channel, with its neighbours: a brush has soft edges.
    Raises InputError for what is no colour.
    """
    try:
        painted = ImageColor.getrgb(colour)[:3]
    except ValueError:
        raise InputError(f"colour: expected a name or #rrggbb, got {colour!r}") from None
    near = (np.abs(image.astype(np.int64) - painted) <= BRUSH).all(axis=-1)
    return _of_neighbours(np.where(near, 255, 0).astype(np.uint8), np.maximum) > 0


def _of_neighbours(levels: NDArray[np.uint8], choose: np.ufunc) -> NDArray[np.uint8]:
    """Returns what is chosen among each pixel (H, W) and its eight neighbours.

    Pillow's filters would have Python's lock as long, in which no other thread works.
    """
    height, width = levels.shape
    wider = np.pad(levels, 1, mode="edge")
    of_column = choose.reduce([wider[i : i + height] for i in range(3)])
    chosen: NDArray[np.uint8] = choose.reduce([of_column[:, i : i + width] for i in range(3)])
    return chosen


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


def feature(shape: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """Returns the rectangle over a feature, "eyes" or "mouth", of a face in CelebA's framing as a hole (H, W)."""
    if name not in FEATURES:
        raise InputError(f"feature: expected one of {', '.join(FEATURES)}, got {name!r}")
    height, width = sides_of(shape)
    top, left, tall, wide = FEATURES[name]
    # edges are rounded, not widths
    y0, y1 = (round(edge * height / 64) for edge in (top, top + tall))
    x0, x1 = (round(edge * width / 64) for edge in (left, left + wide))
    return rectangle(shape, top=y0, left=x0, height=y1 - y0, width=x1 - x0)


def random_pixels(shape: tuple[int, int], fraction: float, seed: int = 0) -> NDArray[np.bool_]:
    """Returns this fraction of the pixels, rounded to a whole number, each with the same chance, as a hole (H, W)."""
    expect_number(fraction, "fraction", "0 to 1", lambda number: 0 <= number <= 1)
    hole = np.zeros(sides_of(shape), dtype=np.bool_)
    dropped = _random(seed).permutation(hole.size)[: round(fraction * hole.size)]
    hole.flat[dropped] = True
    return hole


def free_form(shape: tuple[int, int], seed: int = 0, *, strokes: int = 4, brush: float = 1 / 12) -> NDArray[np.bool_]:
    """Returns brush strokes that wander over the image as a hole (H, W); their length and width go with its size.

    brush  their width, of the shorter side
    """
    height, width = sides_of(shape)
    strokes, rng = whole(strokes, "strokes", least=1), _random(seed)
    picture = Image.new("L", (width, height))
    draw = ImageDraw.Draw(picture)
    step, brush = min(height, width) / 5, min(height, width) * brush
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


def is_name(name: str) -> bool:
    """Returns whether `draw` knows the name."""
    return name in (*CENTRE, *get_args(Side), *FEATURES, "free-form") or _fraction(name) is not None


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
    """Returns the hole (H, W) of a name.

    Names are centre, left, right, top, bottom, eyes, mouth, free-form, drop-P for P % of the pixels and random:F for a
    fraction of them.
    """
    if name in CENTRE:
        return centre(shape)
    if name in get_args(Side):
        return half(shape, cast(Side, name))
    if name in FEATURES:
        return feature(shape, name)
    if name == "free-form":
        return free_form(shape, seed)
    fraction = _fraction(name)
    if fraction is not None:
        if not 0 <= fraction <= 1:
            raise InputError(f"hole: expected drop-0 to drop-100, or random:0 to random:1, got {name!r}")
        return random_pixels(shape, fraction, seed)
    names = ", ".join(("centre", *get_args(Side), *FEATURES))
    raise InputError(f"hole: expected {names}, free-form, drop-PERCENT or random:FRACTION, got {name!r}")


def _fraction(name: str) -> float | None:
    """Returns the share of the pixels that drop-P or random:F names."""
    if found := re.fullmatch(r"drop-(\d+)", str(name)):
        return int(found[1]) / 100
    found = re.fullmatch(r"random:(\d*\.?\d+)", str(name))
    return float(found[1]) if found else None
