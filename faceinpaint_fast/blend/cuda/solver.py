"""An equation on the missing pixels of images on a CUDA device: small ones in one launch, others by the multigrid."""

from __future__ import annotations

from typing import Any

from faceinpaint_fast.blend.cuda import small
from faceinpaint_fast.blend.cuda.large import Levels
from faceinpaint_fast.blend.equation import Equation, Limits
from faceinpaint_fast.blend.parts import parts

# images of so many pixels, whose planes take 45 bytes a pixel and channel, keep a device busy
LIMITS = Limits(whole=512 * 512, modes=0, at_a_time=2**22)


class Solver:
    """The equation on holes (N, H, W), CuPy's bool: one an image, or N = 1 for any number of images."""

    def __init__(self, holes: Any, equation: Equation) -> None:
        self._operator, self._guided = equation.operator, equation.guided
        self._small = small.fits(*holes.shape[1:])
        self._parts = list(parts(holes, LIMITS, equation.reach))
        self._levels = [None if self._small else Levels(part.missing, self._operator) for part in self._parts]

    def solve(self, target: Any, source: Any | None, guidance: Any | None, tolerance: float, out: Any) -> int:
        """Does what `blend.solver.Solver.solve` does, with CuPy's arrays."""
        # what pulls a plate is a source here
        drawn, followed = (guidance, None) if self._guided else (source, guidance)
        cycles = 0
        for part, levels in zip(self._parts, self._levels, strict=True):
            first, last, _ = part.images.indices(len(target))
            step = last - first if self._small else max(1, LIMITS.at_a_time // part.missing[0].size)
            for start in range(first, last, step):
                where = slice(start, min(start + step, last)), part.rows, part.columns
                T, S, v, F = (None if array is None else array[where] for array in (target, drawn, followed, out))
                if levels is None:
                    solved = small.blend(T, S, v, part.missing, self._operator, tolerance, F).cycles()
                else:
                    solved = levels.fill(T, S, v, tolerance, F)
                cycles = max(cycles, solved)
        return cycles
