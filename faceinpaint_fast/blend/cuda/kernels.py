"""The multigrid's grid on CuPy arrays: `_cpu.Grid` with the kernels of poisson.cu, on the current device and stream.

Nothing waits for the device, and CuPy is imported with the first kernel.  Arrays are what `_cpu.Grid` takes,
C-contiguous, and nobody checks; at the known pixels all but f and v are 0 and stay so.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np

from faceinpaint_fast.arrays import module_of
from faceinpaint_fast.blend.planes import zeros

# one text: the compiler of a running program finds no files
SOURCES = [files("faceinpaint_fast.blend.cuda") / name for name in ("grid.cuh", "poisson.cu")]
# threads of a block, and the most of `finish`
COLUMNS, ROWS = 32, 8
MOST_ROWS = 32
# pixels of a grid
LARGE = 64 * 64
# CuPy hands an integer of 64 bits over as it is
NULL = 0


@cache
def _module() -> Any:
    import cupy

    return cupy.RawModule(code="".join(path.read_text() for path in SOURCES), options=("-std=c++17",))


@cache
def kernel(name: str) -> Any:
    """Returns the kernel of that name in poisson.cu, to be called with (grid, block, arguments)."""
    return _module().get_function(name)


def _tiles(lines: int, of: int) -> int:
    return -(-lines // of)


class Grid:
    """A level of the multigrid: the inverse diagonal (holes, H + 2, pitch), and k along rows and down columns."""

    def __init__(self, inverse_diagonal: Any, width: int, across: float, down: float) -> None:
        holes, rows, pitch = inverse_diagonal.shape
        self.height, self.width = rows - 2, width
        self.across, self.down = across, down
        self.inverse_diagonal, self._pitch = inverse_diagonal, np.int32(pitch)
        sizes = np.int32(holes), np.int32(rows - 2), np.int32(width), np.int32(pitch)
        self._arguments = (inverse_diagonal, *sizes, np.float32(across), np.float32(down))

    def restrict(self, b: Any, coarse: Grid, coarse_b: Any) -> None:
        """Puts what a red-black sweep from u = 0 leaves of b, restricted, into the coarse grid's right-hand side."""
        grid = _blocks(b, coarse.height, coarse.width)
        self._launch("restrict_residual", grid, b, coarse.inverse_diagonal, coarse._pitch, coarse_b)

    def correct(
        self,
        b: Any,
        coarse: Grid | None,
        coarse_u: Any,
        u: Any,
        products: Any = None,
        energies: Any = None,
        largest: Any = None,
        *,
        add: bool = False,
    ) -> None:
        """Makes u by the same sweep, the coarse grid's u added, and a black-red sweep; b . u, u . A u, the largest |u|.

        Without a coarse grid coarse_u is None.  The three numbers, all or none, are for the finest grid.

        add  add it to u
        """
        grid = _blocks(b, self.height, _tiles(self.width, 2))
        correction = (NULL, np.int32(0)) if coarse is None else (coarse_u, coarse._pitch)
        self._launch("correct", grid, b, *correction, np.int32(add), u)
        if products is not None:
            grid = _blocks(b, self.height, self.width)
            found = [(_of_blocks(numbers, grid), numbers) for numbers in (products, energies, largest)]
            self._launch("inner_products", grid, b, u, *(of_blocks for of_blocks, _ in found))
            _finish(*found)

    def subtract(self, u: Any, b: Any) -> None:
        """Takes A u off b."""
        self._launch("subtract", _blocks(b, self.height, self.width), u, b)

    def advance(
        self, z: Any, beta: Any, alpha: Any, p: Any, f: Any, r: Any, squares: Any, coarse: Grid, coarse_r: Any
    ) -> None:
        """Makes p = z + beta p, adds alpha p to f, takes alpha A p off r; r . r, and the restriction of the new r."""
        grid = _blocks(p, self.height, self.width)
        of_blocks = _of_blocks(squares, grid)
        self._launch("direction", grid, z, beta, p)
        self._launch("advance", grid, p, alpha, f, r, of_blocks)
        _finish((of_blocks, squares))
        self.restrict(r, coarse, coarse_r)

    def residual(self, f: Any, v: Any, wanted: Any, r: Any, squares: Any) -> None:
        """Makes r = Laplacian(f) - v, and r . r, of the planes wanted; v may be None."""
        grid = _blocks(f, self.height, self.width)
        of_blocks = _of_blocks(squares, grid)
        self._launch("residual", grid, f, NULL if v is None else v, wanted, r, of_blocks)
        _finish((of_blocks, squares), wanted=wanted)

    def _launch(self, name: str, grid: tuple[int, int, int], *arguments: Any) -> None:
        kernel(name)(grid, (COLUMNS, ROWS), (*self._arguments, *arguments))


