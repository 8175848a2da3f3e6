"""An equation on the missing pixels of images, F known elsewhere: which hole is solved where, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import shared_out, threads_for
from faceinpaint_fast.blend.equation import Equation, Method
from faceinpaint_fast.blend.parts import Part, parts
from faceinpaint_fast.blend.planes import zeros
from faceinpaint_fast.errors import InputError

# from so many pixels a thread is worth its start; a plane takes 30 bytes a pixel, and each thread holds one
WORTH_A_THREAD, MOST_AT_ONCE = 2**16, 2**23


class Task(NamedTuple):
    """What is solved at a time: some images and channels of a part, by its method."""

    part: Part
    method: Method
    images: slice
    channels: slice


class Solver:
    """The equation on holes (N, H, W), bool: one an image, or N = 1 for any number of images.

    threads  the most that work at it; None: as many as compiled code may use
    """

    def __init__(self, holes: NDArray[np.bool_], equation: Equation, *, threads: int | None = None) -> None:
        self._equation, self._limits, self._most_threads = equation.name, equation.on_cpu, threads
        self._parts = list(parts(holes, equation.on_cpu, equation.reach))

        def methods(numbered: Iterable[tuple[int, Part]]) -> dict[int, Method]:
            return {i: equation.method(part.missing, part.is_rectangle) for i, part in numbered}

        pixels = sum(part.missing.size for part in self._parts)
        made = shared_out(methods, enumerate(self._parts), self._threads(pixels, len(self._parts)))
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
                if space is None or not space.serves(task.part, T):
                    space = Workspace(task.part, task.method, T)
                taken, reached = space.fill(T, S, G, tolerance, F)
                if not reached <= tolerance:
                    raise ArithmeticError(
                        f"{self._equation} solve: expected a relative residual of {tolerance:g}, got {reached:.2g}"
                    )
                cycles = max(cycles, taken)
            return cycles

        threads = min(self._threads(len(tasks) * largest, len(tasks)), MOST_AT_ONCE // largest)
        return max(shared_out(run, tasks, threads))

    def _threads(self, pixels: int, tasks: int) -> int:
        """The number of threads for so many pixels in all, of which each takes a task at least."""
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

    def __init__(self, part: Part, method: Method, images: Any) -> None:
        self._part, self._method = part, method
        count, height, width, channels = images.shape
        self._planes, self._sizes = count * channels, [(height, width)]
        (self._f,) = zeros(np, self._planes, self._sizes, np.float64)

    def serves(self, part: Part, images: Any) -> bool:
        """Whether these images, too, can be solved here."""
        return part is self._part and self._planes == len(images) * images.shape[-1]

    def fill(
        self, target: Any, source: Any | None, guidance: Any | None, tolerance: float, out: Any
    ) -> tuple[int, float]:
        """Does what `Solver.solve` does, on images (n, h, w, C), cropped to their holes.

        Returns the most cycles that a plane took, and the largest share of a residual that is left.
        """
        missing, f, g = self._part.missing, self._f, None
        largest = np.empty(self._planes)
        _cpu.take_offsets(target, source, missing, f, largest)
        if guidance is not None:
            (g,) = zeros(np, self._planes, self._sizes, np.float64)
            of_guidance = np.empty_like(largest)
            _cpu.take_offsets(guidance, None, np.zeros_like(missing), g, of_guidance)
            largest = np.maximum(largest, of_guidance)
        if not np.isfinite(largest).all():
            raise InputError("target, source: expected numbers whose differences float64 can hold")
        # float32 could not hold the squares of what is further away from 1
        exponents = np.clip(np.frexp(largest)[1], -1000, 1000)
        scale = np.ldexp(np.ones_like(largest), -exponents)[:, None, None] if (abs(exponents) > 40).any() else None
        if scale is not None:
            f *= scale
            g = None if g is None else g * scale
        reached = np.empty(self._planes)
        cycles = self._method.solve(f, g, tolerance, reached)
        if scale is not None:
            f /= scale
        _cpu.put_sums(f, source, missing, out)
        return cycles, float(reached.max())
