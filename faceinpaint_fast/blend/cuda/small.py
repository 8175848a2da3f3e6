"""Small images on a CUDA device: all planes of all images, whatever their holes, blended by one launch.

small/*.cu is the kernel, in which a block solves a plane; memory.cu says how.  Nothing waits for the device but
`Outcome.cycles`, and CuPy is imported with the first launch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from faceinpaint_fast.arrays import to_numpy
from faceinpaint_fast.blend.cuda.launch import expect_solved, plane_arguments, sources, text_of
from faceinpaint_fast.blend.operators import MOST_DEGREE, Operator

SOURCES = sources("small", "memory", "cycle", "hole", "equation", "blend")
# the most rows and columns, and the threads of a block
THREADS = {32: 256, 64: 1024, 128: 1024}


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
        expect_solved(to_numpy(self._reached), self._tolerance)
        return int(to_numpy(self._cycles).max(initial=0))


def fits(height: int, width: int) -> bool:
    """Whether images of this size are small enough for the current device."""
    size = _size(height, width)
    return size is not None and shared_bytes(size) <= _most_shared_bytes()


def blend(
    target: Any, source: Any | None, v: Any | None, missing: Any, operator: Operator, tolerance: float, out: Any
) -> Outcome:
    """Fill `out` with target at the known pixels and F at the missing ones, where F - source meets its equation.

    target, source, v, out
               images (B, H, W, C) on the current device, anywhere in its memory, of uint8 (rounded and clipped),
               float32 or float64; source None: 0.  v is what Poisson's equation has for Laplacian of F - source, None:
               0, as a plate's has to be
    missing    (B or 1, H, W) bool, C-contiguous, on the device; what target holds there is not read.  Where nothing at
               all is known F = source
    operator   E of the equation
    tolerance  largest relative residual of a plane, in float64, beside that of F = source
    """
    count, height, width, channels = target.shape
    size = _size(height, width)
    if size is None:
        raise ValueError(f"size: expected at most {max(THREADS)} rows and columns, got {height} x {width}")
    reached = np.empty_like(missing, np.float64, shape=count * channels)
    cycles = np.empty_like(missing, np.int32, shape=count * channels)
    planes = [number for array in (target, source, v, out) for number in plane_arguments(array)]
    sizes = len(missing), height, width, channels, operator.order, operator.degree
    numbers = operator.flex, operator.pull, operator.depth, tolerance, operator.error
    kernel(size)(
        (count * channels,),
        (THREADS[size],),
        (*planes, missing, *map(np.int32, sizes), *map(np.float64, numbers), reached, cycles),
        shared_mem=shared_bytes(size),
    )
    return Outcome(reached, cycles, tolerance)


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

    module = cupy.RawModule(code=text_of(SOURCES), options=options(size))
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
