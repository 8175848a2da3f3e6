"""The multigrid's grid on CuPy arrays: `_cpu.Grid` with the kernels of poisson.cu, on the current device and stream.

Nothing waits for the device.  Arrays are what `_cpu.Grid` takes, C-contiguous, and nobody checks; at the known pixels
all but f and v are 0 and stay so.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("poisson.cu")
# threads of a block, and the most of `finish`
COLUMNS, ROWS = 32, 8
MOST_ROWS = 32
# CuPy hands an integer of 64 bits over as it is
NULL = 0


@cache
def _module() -> Any:
    import cupy

    return cupy.RawModule(code=SOURCE.read_text(), options=("-std=c++17",))


@cache
def kernel(name: str) -> Any:
    """The kernel of that name in poisson.cu, to be called with (grid, block, arguments)."""
    return _module().get_function(name)


def _tiles(lines: int, of: int) -> int:
    return -(-lines // of)


class Grid:
    """A level of the multigrid, whose inverse diagonal is (holes, H + 2, pitch)."""

    def __init__(self, inverse_diagonal: Any, width: int, across: float, down: float) -> None:
        holes, rows, pitch = inverse_diagonal.shape
        self._height, self._width = rows - 2, width
        self._inverse_diagonal, self._pitch = inverse_diagonal, np.int32(pitch)
        sizes = np.int32(holes), np.int32(rows - 2), np.int32(width), np.int32(pitch)
        self._arguments = (inverse_diagonal, *sizes, np.float32(across), np.float32(down))

    def restrict(self, b: Any, coarse: Grid, coarse_b: Any) -> None:
        """A red-black sweep from u = 0, and what it leaves of b, restricted: the right-hand side of the coarse grid."""
        grid = self._grid(b, coarse._height, coarse._width)
        self._launch("restrict_residual", grid, b, coarse._inverse_diagonal, coarse._pitch, coarse_b)

    def correct(self, b: Any, coarse: Grid | None, coarse_u: Any, u: Any, products: Any, largest: Any) -> None:
        """The same sweep, the coarse grid's u added, a black-red sweep: u, b . u and the largest |u|.

        Without a coarse grid coarse_u is None; products and largest are None where nobody asks for them.
        """
        grid = self._grid(b, self._height, _tiles(self._width, 2))
        correction = (NULL, np.int32(0)) if coarse is None else (coarse_u, coarse._pitch)
        if products is None:
            self._launch("correct", grid, b, *correction, u, NULL, NULL)
            return
        of_blocks, largest_of_blocks = _of_blocks(products, grid), _of_blocks(largest, grid)
        self._launch("correct", grid, b, *correction, u, of_blocks, largest_of_blocks)
        _finish(of_blocks, products, largest_of_blocks, largest)

    def direction(self, z: Any, beta: Any, p: Any, energies: Any) -> None:
        """p = z + beta p, and p . A p."""
        grid = self._grid(p, self._height, self._width)
        self._launch("direction", grid, z, beta, p)
        of_blocks = _of_blocks(energies, grid)
        self._launch("energy", grid, p, of_blocks)
        _finish(of_blocks, energies)

    def advance(self, p: Any, alpha: Any, u: Any, r: Any, squares: Any) -> None:
        """u += alpha p, r -= alpha A p, and r . r."""
        grid = self._grid(p, self._height, self._width)
        of_blocks = _of_blocks(squares, grid)
        self._launch("advance", grid, p, alpha, u, r, of_blocks)
        _finish(of_blocks, squares)

    def residual(self, f: Any, v: Any, r: Any, squares: Any) -> None:
        """r = Laplacian(f) - v, and r . r; v may be None."""
        grid = self._grid(f, self._height, self._width)
        of_blocks = _of_blocks(squares, grid)
        self._launch("residual", grid, f, NULL if v is None else v, r, of_blocks)
        _finish(of_blocks, squares)

    def _grid(self, array: Any, rows: int, columns: int) -> tuple[int, int, int]:
        return len(array), _tiles(columns, COLUMNS), _tiles(rows, ROWS)

    def _launch(self, name: str, grid: tuple[int, int, int], *arguments: Any) -> None:
        kernel(name)(grid, (COLUMNS, ROWS), (*self._arguments, *arguments))


def _of_blocks(numbers: Any, grid: tuple[int, int, int]) -> Any:
    """Memory for a number of each block, (planes, blocks a plane), of the kind of `numbers`."""
    planes, across, down = grid
    return np.empty_like(numbers, shape=(planes, across * down))


def _finish(of_blocks: Any, sums: Any, largest_of_blocks: Any = NULL, largest: Any = NULL) -> None:
    """Sums, and the largest if asked for, of what the blocks of each plane found."""
    planes, blocks = of_blocks.shape
    threads = COLUMNS, min(_tiles(blocks, COLUMNS), MOST_ROWS)
    kernel("finish")((planes,), threads, (of_blocks, largest_of_blocks, np.int32(blocks), sums, largest))
