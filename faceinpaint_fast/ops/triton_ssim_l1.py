"""SSIM with L1 and their gradient on CUDA, by the kernels of `triton_windows`, and how they cut a batch.

Work and memory at (64, 3, 1024, 1024), window 11, on an H200; an estimate from sm_90 machine code, not a measurement.
With four columns a thread a row is 155 instructions a column in `windows` and 100 in `pixels` (193 and 121 with two;
275 and 216 when each tap was read for one column), and 138 rows are walked for 128: 5.5e10, or 1.9 ms where 132
multiprocessors issue 128 a cycle at 1.75 GHz.  x, v, mean and variance are read, three slopes written and read, x and v
read again, the gradient written: 10.5 GB, 2.6 ms at 4.0 TB/s.  So memory decides, of which the time that x, v, mean,
variance and the gradient alone would take, 1.0 ms, is two fifths.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from faceinpaint_fast.ops import triton_windows as kernels
from faceinpaint_fast.ops.window import windows
from faceinpaint_fast.tuning import table_of

BLOCK = 1024  # partial sums that are added at once


class Tile(NamedTuple):
    """What a program walks over: `columns` a thread (1, 2 or 4), `warps` of 32 threads side by side, `rows`."""

    columns: int
    warps: int
    rows: int


TILES: dict[str, tuple[tuple[float, Tile], ...]] = {
    "statistics": ((1 << 18, Tile(1, 1, 4)), (1 << 24, Tile(2, 1, 32)), (math.inf, Tile(2, 2, 128))),
    "windows": ((1 << 18, Tile(1, 1, 4)), (1 << 24, Tile(2, 1, 32)), (math.inf, Tile(4, 2, 128))),
    "windows of a new target": ((1 << 18, Tile(1, 1, 4)), (1 << 24, Tile(2, 1, 32)), (math.inf, Tile(2, 2, 128))),
    "pixels": ((1 << 18, Tile(1, 1, 4)), (1 << 24, Tile(2, 1, 32)), (math.inf, Tile(4, 2, 128))),
}
"""Of each kernel, the tile for batches of up to so many pixels in all planes, where none was measured: few rows where
one walk is the time, many where the SIZE - 1 rows before the first complete window are work done twice."""

ROWS = (4, 8, 16, 32, 64, 128)  # of a walk
SMALL = 128  # pixels a side: planes that are tuned apart from larger ones
Tiles = Mapping[str, Tile]

QUANTITIES = {"statistics": 2, "windows": 3, "windows of a new target": 5, "pixels": 3}  # summed under each window
MOST_SUMS = 120  # a thread: what 255 registers leave room for


def window_statistics(v: Tensor, taps: Tensor, pad: int, *, tiles: Tiles = {}) -> tuple[Tensor, Tensor]:  # noqa: B006 - read
    """Mean and variance of v under each window, zeros beyond the border: (B, C, H, W) -> twice (B, C, H', W').

    tiles  of kernels by name, if not the best known
    """
    v = v.contiguous()
    height, width = v.shape[2:]
    mean = v.new_empty(windows(v, taps, pad))
    variance = torch.empty_like(mean)
    tile = tiles.get("statistics") or _tile("statistics", v, len(taps))
    options = _options(tile, v) | {"WINDOW_VECTOR": _vector(tile, mean), "SIZE": len(taps), "PAD": pad}
    programs = v.shape[:2].numel() * _programs(tile, *mean.shape[2:])
    with torch.cuda.device_of(v):
        kernels.statistics[(programs,)](v, mean, variance, taps, height, width, tile.rows, **options)
    return mean, variance


def ssim_l1_partials(
    x: Tensor,
    w: Tensor | None,
    v: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    share: Tensor | None,
    taps: Tensor,
    pad: int,
    c1: float,
    c2: float,
    a: Tensor | None,
    b: Tensor | None,
    *,
    with_gradient: bool = True,
    signed: bool = False,
    tiles: Tiles = {},  # noqa: B006 - read
) -> tuple[Tensor, Tensor, Tensor]:
    """1 - ssim and l1 of each image in parts, and the gradient (B, C, H, W) of a ssim + b l1 in x, all of v's dtype.

    The parts, (B, m) and (B, n), are one a program, in an order that the sizes alone decide; their sum is the value.

    mean    and variance of v under each window; none: they are computed on the way
    w       none: 1 everywhere
    share   none: the same for all windows of an image
    a, b    (B,); without a it is 1, without b it is 0 and there are no parts of l1, (B, 0)
    signed  x is in [-1, 1] and stands for (x + 1) / 2; the gradient is in x as it is; there is a w
    tiles   of kernels by name, if not the best known

    Without gradient it is (0,).  See `ops.ssim_l1`.  Most of the length is the arguments of two launches.
    """
    x, v = x.contiguous(), v.contiguous()
    w, mean, variance, share, a, b = (None if t is None else t.contiguous() for t in (w, mean, variance, share, a, b))
    images, channels, height, width = x.shape
    high, wide = windows(x, taps, pad)[2:]
    # rows of slopes begin where four of them are aligned
    pitch = -wide % 4 + wide
    gradient = v.new_empty(v.shape if with_gradient else 0)
    slopes = v.new_empty(images, channels, 3, high, pitch) if with_gradient else None
    name = "windows of a new target" if mean is None else "windows"
    tile = tiles.get(name) or _tile(name, x, len(taps))
    window = {"SIGNED": signed, "SIZE": len(taps), "PAD": pad}
    of_ssim = v.new_empty(images, channels * _programs(tile, high, wide))
    vectors = {"WINDOW_VECTOR": _vector(tile, mean, variance, share)}
    with torch.cuda.device_of(v):
        kernels.windows[(of_ssim.numel(),)](
            x, w, v, mean, variance, share, taps, a, slopes, of_ssim,
            channels, height, width, _step(w), _step(share), pitch, tile.rows, *_exactly(c1), *_exactly(c2),
            **_options(tile, x, v, w), **vectors, **window,
        )  # fmt: skip
        if not with_gradient and b is None:
            return of_ssim, v.new_empty(images, 0), gradient
        tile = tiles.get("pixels") or _tile("pixels", x, len(taps))
        programs = channels * _programs(tile, height, width)
        of_l1 = v.new_empty(images, 0 if b is None else programs)
        kernels.pixels[(images * programs,)](
            x, w, v, slopes, taps, b, gradient if with_gradient else None, None if b is None else of_l1,
            channels, height, width, _step(w), pitch, tile.rows,
            **_options(tile, x, v, w, gradient), **window,
        )  # fmt: skip
    return of_ssim, of_l1, gradient


def ssim_l1(
    x: Tensor,
    w: Tensor,
    v: Tensor,
    mean: Tensor,
    variance: Tensor,
    share: Tensor,
    taps: Tensor,
    pad: int,
    c1: float,
    c2: float,
    a: Tensor,
    b: Tensor,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns ssim (B,), l1 (B,) and the gradient (B, C, H, W) of a ssim + b l1 in x, (0,) without: `ops.ssim_l1`."""
    of_ssim, of_l1, gradient = ssim_l1_partials(
        x, w, v, mean, variance, share, taps, pad, c1, c2, a, b, with_gradient=with_gradient
    )
    return total(of_ssim, of_one=True), total(of_l1), gradient


