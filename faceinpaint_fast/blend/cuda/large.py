"""Images of any size on a CUDA device: a hole's levels, and cycles of launches until every plane is solved.

large/*.cu are the kernels; grid.cu says how they work.  A cycle is one graph, captured once a call and replayed; what
is read from the device in between is which planes are unsolved.  Arrays are as in blend/planes.py, and at the known
pixels all but u is 0 and stays so.  CuPy is imported with the first kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from faceinpaint_fast.arrays import module_of, to_numpy
from faceinpaint_fast.blend.cuda.launch import NULL, expect_solved, plane_arguments, sources, text_of
from faceinpaint_fast.blend.operators import Operator
from faceinpaint_fast.blend.planes import zeros

SOURCES = sources("large", "grid", "cycle", "hole", "equation", "step")
# threads of a block, and the most rows of one that joins what blocks found
COLUMNS, ROWS = 32, 8
MOST_ROWS = 32
# a first coarse grid of more pixels is cycled twice
LARGE = 64 * 64
MOST_CYCLES = 200
# after so many the host looks who is unsolved; cycles of planes that are solved take the time of their launches alone
AT_ONCE = 3
# the last correction makes the residual of Poisson's equation smaller by a factor that is larger than this; a plate's
# could be several times too large, and is none
LAST = {1: 3.0, 2: 1.0}
CORRECTION = {1: 1.0, 2: 0.0}
# exp(-this) is nothing beside 1: so deep a plate is pulled to the source alone
DEEP = 40.0
# of Number in equation.cu, and where among them is what is left of a plane's residual, and how many cycles it took
NUMBERS, CYCLES, REACHED = 9, 7, 8


@cache
def _module() -> Any:
    import cupy

    return cupy.RawModule(code=text_of(SOURCES), options=("-std=c++17",))


@cache
def kernel(name: str) -> Any:
    """Returns the kernel of that name, to be called with (grid, block, arguments)."""
    return _module().get_function(name)


def captured(launches: Callable[[], None]) -> Callable[[], None]:
    """Returns launches as one, of a graph, on the stream that is the current one then."""
    import cupy

    # the stream that is current may be the one that cannot be captured
    with cupy.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        launches()
        graph = stream.end_capture()
    launch: Callable[[], None] = graph.launch
    return launch


class Grid:
    """A level of the multigrid: 1 / the diagonal of A (holes, H + 2, pitch), and k along rows and down columns."""

    def __init__(self, inverse_diagonal: Any, width: int, across: float, down: float) -> None:
        holes, rows, pitch = inverse_diagonal.shape
        self.height, self.width = rows - 2, width
        self.across, self.down = across, down
        self.inverse_diagonal, self.pitch = inverse_diagonal, np.int32(pitch)
        sizes = np.int32(holes), np.int32(rows - 2), np.int32(width), self.pitch
        self._level = (inverse_diagonal, *sizes, np.float32(across), np.float32(down))

    def launch(self, name: str, planes: Any, *arguments: Any, over: Grid | None = None, columns: int = 1) -> None:
        """Launches a kernel of GRID for the planes that are unsolved, bool, or one of LEVEL for so many planes.

        over     the grid of whose pixels each has a thread; None: this one
        columns  how many pixels of a row are one thread's
        """
        count, first = (planes, ()) if isinstance(planes, int) else (len(planes), (planes,))
        blocks = (over or self).blocks(count, columns)
        kernel(name)(blocks, (COLUMNS, ROWS), (*first, *self._level, *arguments))

    def blocks(self, planes: int, columns: int = 1) -> tuple[int, int, int]:
        """The blocks of a launch with a thread for so many pixels of each row of each plane."""
        return planes, _tiles(self.width, COLUMNS * columns), _tiles(self.height, ROWS)


def levels(holes: Any) -> list[Grid]:
    """Returns every level of holes (N, H, W), True = missing, from the finest to a single pixel."""
    xp = module_of(holes)
    count, height, width = holes.shape
    # what holds pixels to the known ones, and the inverse diagonal
    ground, inverse = zeros(xp, count, [(height, width)] * 2, np.float32)
    grids = [Grid(inverse, width, 1, 1)]
    size = np.int32(height), np.int32(width), grids[0].pitch
    kernel("set_finest")(grids[0].blocks(count), (COLUMNS, ROWS), (holes, *size, ground, inverse))
    while (fine := grids[-1]).height > 1 or fine.width > 1:
        height, width = _tiles(fine.height, 2), _tiles(fine.width, 2)
        # a single row or column has no neighbours that a coarse edge could stand for
        across, down = fine.across * (0.5 if fine.height == 1 else 1), fine.down * (0.5 if fine.width == 1 else 1)
        fine_ground = ground
        ground, inverse = zeros(xp, count, [(height, width)] * 2, np.float32)
        coarse = Grid(inverse, width, across, down)
        sizes = np.int32(fine.height), np.int32(fine.width), fine.pitch, coarse.pitch
        arguments = (fine_ground, fine.inverse_diagonal, *sizes, np.float32(across), np.float32(down), ground, inverse)
        kernel("set_coarser")(coarse.blocks(count), (COLUMNS, ROWS), arguments)
        grids.append(coarse)
    return grids


class Vcycle:
    """V: a red-black sweep down and a black-red sweep up on each level, for planes that are unsolved."""

    def __init__(self, grids: list[Grid], unsolved: Any) -> None:
        self._grids, self._unsolved = grids, unsolved
        sizes = [(grid.height, grid.width) for grid in grids[1:]]
        self._b, self._u = (zeros(module_of(unsolved), len(unsolved), sizes, np.float32) for _ in range(2))

    def __call__(self, b: Any, u: Any) -> None:
        """Makes u = V b, planes of the finest level; a large level below it is cycled twice."""
        finest, first = self._grids[:2]
        self._restrict(finest, b, first, self._b[0])
        self._cycle(add=False)
        if first.height * first.width > LARGE:
            first.launch("subtract", self._unsolved, self._u[0], self._b[0])
            self._cycle(add=True)
        self._correct(finest, b, first, self._u[0], u)

    def _cycle(self, *, add: bool) -> None:
        """A cycle on the levels below the finest."""
        grids, b, u = self._grids[1:], self._b, self._u
        for k, (fine, coarse) in enumerate(pairwise(grids)):
            self._restrict(fine, b[k], coarse, b[k + 1])
        below: tuple[Grid | None, Any] = (None, None)
        for k in range(len(grids) - 1, -1, -1):
            self._correct(grids[k], b[k], *below, u[k], add=add and k == 0)
            below = grids[k], u[k]

    def _restrict(self, fine: Grid, b: Any, coarse: Grid, coarse_b: Any) -> None:
        """What a red-black sweep from u = 0 leaves of b, restricted."""
        to = coarse.inverse_diagonal, coarse.pitch, coarse_b
        fine.launch("restrict_residual", self._unsolved, b, *to, over=coarse)

    def _correct(self, grid: Grid, b: Any, coarse: Grid | None, coarse_u: Any, u: Any, *, add: bool = False) -> None:
        """The same sweep, the coarse level's u added, and a black-red sweep: u, or what is added to it."""
        correction = (NULL, np.int32(0)) if coarse is None else (coarse_u, coarse.pitch)
        grid.launch("correct", self._unsolved, b, *correction, np.int32(add), u, columns=2)


