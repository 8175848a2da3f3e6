"""The hole that a command is asked to fill: by a name, in a picture of its own, or in the damaged picture itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from faceinpaint_fast.picture_file import PictureFile

STDIN = "-"
MOST_MISSING = 0.5  # of a picture, unless its hole is named or forced

Hole = Annotated[
    str,
    typer.Argument(
        help="Picture of the hole, the lighter of its two colours = fill (-: stdin); centre, left, eyes, free-form,"
        " drop-80; alpha, where the damaged picture is transparent; colour:red or colour:#ff0000, where it was painted"
        " over."
    ),
]


def read_hole(
    hole: str, picture: PictureFile, seed: int, *, invert: bool, force: bool
) -> tuple[NDArray[np.bool_], str | None]:
    """Returns the hole (H, W) of a damaged picture, True = missing, and a line that says how large the hole is.

    A hole that has a name is what its name says: there is no line for it.
    Raises InputError, unless forced, for what was read from a picture and is hardly meant to be a hole.
    """
    from faceinpaint_fast import images, masks

    kind, _, colour = hole.partition(":")
    doubt = None
    if hole == "alpha":
        if picture.alpha is None:
            raise InputError("alpha: expected a picture with transparency, got an opaque one")
        missing = masks.of_transparency(images.as_bytes(picture.alpha))
    elif kind in ("colour", "color") and colour:
        missing = masks.of_colour(images.as_bytes(picture.pixels), colour)
    elif hole == STDIN or (not masks.is_name(hole) and _is_path(hole)):
        levels = images.read_grey(sys.stdin.buffer, name="stdin") if hole == STDIN else images.read_grey(hole)
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


def _is_path(text: str) -> bool:
    """Says whether it is a file's path, or looks like one."""
    path = Path(text)
    return path.exists() or path.suffix != "" or path.name != text
