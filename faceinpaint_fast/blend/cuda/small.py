"""Small images on a CUDA device: all planes of all images, whatever their holes, blended by one launch.

small/*.cu is the kernel, in which a block solves a plane; memory.cu says how.  Nothing waits for the device but
`Outcome.cycles`, and CuPy is imported with the first launch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from faceinpaint_fast.arrays import to_numpy
from faceinpaint_fast.errors import InputError

FOLDER = files("faceinpaint_fast.blend.cuda") / "small"
SOURCES = [FOLDER / f"{name}.cu" for name in ("memory", "cycle", "hole", "equation", "blend")]
# the most rows and columns, and the threads of a block
THREADS = {32: 256, 64: 1024, 128: 1024}
KINDS = {np.dtype(np.uint8): 0, np.dtype(np.float32): 1, np.dtype(np.float64): 2}
# the largest number of the error, as a share of the correction, for a relative residual of 1: Poisson's, a plate's
ERROR = {1: 10.0, 2: 100.0}
# the preconditioner's polynomial is to be so close to 1 / sqrt(flex A + pull); if it takes more than this degree, for a
# tension below 0.1, it is two cycles instead
CLOSE, MOST_DEGREE = 0.15, 8
# A's largest eigenvalue
LARGEST = 8
# CuPy hands an integer of 64 bits over as it is
NULL = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each plane, on the device: the share of its residual that is left, and how many cycles it took."""

    _reached: Any
    _cycles: Any
    _tolerance: float

    def cycles(self) -> int:
        """The most that a plane took.  Waits for the device.

        Raises InputError where float64 cannot hold the differences of the images' numbers, and ArithmeticError where it
        does not allow the tolerance.
        """
        reached, cycles = to_numpy(self._reached), to_numpy(self._cycles)
        if (reached < 0).any():
            raise InputError("target, source: expected numbers whose differences float64 can hold")
        if not (reached <= self._tolerance).all():
            got = float(reached.max())
            raise ArithmeticError(f"blend: expected a relative residual of {self._tolerance:g}, got {got:.2g}")
        return int(cycles.max(initial=0))


def fits(height: int, width: int) -> bool:
    """Whether images of this size are small enough for the current device."""
    size = _size(height, width)
    return size is not None and shared_bytes(size) <= _most_shared_bytes()


@dataclass(frozen=True, slots=True)
class Plate:
    """What a plate's equation asks for (blend/plate.py): its tension, 0 for the biharmonic one, and DEPTH."""

    tension: float
    depth: float


def blend(
    target: Any, source: Any | None, v: Any | None, missing: Any, plate: Plate | None, tolerance: float, out: Any
) -> Outcome:
    """Fill `out` with target at the known pixels and F at the missing ones, where F - source meets an equation.

    target, source, v, out
               images (B, H, W, C) on the current device, anywhere in its memory, of uint8 (rounded and clipped),
               float32 or float64; source None: 0.  v is what Poisson's equation has for Laplacian of F - source, None:
               0, as a plate's has to be
    missing    (B or 1, H, W) bool, C-contiguous, on the device; what target holds there is not read.  Where nothing at
               all is known F = source
    plate      None: Poisson's equation
    tolerance  largest relative residual of a plane, in float64, beside that of F = source
    """
    count, height, width, channels = target.shape
    size = _size(height, width)
    if size is None:
        raise ValueError(f"size: expected at most {max(THREADS)} rows and columns, got {height} x {width}")
    reached = np.empty_like(missing, np.float64, shape=count * channels)
    cycles = np.empty_like(missing, np.int32, shape=count * channels)
    planes = [number for array in (target, source, v, out) for number in _plane(array)]
    order, tension = (1, 0.0) if plate is None else (2, plate.tension)
    sizes = len(missing), height, width, channels, order, 0 if plate is None else degree_of(tension)
    share_of_depth = 0.0 if plate is None else tension / plate.depth**2
    numbers = 1 / (1 + tension), tension / (1 + tension), share_of_depth, tolerance, ERROR[order]
    kernel(size)(
        (count * channels,),
        (THREADS[size],),
        (*planes, missing, *map(np.int32, sizes), *map(np.float64, numbers), reached, cycles),
        shared_mem=shared_bytes(size),
    )
    return Outcome(reached, cycles, tolerance)


def degree_of(tension: float) -> int:
    """The degree of the preconditioner's polynomial; 0: it has none."""
    if tension == 0:
        return 0
    root = math.sqrt(LARGEST / tension + 1)
    # by which each degree brings an interpolation at Chebyshev's zeros closer
    rate = (root - 1) / (root + 1)
    degree = max(math.ceil(math.log(CLOSE) / math.log(rate)) - 1, 1)
    return degree if degree <= MOST_DEGREE else 0


def shared_bytes(size: int) -> int:
    """What a block needs of shared memory: see `room` in memory.cu."""
    coarse = (size * size - 1) // 3 + 1
    return 8 * (size * size + 3 * THREADS[size] // 32) + 4 * (3 * coarse + MOST_DEGREE + 1)


def kernel(size: int) -> Any:
    """The kernel for images of so many rows and columns, to be called with (grid, block, arguments, shared_mem)."""
    import cupy

    return _kernel(size, cupy.cuda.Device().id)


@cache
def _kernel(size: int, _device: int) -> Any:
    import cupy

    source = "".join(path.read_text() for path in SOURCES)
    module = cupy.RawModule(code=source, options=options(size))
    function = module.get_function("blend_small")
    # more than 48 KB have to be asked for, on each device
    function.max_dynamic_shared_size_bytes = shared_bytes(size)
    return function


def options(size: int) -> tuple[str, ...]:
    """The compiler's."""
    return "-std=c++17", f"-DSIZE={size}", f"-DTHREADS={THREADS[size]}"


def _size(height: int, width: int) -> int | None:
    return next((size for size in THREADS if max(height, width) <= size), None)


def _most_shared_bytes() -> int:
    import cupy

    return int(cupy.cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"])


def _plane(images: Any | None) -> tuple[Any, ...]:
    """The arguments of the kernel's PLANE."""
    if images is None:
        return NULL, np.int32(0), *[np.int64(0)] * 4
    strides = [np.int64(stride // images.itemsize) for stride in images.strides]
    return images, np.int32(KINDS[images.dtype]), *strides