class Preconditioner:
    """p(A) V p(A), or V V for a plate without a polynomial, or V."""

    def __init__(self, grids: list[Grid], operator: Operator, unsolved: Any) -> None:
        xp, finest = module_of(unsolved), grids[0]
        self._finest, self._cycle, self._unsolved = finest, Vcycle(grids, unsolved), unsolved
        self._degree, self._order = operator.degree, operator.order
        # of two terms of the polynomial that are not r, and what is between the factors
        size = finest.height, finest.width
        count = 0 if operator.order == 1 else 2 if operator.degree == 0 else 4
        self._between = zeros(xp, len(unsolved), [size] * count, np.float32)
        self._coefficients = xp.empty(operator.degree + 1, np.float32)
        if operator.degree > 0:
            numbers = np.int32(operator.degree), np.float64(operator.flex), np.float64(operator.pull)
            kernel("set_coefficients")((1,), (COLUMNS,), (*numbers, self._coefficients))

    def __call__(self, r: Any, z: Any) -> None:
        """Makes z of r."""
        if self._order == 1:
            self._cycle(r, z)
            return
        if self._degree == 0:
            self._cycle(r, self._between[0])
            self._cycle(self._between[0], z)
            return
        y, found = self._between[:2]
        self._polynomial(r, y)
        self._cycle(y, found)
        self._polynomial(found, z)

    def _polynomial(self, x: Any, y: Any) -> None:
        """Makes y = p(A) x."""
        last, before = x, NULL
        for k in range(1, self._degree + 1):
            # in place of the term before the last, but not of x
            following = self._between[2 + k % 2]
            self._finest.launch("add_term", self._unsolved, np.int32(k), self._coefficients, last, before, following, y)
            last, before = following, last


