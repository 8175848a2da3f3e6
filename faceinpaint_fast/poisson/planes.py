"""How the solvers hold images: a plane is one channel of one image, with zeros around it.

Arrays are (planes, H + 2, pitch): a row of zeros above and below, and at least a zero right of the W columns, so that
what lies beyond the border is zero wherever one looks.  The pitch is a multiple of 16.  Where planes share fewer holes,
plane i has hole i * holes // planes.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def zeros(xp: Any, planes: int, height: int, width: int, dtype: Any) -> Any:
    """(planes, height + 2, pitch) zeros of NumPy, there with rows that begin where a cache line does, or CuPy."""
    shape = (planes, height + 2, (width + 16) // 16 * 16)
    if xp is not np:
        return xp.zeros(shape, dtype)
    size = shape[0] * shape[1] * shape[2] * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def inside(planes: Any, width: int) -> Any:
    """The view (planes, H, W) of the pixels."""
    return planes[:, 1:-1, :width]
