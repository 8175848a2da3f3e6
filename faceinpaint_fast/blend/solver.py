"""An equation on the missing pixels of images, F known elsewhere: solved where, and by which method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import module_of, threads_for
from faceinpaint_fast.blend.conjugate_gradients import Multigrid
from faceinpaint_fast.blend.cuda import kernels as cuda_kernels
from faceinpaint_fast.blend.planes import zeros
from faceinpaint_fast.blend.rectangle import Rectangle
from faceinpaint_fast.errors import InputError


class Limits(NamedTuple):
    """What is done how, by size."""

    whole: int  # images of so many pixels are solved whole, many holes at a time; larger ones where the hole is
    modes: int  # rectangles of so many rows and columns are solved by their modes, at a cost of n^3
    at_a_time: int  # of so many pixels the arrays of a solution stay in a cache, or are enough to keep a device busy


ON_CPU = Limits(whole=128 * 128, modes=96, at_a_time=2**17)
ON_CUDA = Limits(whole=512 * 512, modes=0, at_a_time=2**24)
# from so many pixels a thread is worth its start; a plane takes 30 bytes a pixel, and each thread holds one
WORTH_A_THREAD, MOST_AT_ONCE = 2**16, 2**23


class Equation(NamedTuple):
    """What F - source has to meet at the missing pixels."""

    reach: int  # how many pixels away a missing pixel's equation looks
    on_cpu: Limits
    # of what is missing, (holes, h, w), and whether that is a small rectangle: what solves the equation there
    method: Callable[[Any, bool], Any]


def kernels_of(array: Any) -> Any:
    """The kernels for arrays that lie where this one does: `_cpu`, or its twin for CUDA."""
    return _cpu if module_of(array) is np else cuda_kernels


def poisson(missing: Any, is_rectangle: bool) -> Multigrid | Rectangle:
    kernels = kernels_of(missing)
    levels = kernels.levels(missing)
    return Rectangle(missing[0], levels[0]) if is_rectangle else Multigrid(levels, kernels)


POISSON = Equation(1, ON_CPU, poisson)


class Part(NamedTuple):
    """Images that are solved alike: with the same hole, or with small ones."""

    images: slice
    rows: slice  # where their holes lie, with the known pixels around
    columns: slice
    missing: Any  # (holes, h, w) bool: one for all of them, or one each
    method: Any  # what solves the equation there: Multigrid, Rectangle or Biharmonic


class Box(NamedTuple):
    """Where a hole's missing pixels are, [top, bottom) x [left, right), and how many."""

    top: int
    bottom: int
    left: int
    right: int
    area: int

    def is_rectangle(self, longest: int) -> bool:
        height, width = self.bottom - self.top, self.right - self.left
        return self.area == height * width > 0 and max(height, width) <= longest

    def surrounded(self, by: int, height: int, width: int) -> tuple[slice, slice]:
        """With so many pixels around it, in an image of that size."""
        return (
            slice(max(self.top - by, 0), min(self.bottom + by, height)),
            slice(max(self.left - by, 0), min(self.right + by, width)),
        )


