"""What an equation tells the solver: how far it looks, what its source is to it, and what solves it where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend.operators import Operator

# what solves an equation on the holes of a part, on padded planes (blend/planes.py) of offsets or images
Method = _cpu.Multigrid | _cpu.Plates | _cpu.Rectangle


class Limits(NamedTuple):
    """Which method solves an image of which size."""

    whole: int  # images of so many pixels are solved whole, many holes at a time; larger ones where the hole is
    modes: int  # rectangles of so many rows and columns are solved by their modes, at a cost of n^3
    at_a_time: int  # of so many pixels the arrays of a solution stay in a cache, or are enough to keep a device busy


class Equation(NamedTuple):
    """What F has to meet at the missing pixels.

    name      what an error calls it
    reach     how many pixels away a missing pixel's equation looks
    guided    False: F - source is solved for, following a divergence or 0; True: F is, pulled to the source
    on_cpu    which method solves what there
    method    of what is missing, (holes, h, w), and whether that is a small rectangle: what solves the equation there
    operator  what a CUDA device has to know of it
    """

    name: str
    reach: int
    guided: bool
    on_cpu: Limits
    method: Callable[[Any, bool], Method]
    operator: Operator
