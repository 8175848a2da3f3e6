"""An equation on the missing pixels of images, F known elsewhere: which hole is solved where, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import module_of, shared_out, threads_for
from faceinpaint_fast.blend.equation import Equation, Limits, OnImages, OnPlanes
from faceinpaint_fast.blend.kernels import kernels_of
from faceinpaint_fast.blend.planes import zeros
from faceinpaint_fast.errors import InputError

# from so many pixels a thread is worth its start; a plane takes 30 bytes a pixel, and each thread holds one
WORTH_A_THREAD, MOST_AT_ONCE = 2**16, 2**23


class Part(NamedTuple):
    """Images that are solved alike: with the same hole, or with small ones."""

    images: slice
    rows: slice  # where their holes lie, with the known pixels around
    columns: slice
    missing: Any  # (holes, h, w) bool: one for all of them, or one each
    is_rectangle: bool


class Task(NamedTuple):
    """What is solved at a time: some images and channels of a part, by its method."""

    part: Part
    method: OnPlanes | OnImages
    images: slice
    channels: slice


class Box(NamedTuple):
    """Where a hole's missing pixels are, [top, bottom) x [left, right), and how many."""

    top: int
    bottom: int
    left: int
    right: int
    area: int

    def is_rectangle(self, longest: int) -> bool:
        """Whether the hole is a rectangle of at most so many rows and columns."""
        height, width = self.bottom - self.top, self.right - self.left
        return self.area == height * width > 0 and max(height, width) <= longest

    def surrounded(self, by: int, height: int, width: int) -> tuple[slice, slice]:
        """Returns the rows and columns with so many pixels around the hole, in an image of that size."""
        return (
            slice(max(self.top - by, 0), min(self.bottom + by, height)),
            slice(max(self.left - by, 0), min(self.right + by, width)),
        )


