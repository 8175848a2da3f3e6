"""Conjugate gradients on the missing pixels of images, preconditioned by a multigrid V-cycle (Trottenberg et al. 2001).

Each level of the multigrid holds every second row and column of the one before, the even ones; a pixel of it is known
if it was known.  The missing ones are joined to their neighbours by edges of conductance k and to the known pixels by
a conductance g to the ground:  (A u)_p = g_p u_p + sum over the missing neighbours q of p of k (u_p - u_q).  On the finest
level k = 1 and g_p counts the known neighbours of p.  A coarser level has g_coarse = P^T g, P being bilinear
interpolation: what holds a pixel to the known ones is shared out among the coarse pixels around it, so that single
known pixels and thin lines between the coarse pixels are not lost.

Arrays are padded: (planes, H + 2, pitch), a row of zeros above and below, and zeros right of the width.  A plane is one
channel of an image; plane i has the hole i * holes // planes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_ITERATIONS = 30
# float32 carries the residual of a round this far down, before it is taken anew in float64
ROUND = 1e-5


class Level(NamedTuple):
    """The operator on one grid of height x width pixels."""

    height: int
    width: int
    inverse_diagonal: NDArray[np.float32]  # (holes, H + 2, pitch): 1 / the diagonal of A, 0 where known
    across: float  # the conductance k of edges along rows
    down: float  # and along columns


def padded(xp: Any, planes: int, height: int, width: int, dtype: Any) -> Any:
    """Zeros (planes, height + 2, pitch); pitch, a multiple of 16, is above the width; in NumPy aligned to cache lines."""
    shape = (planes, height + 2, (width + 16) // 16 * 16)
    if xp is not np:
        return xp.zeros(shape, dtype)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def inside(array: Any, width: int) -> Any:
    """The view (planes, height, width) of a padded array."""
    return array[:, 1:-1, :width]


def spread(along: Any, axis: int) -> Any:
    """P^T along an axis: each odd line's numbers go in halves to the even lines around it, or all to the only one."""
    along = np.moveaxis(along, axis, 0)
    even = along[::2].copy()
    odd = along[1::2]
    even[: len(odd)] += odd / 2
    even[1 : len(odd) + 1] += odd[: len(even) - 1] / 2
    if len(odd) == len(even):
        even[-1] += odd[-1] / 2
    return np.moveaxis(even, 0, axis)


def hierarchy(holes: Any, xp: Any) -> list[Level]:
    """The levels of holes (N, H, W), bool, down to a single pixel."""
    levels: list[Level] = []
    across = down = 1.0
    ground: Any = None
    while True:
        count, height, width = holes.shape
        inverse = padded(xp, count, height, width, np.float32)
        hole = padded(xp, count, height, width, np.float32)
        inside(hole, width)[...] = holes
        edges = down * (hole[:, :-2, :width] + hole[:, 2:, :width])
        edges += across * hole[:, 1:-1, 1 : width + 1]
        edges[:, :, 1:] += across * hole[:, 1:-1, : width - 1]
        if ground is None:
            degree = padded(xp, 1, height, width, np.float32)
            inside(degree, width)[...] = 1
            neighbours = degree[:, :-2, :width] + degree[:, 2:, :width] + degree[:, 1:-1, 1 : width + 1]
            neighbours[:, :, 1:] += 1
            ground = neighbours - edges
        xp.divide(1, edges + ground, out=inside(inverse, width), where=holes) if xp is np else None
        levels.append(Level(height, width, inverse, across, down))
        if height == width == 1:
            return levels
        ground = spread(spread(xp.where(holes, ground, np.float32(0)), 1), 2)
        holes = holes[:, ::2, ::2]
        across *= 0.5 if height == 1 else 1
        down *= 0.5 if width == 1 else 1


class Multigrid:
    """The equation on holes (N, H, W), bool, ready for any right-hand side."""

    def __init__(self, holes: Any, xp: Any, Grid: Any) -> None:
        self._xp = xp
        self._levels = hierarchy(holes, xp)
        self._grids = [Grid(a.inverse_diagonal, a.width, a.across, a.down) for a in self._levels]

    def solve(self, f: Any, v: Any, tolerance: float) -> int:
        """Put into the missing pixels of f (planes, H + 2, pitch), float64, 0 there, what has Laplacian v (None: 0).

        Returns the iterations it took.  Raises ArithmeticError, with the figure reached, if no more than a relative
        residual above `tolerance` comes out.
        """
        xp, planes = self._xp, len(f)
        b = [padded(xp, planes, a.height, a.width, np.float32) for a in self._levels]
        u = [padded(xp, planes, a.height, a.width, np.float32) for a in self._levels]
        x, p = np.zeros_like(b[0]), padded(xp, planes, self._levels[0].height, self._levels[0].width, np.float32)
        finest = self._grids[0]
        squares, products, energies = (xp.zeros(planes) for _ in range(3))
        largest, first = xp.zeros(planes, np.float32), None
        finest.residual(f, v, b[0], squares)
        scale, reached, iterations = xp.sqrt(squares), 1.0, 0
        while True:
            before = xp.sqrt(squares)
            if not (before > tolerance * scale).any():
                return iterations
            # half of what is asked: the rounding of float32 comes on top
            goal = xp.maximum(tolerance * scale / 2, ROUND * before)
            x[...] = 0
            last = beta = xp.zeros(planes, np.float32)
            for _ in range(MOST_ITERATIONS):
                iterations += 1
                for k, (fine, coarse) in enumerate(pairwise(self._grids)):
                    fine.restrict(b[k], coarse, b[k + 1])
                self._grids[-1].correct(b[-1], None, None, u[-1], products, largest)
                for k in range(len(b) - 2, -1, -1):
                    self._grids[k].correct(b[k], self._grids[k + 1], u[k + 1], u[k], products, largest)
                first = largest.copy() if first is None else first
                active = ((squares > goal**2) | (largest > 10 * tolerance * first)) & (before > tolerance * scale)
                if not active.any():
                    x += u[0]
                    break
                beta = xp.where(last > 0, products / xp.where(last > 0, last, 1), 0).astype(np.float32)
                finest.direction(u[0], beta, p, energies)
                last = products.copy()
                alpha = xp.where(active, products / xp.where(active, energies, 1), 0).astype(np.float32)
                finest.advance(p, alpha, x, b[0], squares)
            f += x
            finest.residual(f, v, b[0], squares)
            if not (xp.sqrt(squares) <= xp.maximum(before / 2, tolerance * scale)).all():
                raise ArithmeticError(f"{xp.sqrt(squares) / scale}")