class Solver:
    """The equation on holes (N, H, W), bool: one an image, or N = 1 for any number of images.

    xp        numpy or cupy, whose arrays the images are; cupy for Poisson's equation alone
    equation  POISSON: Laplacian(F - source) = divergence; BIHARMONIC; or `under_tension`
    """

    def __init__(self, holes: NDArray[np.bool_], xp: Any = np, equation: Equation = POISSON) -> None:
        self._limits = equation.on_cpu if xp is np else ON_CUDA
        self._parts = list(parts(holes, self._limits, xp, equation))

    def solve(self, target: Any, source: Any | None, divergence: Any | None, tolerance: float, out: Any) -> int:
        """Write F into the missing pixels of `out`: F = target at the known ones, F - source meets the equation.

        target, source, divergence
                   (B, H, W, C), on one scale, None: 0; what target holds in the hole does not matter.  A plate under
                   tension has in place of the divergence the image that it is pulled to, and no source
        tolerance  largest relative residual ||b - A f|| / ||b|| of a channel, in float64
        out        (B, H, W, C), float, or uint8: rounded and clipped

        Returns the most cycles that a channel took.  Raises ArithmeticError, with the residual reached, if that is
        above `tolerance`.
        """
        tasks = [task for part in self._parts for task in self._split(part, len(target), target.shape[-1])]
        largest = max((part.missing[0].size for part in self._parts), default=1)
        threads = min(threads_for(len(tasks) * largest, WORTH_A_THREAD), max(1, MOST_AT_ONCE // largest), len(tasks))

        def run(tasks: list[tuple[Part, slice, slice]]) -> int:
            cycles, planes = 0, None
            for part, images, channels in tasks:
                where = images, part.rows, part.columns, channels
                T, S, v, F = (None if array is None else array[where] for array in (target, source, divergence, out))
                if planes is None or not planes.serve(part, T):
                    planes = Planes(part, T)
                cycles = max(cycles, planes.fill(T, S, v, tolerance, F))
            return cycles

        if threads <= 1 or self._limits is ON_CUDA:
            return run(tasks)
        with ThreadPoolExecutor(threads) as pool:
            return max(pool.map(run, (tasks[first::threads] for first in range(threads))))

    def _split(self, part: Part, count: int, channels: int) -> Iterator[tuple[Part, slice, slice]]:
        """What of its images and channels to solve at a time."""
        first, last, _ = part.images.indices(count)
        size = part.missing[0].size
        if len(part.missing) > 1:
            yield part, part.images, slice(None)
        elif size * channels <= self._limits.at_a_time:
            step = self._limits.at_a_time // (size * channels)
            for image in range(first, last, step):
                yield part, slice(image, min(image + step, last)), slice(None)
        else:
            for image in range(first, last):
                for channel in range(channels):
                    yield part, slice(image, image + 1), slice(channel, channel + 1)


class Planes:
    """The arrays in which images (n, h, w, C) of a part are solved, one after the other."""

    def __init__(self, part: Part, images: Any) -> None:
        self._part = part
        self._xp = module_of(images)
        count, height, width, channels = images.shape
        self._planes, self._sizes = count * channels, [(height, width)]
        (self._f,) = zeros(self._xp, self._planes, self._sizes, np.float64)
        self._workspace = part.method.workspace(self._xp, self._planes)

    def serve(self, part: Part, images: Any) -> bool:
        """Whether these images, too, can be solved here."""
        return part is self._part and self._planes == len(images) * images.shape[-1]

    def fill(self, target: Any, source: Any | None, divergence: Any | None, tolerance: float, out: Any) -> int:
        """`Solver.solve` on images (n, h, w, C), cropped to their holes."""
        missing, f, v = self._part.missing, self._f, None
        kernels = kernels_of(missing)
        largest = self._xp.empty(self._planes)
        kernels.take_offsets(target, source, missing, f, largest)
        if divergence is not None:
            (v,) = zeros(self._xp, self._planes, self._sizes, np.float64)
            of_v = np.empty_like(largest)
            kernels.take_offsets(divergence, None, np.zeros_like(missing), v, of_v)
            largest = np.maximum(largest, of_v)
        if not np.isfinite(largest).all():
            raise InputError("target, source: expected numbers whose differences float64 can hold")
        # float32 could not hold the squares of what is further away from 1
        exponents = np.clip(np.frexp(largest)[1], -1000, 1000)
        scale = np.ldexp(np.ones_like(largest), -exponents)[:, None, None] if (abs(exponents) > 40).any() else None
        if scale is not None:
            f *= scale
            v = None if v is None else v * scale
        cycles = self._part.method.solve(f, v, tolerance, self._workspace)
        if scale is not None:
            f /= scale
        kernels.put_sums(f, source, missing, out)
        return cycles


def parts(holes: NDArray[np.bool_], limits: Limits, xp: Any, equation: Equation) -> Iterator[Part]:
    """Runs of images with the same hole, or with small ones, in order; images without a missing pixel are left out.

    xp  numpy or cupy, where they are to be solved
    """
    count, height, width = holes.shape
    boxes = boxes_of(holes)
    is_rectangle = [box.is_rectangle(limits.modes) for box in boxes]
    versions = np.cumsum([0, *(holes[1:] != holes[:-1]).any(axis=(1, 2))]).tolist()
    together = [height * width <= limits.whole and not rectangle for rectangle in is_rectangle]

    def part(images: slice, holes: NDArray[np.bool_]) -> Part:
        rows, columns = np.s_[:, :] if together[first] else boxes[first].surrounded(equation.reach, height, width)
        missing = xp.asarray(np.ascontiguousarray(holes[:, rows, columns]))
        return Part(images, rows, columns, missing, equation.method(missing, is_rectangle[first]))

    def key(image: int) -> tuple[bool, int | None]:
        return boxes[image].area > 0, None if together[image] else versions[image]

    for (any_missing, _), run in groupby(range(count), key):
        images = list(run)
        first, last = images[0], images[-1] + 1
        if not any_missing:
            continue
        if versions[first] == versions[last - 1]:
            yield part(slice(first, last) if count > 1 else slice(None), holes[first : first + 1])
        else:
            step = max(1, limits.at_a_time // (height * width))
            for start in range(first, last, step):
                yield part(slice(start, min(start + step, last)), holes[start : min(start + step, last)])


def boxes_of(holes: NDArray[np.bool_]) -> list[Box]:
    """Of holes (N, H, W)."""
    ends: list[NDArray[np.intp]] = []
    for axis in (2, 1):
        lines = np.asarray(holes.any(axis=axis))
        ends += [lines.argmax(axis=1), lines.shape[1] - lines[:, ::-1].argmax(axis=1)]
    ends.append(holes.sum(axis=(1, 2), dtype=np.intp))
    return [Box(*facts) for facts in np.stack(ends, axis=1).tolist()]