class Solver:
    """The equation on holes (N, H, W), bool: one an image, or N = 1 for any number of images.

    xp       numpy or cupy, whose arrays the images are; cupy for equations that have limits there
    threads  the most that work at it; None: as many as compiled code may use
    """

    def __init__(
        self, holes: NDArray[np.bool_], equation: Equation, xp: Any = np, *, threads: int | None = None
    ) -> None:
        limits = equation.on_cpu if xp is np else equation.on_cuda
        if limits is None:
            raise InputError("holes: expected on the CPU, where this equation is solved, got CUDA's")
        self._limits, self._most_threads = limits, threads
        self._parts = list(parts(holes, limits, xp, equation.reach))

        def methods(numbered: Iterable[tuple[int, Part]]) -> dict[int, OnPlanes | OnImages]:
            return {i: equation.method(part.missing, part.is_rectangle) for i, part in numbered}

        pixels = sum(part.missing.size for part in self._parts)
        made = shared_out(methods, enumerate(self._parts), self._threads(pixels, len(self._parts), xp))
        self._methods = [method for _, method in sorted((i, m) for some in made for i, m in some.items())]

    def solve(self, target: Any, source: Any | None, guidance: Any | None, tolerance: float, out: Any) -> int:
        """Writes F into the missing pixels of `out`: F = target at the known ones, and meets the equation.

        target, source, guidance
                   (B, H, W, C), on one scale, None: 0; what target holds in the hole does not matter.  F - source is
                   solved for, and the guidance is what the equation follows there: Poisson's a divergence, a plate
                   under tension the image that it is pulled to, and then there is no source
        tolerance  largest relative residual ||b - A f|| / ||b|| of a channel, in float64
        out        (B, H, W, C), float, or uint8: rounded and clipped

        Returns the most cycles that a channel took.  Raises ArithmeticError, with the residual reached, if that is
        above `tolerance`, and InputError where float64 cannot hold the differences of the images' numbers.
        """
        tasks = list(self._tasks(len(target), target.shape[-1]))
        largest = max((part.missing[0].size for part in self._parts), default=1)

        def run(tasks: Iterable[Task]) -> int:
            cycles, space = 0, None
            for task in tasks:
                where = task.images, task.part.rows, task.part.columns, task.channels
                T, S, G, F = (None if array is None else array[where] for array in (target, source, guidance, out))
                if isinstance(task.method, OnImages):
                    cycles = max(cycles, task.method.fill(T, S, G, tolerance, F))
                    continue
                if space is None or not space.serves(task.part, T):
                    space = Workspace(task.part, task.method, T)
                cycles = max(cycles, space.fill(T, S, G, tolerance, F))
            return cycles

        threads = min(self._threads(len(tasks) * largest, len(tasks), module_of(target)), MOST_AT_ONCE // largest)
        return max(shared_out(run, tasks, threads))

    def _threads(self, pixels: int, tasks: int, xp: Any) -> int:
        """The number of threads for so many pixels in all, of which each takes a task at least."""
        if xp is not np:
            return 1
        threads = min(threads_for(pixels, WORTH_A_THREAD), tasks)
        return threads if self._most_threads is None else min(threads, self._most_threads)

    def _tasks(self, count: int, channels: int) -> Iterator[Task]:
        """Yields runs of images and channels that fit the cache."""
        for part, method in zip(self._parts, self._methods, strict=True):
            first, last, _ = part.images.indices(count)
            size = part.missing[0].size
            if len(part.missing) > 1:
                yield Task(part, method, part.images, slice(None))
            elif size * channels <= self._limits.at_a_time:
                step = self._limits.at_a_time // (size * channels)
                for image in range(first, last, step):
                    yield Task(part, method, slice(image, min(image + step, last)), slice(None))
            else:
                for image in range(first, last):
                    for channel in range(channels):
                        yield Task(part, method, slice(image, image + 1), slice(channel, channel + 1))


class Workspace:
    """The planes in which images (n, h, w, C) of a part are solved, one after the other."""

    def __init__(self, part: Part, method: OnPlanes, images: Any) -> None:
        self._part, self._method = part, method
        self._xp = module_of(images)
        count, height, width, channels = images.shape
        self._planes, self._sizes = count * channels, [(height, width)]
        (self._f,) = zeros(self._xp, self._planes, self._sizes, np.float64)

    def serves(self, part: Part, images: Any) -> bool:
        """Whether these images, too, can be solved here."""
        return part is self._part and self._planes == len(images) * images.shape[-1]

    def fill(self, target: Any, source: Any | None, guidance: Any | None, tolerance: float, out: Any) -> int:
        """Does what `Solver.solve` does, on images (n, h, w, C), cropped to their holes."""
        missing, f, g = self._part.missing, self._f, None
        kernels = kernels_of(missing)
        largest = self._xp.empty(self._planes)
        kernels.take_offsets(target, source, missing, f, largest)
        if guidance is not None:
            (g,) = zeros(self._xp, self._planes, self._sizes, np.float64)
            of_guidance = np.empty_like(largest)
            kernels.take_offsets(guidance, None, np.zeros_like(missing), g, of_guidance)
            largest = np.maximum(largest, of_guidance)
        if not np.isfinite(largest).all():
            raise InputError("target, source: expected numbers whose differences float64 can hold")
        # float32 could not hold the squares of what is further away from 1
        exponents = np.clip(np.frexp(largest)[1], -1000, 1000)
        scale = np.ldexp(np.ones_like(largest), -exponents)[:, None, None] if (abs(exponents) > 40).any() else None
        if scale is not None:
            f *= scale
            g = None if g is None else g * scale
        cycles = self._method.solve(f, g, tolerance)
        if scale is not None:
            f /= scale
        kernels.put_sums(f, source, missing, out)
        return cycles


def parts(holes: NDArray[np.bool_], limits: Limits, xp: Any, reach: int) -> Iterator[Part]:
    """Yields runs of images with the same hole, or with small ones, in order, but for those without a missing pixel.

    xp     numpy or cupy, where they are to be solved
    reach  how many known pixels around a hole count
    """
    count, height, width = holes.shape
    boxes = boxes_of(holes)
    is_rectangle = [box.is_rectangle(limits.modes) for box in boxes]
    versions = np.cumsum([0, *(holes[1:] != holes[:-1]).any(axis=(1, 2))]).tolist()
    together = [height * width <= limits.whole and not rectangle for rectangle in is_rectangle]

    def part(images: slice, holes: NDArray[np.bool_]) -> Part:
        rows, columns = np.s_[:, :] if together[first] else boxes[first].surrounded(reach, height, width)
        missing = xp.asarray(np.ascontiguousarray(holes[:, rows, columns]))
        return Part(images, rows, columns, missing, is_rectangle[first])

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
    """Returns a Box for each hole of (N, H, W)."""
    ends: list[NDArray[np.intp]] = []
    for axis in (2, 1):
        lines = np.asarray(holes.any(axis=axis))
        ends += [lines.argmax(axis=1), lines.shape[1] - lines[:, ::-1].argmax(axis=1)]
    ends.append(holes.sum(axis=(1, 2), dtype=np.intp))
    return [Box(*facts) for facts in np.stack(ends, axis=1).tolist()]