class Levels:
    """What holes (N, H, W), bool, C-contiguous, on the current device ask for, whatever the images."""

    def __init__(self, missing: Any, operator: Operator) -> None:
        self.grids, self.operator = levels(missing), operator
        self.squares: Any = NULL
        if operator.depth > 0:
            count, height, width = missing.shape
            distances, self.squares = zeros(module_of(missing), count, [(height, width)] * 2, np.float32)
            most = np.int32(min(math.ceil(math.sqrt(DEEP / operator.depth)), max(height, width)))
            self.grids[0].launch("distances_down", count, most, distances)
            self.grids[0].launch("squared_distances", count, most, distances, self.squares)

    def fill(self, target: Any, source: Any | None, v: Any | None, tolerance: float, out: Any) -> int:
        """Puts F into the missing pixels of `out` as `small.blend` does; returns the most cycles that a plane took.

        Raises InputError where float64 cannot hold the differences of the images' numbers, and ArithmeticError where it
        does not allow the tolerance.
        """
        descent = Descent(self, target, source, v, tolerance)
        cycle = captured(descent.cycle)
        for _ in range(0, MOST_CYCLES, AT_ONCE):
            for _ in range(AT_ONCE):
                cycle()
            if not to_numpy(descent.unsolved).any():
                break
        numbers = to_numpy(descent.state)
        expect_solved(numbers[:, REACHED], tolerance)
        descent.put_sums(source, out)
        return int(numbers[:, CYCLES].max(initial=0))


class Descent:
    """Conjugate gradients on the planes of images (B, H, W, C), from u = 0 in the hole.

    unsolved  (planes,) bool
    state     (planes, NUMBERS) float64
    """

    def __init__(self, levels: Levels, target: Any, source: Any | None, v: Any | None, tolerance: float) -> None:
        count, height, width, channels = target.shape
        xp, planes, operator = module_of(target), count * channels, levels.operator
        self._finest, self._operator = levels.grids[0], operator
        self.unsolved, self.state = xp.ones(planes, np.bool_), xp.zeros((planes, NUMBERS))
        self._r, self._z, self._p = zeros(xp, planes, [(height, width)] * 3, np.float32)
        (self._u,) = zeros(xp, planes, [(height, width)], np.float64)
        self._more: Any = NULL
        if operator.depth > 0:
            (self._more,) = zeros(xp, planes, [(height, width)], np.float64)
        _, across, down = self._finest.blocks(planes)
        self._sums, self._largest = (xp.empty((planes, across * down)) for _ in range(2))
        self._channels, self._v = np.int32(channels), plane_arguments(v)
        self._flex, self._pull = np.float64(operator.flex), np.float64(operator.pull)
        self._precondition = Preconditioner(levels.grids, operator, self.unsolved)
        self._tolerance = float(tolerance)
        self._begin(plane_arguments(target), plane_arguments(source), levels.squares)

    def _begin(self, target: tuple[Any, ...], source: tuple[Any, ...], squares: Any) -> None:
        followed = self._channels, squares, self._flex, np.float64(self._operator.depth)
        self._launch("largest_numbers", *target, *source, *self._v, *followed, self._sums)
        self._join("set_scale", self._sums)
        self._launch("take_offsets", *target, *source, *followed, self.state, self._u, self._more)
        self._take_residual()
        self._join("begin", self._sums)

    def cycle(self) -> None:
        """A step for each plane that is unsolved."""
        order, tolerance = self._operator.order, self._tolerance
        self._precondition(self._r, self._z)
        self._launch("estimate", self._r, self._z, self._sums, self._largest)
        self._join("judge", self._sums, self._largest, LAST[order] * tolerance, self._operator.error * tolerance)
        self._launch("turn", self._z, self.state, self._p)
        self._launch("energy", self._p, self._flex, self._pull, self._sums)
        self._join("measure", self._sums, CORRECTION[order])
        self._launch("advance", self._p, self.state, self._u)
        self._take_residual()
        self._join("finish", self._sums, tolerance)

    def put_sums(self, source: Any | None, out: Any) -> None:
        """Puts source + u into the missing pixels of `out`."""
        images = *plane_arguments(source), *plane_arguments(out), self._channels
        self._finest.launch("put_sums", len(self.state), *images, self.state, self._u)

    def _take_residual(self) -> None:
        numbers = *self._v, self._channels, self._flex, self._pull, self.state
        self._launch("residual", self._u, self._more, *numbers, self._r, self._sums)

    def _launch(self, name: str, *arguments: Any) -> None:
        self._finest.launch(name, self.unsolved, *arguments)

    def _join(self, name: str, *arguments: Any) -> None:
        """Launches what follows for each plane from what its blocks found, (planes, blocks), and numbers."""
        planes, blocks = self._sums.shape
        threads = COLUMNS, min(_tiles(blocks, COLUMNS), MOST_ROWS)
        numbers = (np.float64(number) if isinstance(number, float) else number for number in arguments)
        kernel(name)((planes,), threads, (np.int32(blocks), self.unsolved, self.state, *numbers))


def _tiles(lines: int, of: int) -> int:
    return -(-lines // of)
