"""A call of every function of `_cpu` as it should be: by name, the function and its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from faceinpaint_fast import _cpu


def zeros(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


def doubles(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float64)


HOLE = np.zeros((1, 9, 8), np.bool_)
HOLE[0, 2:6, 3:7] = True
HOLES = np.concatenate([HOLE, ~HOLE])
# the modes of lines of four pixels, of no use, and a plane of HOLE
MODES = {name: zeros(4, 4) for name in ("down", "across")} | {name: doubles(4) + 1 for name in ("of_down", "of_across")}
RECTANGLE = {"missing": HOLE[0], "top": 2, "left": 3} | MODES
ON_PLANES = {name: doubles(1, 11, 16) for name in ("f", "guidance")} | {"tolerance": 1e-3, "reached": doubles(1)}
LAYER = {"scale": zeros(3), "bias": zeros(3), "slope": 0.0, "gated": False, "threads": 1}
SIXTEEN = LAYER | {"scale": zeros(1), "bias": zeros(1)}
WINDOW = {"taps": np.full(3, 1 / 3, np.float32), "pad": 0, "threads": 1}
PACKED, PACKED_BF16 = (kind(zeros(16, 3), False) for kind in (_cpu.PackedFloat32, _cpu.PackedBFloat16))
IMAGES, HALF = zeros(1, 4, 4, 1), zeros(1, 2, 2, 3)
# a face of 176 samples a side, a hole in it whose like is known, in a photograph of 9x8 pixels, and its points
FACE, GONE, POINTS = zeros(176, 176, 3), zeros(176, 176), doubles(5, 2) + 32
GONE[80:90, 50:60] = 1
FRAME = np.array([[10.0, 0, -10], [0, 10, -10]])
HALVES = _cpu.Halves(FACE, GONE, FRAME, 9, 8, 31.5)
FOUND = HALVES.registered(POINTS, 0.1)

Call = tuple[Callable[..., Any], dict[str, Any]]
CALLS: dict[str, Call] = {
    "pitch_of": (_cpu.pitch_of, {"width": 8}),
    "weight_map": (
        _cpu.weight_map,
        {"hole": zeros(1, 9, 8), "threshold": 0.5, "radius": 1, "scale": 1.0, "threads": 1, "out": zeros(1, 9, 8)},
    ),
    "window_statistics": (
        _cpu.window_statistics,
        {"v": zeros(1, 1, 9, 8), "mean": zeros(1, 1, 7, 6), "variance": zeros(1, 1, 7, 6)} | WINDOW,
    ),
    "ssim_l1": (
        _cpu.ssim_l1,
        {name: zeros(1, 1, 9, 8) for name in ("x", "v", "gradient")}
        | {"w": zeros(1, 9, 8), "share": zeros(1, 7, 6), "c1": 0.1, "c2": 0.1}
        | {name: zeros(1, 1, 7, 6) for name in ("mean", "variance")}
        | {name: zeros(1) for name in ("a", "b", "ssim", "l1")}
        | WINDOW,
    ),
    "ssim": (
        _cpu.ssim,
        {name: zeros(1, 1, 9, 8) for name in ("x", "y", "gradient")}
        | {"share": zeros(1, 7, 6), "c1": 0.1, "c2": 0.1, "out": zeros(1)}
        | WINDOW,
    ),
    "weighted_l1": (
        _cpu.weighted_l1,
        {name: zeros(1, 1, 9, 8) for name in "xyw"} | {"threads": 1, "out": zeros(1)},
    ),
    "weighted_l1_gradient": (
        _cpu.weighted_l1_gradient,
        {name: zeros(1, 1, 9, 8) for name in ("x", "y", "w", "out")} | {"grad": zeros(1), "threads": 1},
    ),
    "adam": (
        _cpu.adam,
        {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "bound": 3.0, "steps": zeros(2, 4), "threads": 1}
        | {name: zeros(2, 5) for name in ("gradient", "centre", "u", "mean", "square")}
        | {"distance": doubles(2), "finite": np.ones(2, np.bool_)},
    ),
    "PackedFloat32": (_cpu.PackedFloat32, {"numbers": zeros(16, 3), "rows_of_16": False}),
    "PackedBFloat16": (_cpu.PackedBFloat16, {"numbers": zeros(16, 3), "rows_of_16": True}),
    "halve": (PACKED.halve, {"images": IMAGES, "half": HALF} | LAYER),
    "halve in bfloat16": (PACKED_BF16.halve, {"images": IMAGES, "half": HALF.astype(np.uint16)} | LAYER),
    "double": (_cpu.PackedFloat32(zeros(3, 16), False).double, {"half": HALF, "images": IMAGES} | SIXTEEN),
    "connect": (PACKED.connect, {"a": zeros(2, 16), "out": zeros(2, 3)} | LAYER),
    "WinogradHalving": (_cpu.WinogradHalving, {"weights": zeros(3, 16)}),
    "halving by Winograd": (_cpu.WinogradHalving(zeros(3, 16)), {"images": IMAGES, "half": HALF} | LAYER),
    "doubling by Winograd": (_cpu.WinogradDoubling(zeros(3, 16)), {"half": HALF, "images": IMAGES} | SIXTEEN),
    "take_offsets": (
        _cpu.take_offsets,
        {name: zeros(1, 9, 8, 3) for name in ("target", "source")}
        | {"missing": HOLE, "f": doubles(3, 11, 16), "largest": doubles(3)},
    ),
    "put_sums": (
        _cpu.put_sums,
        {"f": doubles(3, 11, 16), "source": zeros(1, 9, 8, 3), "missing": HOLE, "out": zeros(1, 9, 8, 3)},
    ),
    "Multigrid": (_cpu.Multigrid, {"missing": HOLES}),
    "Multigrid.solve": (_cpu.Multigrid(HOLE).solve, ON_PLANES),
    "Rectangle": (_cpu.Rectangle, RECTANGLE),
    "Rectangle.solve": (_cpu.Rectangle(**RECTANGLE).solve, ON_PLANES),
    "Halves": (_cpu.Halves, {"face": FACE, "lost": GONE, "frame": FRAME, "height": 9, "width": 8, "axis": 31.5}),
    "registered": (HALVES.registered, {"points": POINTS, "least": 0.1}),
    "make_source": (
        HALVES.make_source,
        {"found": FOUND, "restored": zeros(9, 8, 3), "missing": HOLE[0], "part": HOLE[0], "frame": FRAME}
        | {"source": zeros(9, 8, 3), "trust": zeros(9, 8)},
    ),
    "Plates": (_cpu.Plates, {"missing": HOLES, "tension": 0.5}),
    "Plates.solve": (_cpu.Plates(HOLE, 0.5).solve, ON_PLANES),
}
