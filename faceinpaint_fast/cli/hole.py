"""The hole that a command is asked to fill: as `holes.read_hole` has it, or from stdin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from faceinpaint_fast.picture_file import PictureFile

STDIN = "-"

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
    """Returns the hole (H, W) of a damaged picture, and a line that says how large it is; see `holes.read_hole`."""
    from faceinpaint_fast import holes

    if hole == STDIN:
        return holes.read_hole("stdin", picture, seed, invert=invert, force=force, source=sys.stdin.buffer)
    return holes.read_hole(hole, picture, seed, invert=invert, force=force)
