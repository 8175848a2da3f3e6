"""The hole of a damaged picture: by a name, in a picture of its own, or in the damaged picture itself."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import images, masks
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.picture_file import PictureFile

MARKS = ("_mask", ".mask")  # what the name of a picture's hole may have behind the picture's
MOST_MISSING = 0.5  # of a picture, unless its hole is named or forced


def read_hole(
    hole: str,
    picture: PictureFile,
    seed: int,
    *,
    invert: bool = False,
    force: bool = False,
    source: BinaryIO | None = None,
) -> tuple[NDArray[np.bool_], str | None]:
    """Returns the hole (H, W) of a damaged picture, True = missing, and a line that says how large the hole is.

    hole    a name as `masks.draw` has it, of which there is no line; alpha, colour:NAME; or a picture's path
    seed    of a hole that is drawn at random
    invert  the hole is what is not
    force   takes a hole that was read from a picture and is hardly meant to be one: InputError otherwise
    source  what the picture of the hole is read from, in place of the path
    """
    doubt = None
    if source is None and hole == "alpha":
        if picture.alpha is None:
            raise InputError("alpha: expected a picture with transparency, got an opaque one")
        missing = masks.of_transparency(images.as_bytes(picture.alpha))
    elif source is None and (colour := _colour(hole)):
        missing = masks.of_colour(images.as_bytes(picture.pixels), colour)
    elif source is not None or (not masks.is_name(hole) and _is_path(hole)):
        levels = images.read_grey(hole) if source is None else images.read_grey(source, name=hole)
        missing, doubt = masks.cut(levels), masks.doubt(levels)
    else:
        missing = masks.draw(hole, picture.levels.shape[:2], seed)
        return ~missing if invert else missing, None
    missing = ~missing if invert else missing
    found = f"{missing.mean():.1%} of the picture to fill, {missing.sum()} of {missing.size} pixels"
    if not missing.any():
        doubt = doubt or "no missing pixel"
    elif missing.mean() > MOST_MISSING:
        doubt = doubt or "more than half of it"
    if doubt and not force:
        raise InputError(f"{hole}: expected a hole in two colours, got {doubt}: {found}; --force to go on")
    return missing, f"{hole}: {found}"


def is_said(hole: str) -> bool:
    """Returns whether a hole is said in words, as a name, alpha or colour:NAME are, and is no picture's path."""
    return masks.is_name(hole) or hole == "alpha" or bool(_colour(hole))


def _colour(hole: str) -> str:
    """Returns the NAME of colour:NAME, in either spelling; of anything else nothing."""
    kind, _, name = hole.partition(":")
    return name if kind in ("colour", "color") else ""


def _is_path(text: str) -> bool:
    """Says whether it is a file's path, or looks like one."""
    path = Path(text)
    return path.exists() or path.suffix != "" or path.name != text
