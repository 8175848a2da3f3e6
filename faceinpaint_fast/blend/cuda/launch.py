"""What kernels of the blends on a CUDA device are made of, take and tell: sources, images, what residuals are left."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.errors import InputError

FOLDER = files("faceinpaint_fast.blend.cuda")
# CuPy hands an integer of 64 bits over as it is
NULL = 0
KINDS = {np.dtype(np.uint8): 0, np.dtype(np.float32): 1, np.dtype(np.float64): 2}


def sources(folder: str, *names: str) -> list[Any]:
    """Returns the files of a source: what all have, and those of a folder."""
    return [FOLDER / f"{name}.cu" for name in ("images", "chebyshev")] + [
        FOLDER / folder / f"{name}.cu" for name in names
    ]


def text_of(files: list[Any]) -> str:
    """Returns the files of a source as one text: the compiler of a running program finds none."""
    return "".join(path.read_text() for path in files)


def plane_arguments(images: Any | None) -> tuple[Any, ...]:
    """Returns images (B, H, W, C) of a type of KINDS, anywhere in memory, as the arguments of PLANE; None: 0."""
    if images is None:
        return NULL, np.int32(0), *[np.int64(0)] * 4
    strides = [np.int64(stride // images.itemsize) for stride in images.strides]
    return images, np.int32(KINDS[images.dtype]), *strides


def expect_solved(reached: NDArray[np.float64], tolerance: float) -> None:
    """Raises if of a plane more than that share of its residual is left.

    An InputError where it is -1: float64 cannot hold the differences of the images' numbers; else an ArithmeticError,
    since float64 does not allow the tolerance.
    """
    if (reached < 0).any():
        raise InputError("target, source: expected numbers whose differences float64 can hold")
    if not (reached <= tolerance).all():
        raise ArithmeticError(f"blend: expected a relative residual of {tolerance:g}, got {reached.max():.2g}")
