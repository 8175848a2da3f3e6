"""How the solvers hold images: a plane is one channel of one image, with zeros around it.

Arrays are (planes, H + 2, pitch): a row of zeros above and below, and at least a zero right of the W columns, so that
what lies beyond the border is zero wherever one looks.  The pitch is a multiple of 16 (csrc/blend/pixels.hpp).  Where
planes share fewer holes, plane i has hole i * holes // planes.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np

from faceinpaint_fast import _cpu


def zeros(xp: Any, planes: int, sizes: Iterable[tuple[int, int]], dtype: Any) -> list[Any]:
    """Returns zeros for each (height, width): NumPy's in one piece of memory, rows beginning where cache lines do."""
    shapes = [(planes, height + 2, _cpu.pitch_of(width)) for height, width in sizes]
    if xp is not np:
        return [xp.zeros(shape, dtype) for shape in shapes]
    bounds = [0, *accumulate(prod(shape) for shape in shapes)]
    itemsize = np.dtype(dtype).itemsize
    memory = np.zeros(bounds[-1] * itemsize + 64, np.uint8)
    first = -memory.ctypes.data % 64
    numbers = memory[first : first + bounds[-1] * itemsize].view(dtype)
    return [numbers[a:b].reshape(shape) for (a, b), shape in zip(pairwise(bounds), shapes, strict=True)]


def inside(planes: Any, width: int) -> Any:
    """Returns the view (planes, H, W) of the pixels."""
    return planes[:, 1:-1, :width]