def levels(holes: Any) -> list[Grid]:
    """Returns every level of holes (N, H, W), True = missing, from the finest to a single pixel."""
    xp = module_of(holes)

    count, height, width = holes.shape
    # what holds pixels to the known ones, and the inverse diagonal
    ground, inverse = zeros(xp, count, [(height, width)] * 2, np.float32)
    sizes = np.int32(height), np.int32(width), np.int32(inverse.shape[-1])
    kernel("set_finest")(_blocks(holes, height, width), (COLUMNS, ROWS), (holes, *sizes, ground, inverse))
    grids = [Grid(inverse, width, 1, 1)]
    while (fine := grids[-1]).height > 1 or fine.width > 1:
        height, width = _tiles(fine.height, 2), _tiles(fine.width, 2)
        # a single row or column has no neighbours that a coarse edge could stand for
        across, down = fine.across * (0.5 if fine.height == 1 else 1), fine.down * (0.5 if fine.width == 1 else 1)
        fine_ground, fine_inverse = ground, inverse
        ground, inverse = zeros(xp, count, [(height, width)] * 2, np.float32)
        sizes = np.int32(fine.height), np.int32(fine.width), fine._pitch
        arguments = (*sizes, np.int32(inverse.shape[-1]), np.float32(across), np.float32(down), ground, inverse)
        blocks = _blocks(holes, height, width)
        kernel("set_coarser")(blocks, (COLUMNS, ROWS), (fine_ground, fine_inverse, *arguments))
        grids.append(Grid(inverse, width, across, down))
    return grids


def solve_coarse(grids: list[Grid], b: list[Any], u: list[Any]) -> None:
    """Makes u[0] by a cycle on a grid and those below it, from the first one's right-hand side b[0]; b is lost.

    A large first grid is cycled twice; `_cpu.solve_coarse` does so with all large ones, which here costs more launches
    than it saves.
    """
    _cycle(grids, b, u, add=False)
    if grids[0].height * grids[0].width > LARGE:
        grids[0].subtract(u[0], b[0])
        _cycle(grids, b, u, add=True)


def _cycle(grids: list[Grid], b: list[Any], u: list[Any], *, add: bool) -> None:
    for k, (fine, next_one) in enumerate(pairwise(grids)):
        fine.restrict(b[k], next_one, b[k + 1])
    coarsest = len(grids) - 1
    for k in range(coarsest, -1, -1):
        coarse, coarse_u = (None, None) if k == coarsest else (grids[k + 1], u[k + 1])
        grids[k].correct(b[k], coarse, coarse_u, u[k], add=add and k == 0)


def take_offsets(target: Any, source: Any | None, missing: Any, f: Any, largest: Any) -> None:
    """Puts target - source into f, but 0 at the missing pixels, whatever those hold, and each plane's largest |f|.

    target, source  (images, H, W, C), anywhere in memory; source None: 0
    missing         (images or 1, H, W)
    f, largest      (images * C, H + 2, pitch), 0 around the pixels, and (images * C,)
    """
    pixels = _pixels(f, target.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        np.subtract(target, 0 if source is None else source, out=pixels, dtype=np.float64)
    np.copyto(pixels, 0, where=missing[..., None])
    np.maximum(f.max(axis=(1, 2)), -f.min(axis=(1, 2)), out=largest)


def put_sums(f: Any, source: Any | None, missing: Any, out: Any) -> None:
    """Puts source + f into the missing pixels of out; bytes are rounded and clipped.  Shapes as in `take_offsets`."""
    sums = _pixels(f, out.shape)
    if source is not None:
        sums = sums + source
    if out.dtype == np.uint8:
        sums = np.clip(np.rint(sums), 0, 255)
    np.copyto(out, sums, where=missing[..., None], casting="unsafe")


def _pixels(f: Any, shape: tuple[int, ...]) -> Any:
    """Returns the view (images, H, W, C) of planes (images * C, H + 2, pitch)."""
    count, _, width, channels = shape
    # a view for certain only before anything is cut off
    return np.moveaxis(f.reshape(count, channels, *f.shape[1:])[:, :, 1:-1, :width], 1, -1)


def _blocks(planes: Any, rows: int, columns: int) -> tuple[int, int, int]:
    """Returns the blocks of a launch with a thread for each row and column of each plane."""
    return len(planes), _tiles(columns, COLUMNS), _tiles(rows, ROWS)


def _of_blocks(numbers: Any, grid: tuple[int, int, int]) -> Any:
    """Returns memory for a number of each block, (planes, blocks a plane), of the kind of `numbers`."""
    planes, across, down = grid
    return np.empty_like(numbers, shape=(planes, across * down))


def _finish(*found: tuple[Any, Any], wanted: Any = NULL) -> None:
    """Joins what the blocks of each plane found: sums, or two sums and the largest."""
    planes, blocks = found[0][0].shape
    threads = COLUMNS, min(_tiles(blocks, COLUMNS), MOST_ROWS)
    arrays = [array for pair in found for array in pair]
    kernel("finish")((planes, len(found)), threads, (wanted, np.int32(blocks), *arrays, *[NULL] * (6 - len(arrays))))