def ssim(
    x: Tensor, y: Tensor, share: Tensor | None, taps: Tensor, pad: int, c1: float, c2: float, with_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Returns ssim (B,) of x against y (B, C, H, W), and its gradient in x, (0,) without; both of y's dtype."""
    of_ssim, _, gradient = ssim_l1_partials(
        x, None, y, None, None, share, taps, pad, c1, c2, None, None, with_gradient=with_gradient
    )
    return total(of_ssim, of_one=True), gradient


def total(partial: Tensor, *, of_one: bool = False) -> Tensor:
    """The sum of each row, or what it leaves of one, (B, n) -> (B,).

    Not torch's: there a row's alignment, hence its place in the batch, decides the order.
    """
    sums = partial.new_empty(len(partial))
    with torch.cuda.device_of(partial):
        kernels.total[(len(partial),)](partial, sums, partial.shape[1], BLOCK=BLOCK, OF_ONE=of_one, num_warps=4)
    return sums


def _tile(kernel: str, images: Tensor, size: int) -> Tile:
    return tile_of(kernel, images.device, images.numel(), images.shape[-1] <= SMALL, size)


@lru_cache(maxsize=1024)
def tile_of(kernel: str, device: torch.device, pixels: int, small: bool, size: int) -> Tile:
    """Returns the best known tile for so many pixels in all planes: as measured, on this device or one like it."""
    table = table_of(device)
    chosen = None if table is None else table.chosen("losses", pixels, walk=kernel, small=small)
    tile = next(tile for most, tile in TILES[kernel] if pixels <= most) if chosen is None else Tile(**chosen)
    # as many columns as a window of that size leaves room for
    while tile.columns > 1 and not has_room(kernel, tile.columns, size):
        tile = tile._replace(columns=tile.columns // 2)
    return tile


def has_room(kernel: str, columns: int, size: int) -> bool:
    """Whether a thread's registers hold the windows of so many columns."""
    return columns * (size - 1) * QUANTITIES[kernel] <= MOST_SUMS


def candidates(kernel: str, pixels: int, size: int) -> list[Tile]:
    """Returns tiles for so many pixels in all planes, the likeliest first: near the one that is taken unmeasured."""
    unmeasured = next(tile for most, tile in TILES[kernel] if pixels <= most)
    # of the shapes whose registers are known (benchmarks/results/kernels.md)
    shapes = sorted({(tile.columns, tile.warps) for tiles in TILES.values() for _, tile in tiles})
    every = (Tile(columns, warps, rows) for (columns, warps), rows in product(shapes, ROWS))
    tiles = (tile for tile in every if has_room(kernel, tile.columns, size))
    return sorted(tiles, key=lambda tile: sum(abs(math.log2(a / b)) for a, b in zip(tile, unmeasured, strict=True)))


def _options(tile: Tile, *planes: Tensor | None) -> dict[str, int | bool]:
    """Of the launch of a kernel that reads these planes of pixels."""
    return {
        "THREADS": 32 * tile.warps,
        "COLUMNS": tile.columns,
        "VECTOR": _vector(tile, *planes),
        "num_warps": tile.warps,
        # what is to be fused says so
        "enable_fp_fusion": False,
    }


def _vector(tile: Tile, *planes: Tensor | None) -> int:
    """How many neighbours of a row travel together: as many as are aligned in all of these planes."""
    vector = tile.columns
    for plane in planes:
        if plane is not None and plane.numel():
            vector = math.gcd(vector, plane.shape[-1], plane.data_ptr() // plane.element_size())
    return vector


def _programs(tile: Tile, height: int, width: int) -> int:
    """How many programs walk over one plane."""
    return -(-height // tile.rows) * -(-width // (32 * tile.warps * tile.columns))


def _exactly(number: float) -> tuple[float, float]:
    """A float64 as two float32, which is what Triton takes a Python float for."""
    near = float(np.float32(number))
    return near, number - near


def _step(per_image: Tensor | None) -> int:
    """From one image's numbers to the next one's; 0 where all images share them."""
    return 0 if per_image is None or len(per_image) == 1 else per_image.stride(0)
