"""Kernels for large images on a CUDA device, compiled for this CPU, against their definitions."""

from __future__ import annotations

import importlib.resources
import mmap
import sys
from itertools import pairwise
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import distance_transform_edt

from faceinpaint_fast import masks, poisson_blend
from faceinpaint_fast.blend.cuda import large
from faceinpaint_fast.blend.cuda.launch import NULL, plane_arguments
from faceinpaint_fast.blend.operators import Operator
from faceinpaint_fast.blend.planes import inside, zeros
from tests.blend.emulation import amid_nan
from tests.blend.equations import interpolation, laplacian, operator_of

# a number is some 40 products and sums in float32, in another order than by its definition: a few 1e-7 of the largest
ATOL = 2e-6
# Linux's, which the module mmap does not have in every version
MAP_NORESERVE = 0x4000
# tiles are 32 pixels or 32 pairs wide and 8 rows high; of 15 or 143 columns one zero is between two rows
SIZES = [(1, 2), (2, 1), (2, 2), (3, 3), (1, 9), (10, 1), (5, 4), (4, 5), (10, 15), (9, 33), (17, 66), (24, 143)]
FLEX, PULL = 0.25, 0.75
# before an emulation takes its place
CAPTURED = large.captured

pytestmark = pytest.mark.usefixtures("emulated")


def holes_of(rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
    """Some of blobs, some of single pixels, one pixel at least known."""
    holes = rng.random((count, height, width)) < rng.choice([0.5, 0.9], (count, 1, 1))
    for hole in holes[::2]:
        hole[height // 4 :, width // 4 :] = True
    holes[:, rng.integers(height), rng.integers(width)] = False
    return holes


def data_of(rng: np.random.Generator, holes: np.ndarray, planes: int) -> dict[str, np.ndarray]:
    """Planes and numbers for a level with these holes; all but `u`, `more` and `v` is 0 at the known pixels."""

    def random(holes: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
        count, height, width = holes.shape
        (array,) = zeros(np, planes, [(height, width)], dtype)
        inside(array, width)[...] = rng.standard_normal((planes, height, width))
        inside(array, width)[~holes[np.arange(planes) * count // planes]] = 0
        return array

    singles = {name: random(holes) for name in ("b", "z", "p", "before")}
    doubles = {name: random(np.ones_like(holes), np.float64) for name in ("u", "more")}
    # images of one channel each, from the last row to the first one in memory
    v = rng.standard_normal((planes, *holes.shape[1:], 1))[:, ::-1]
    state = rng.standard_normal((planes, large.NUMBERS))
    return {**singles, **doubles, "v": v, "state": state, "coarse_u": random(holes[:, ::2, ::2])}


def outcomes(fine: Any, coarse: Any, data: dict[str, np.ndarray], place: Any = amid_nan) -> dict[str, np.ndarray]:
    """What each kernel of a level makes of the data, of planes but for the last, which is solved."""
    of = {name: place(array) if array.ndim == 3 else array.copy() for name, array in data.items()}
    planes = len(data["b"])
    unsolved = np.arange(planes) < max(planes - 1, 1)
    blocks = prod(fine.blocks(planes)[1:])
    sums = {
        name: np.full((planes, blocks), np.nan) for name in ("product", "largest", "energy", "square", "square of v")
    }
    made = {name: place(0 * data["b"]) for name in ("alone", "corrected", "r", "r of v", "term", "first", "begun")}
    made |= {"coarse_b": place(0 * data["coarse_u"]), "added": place(data["z"]), "sum": place(data["p"])}
    coefficients, flex, pull = np.float32([0.5, -2, 3]), np.float64(FLEX), np.float64(PULL)
    channels, no_v = np.int32(1), plane_arguments(None)

    fine.launch(
        "restrict_residual", unsolved, of["b"], coarse.inverse_diagonal, coarse.pitch, made["coarse_b"], over=coarse
    )
    fine.launch("correct", unsolved, of["b"], NULL, np.int32(0), np.int32(0), made["alone"], columns=2)
    below = of["coarse_u"], coarse.pitch
    fine.launch("correct", unsolved, of["b"], *below, np.int32(0), made["corrected"], columns=2)
    fine.launch("correct", unsolved, of["b"], *below, np.int32(1), made["added"], columns=2)
    left = place(data["b"])
    fine.launch("subtract", unsolved, of["z"], left)
    fine.launch("estimate", unsolved, of["b"], of["z"], sums["product"], sums["largest"])
    fine.launch("energy", unsolved, of["p"], flex, pull, sums["energy"])
    u = of["u"], of["more"]
    v = plane_arguments(of["v"])
    fine.launch("residual", unsolved, *u, *no_v, channels, flex, pull, of["state"], made["r"], sums["square"])
    numbers = np.float64(0), np.float64(1), of["state"], made["r of v"], sums["square of v"]
    fine.launch("residual", unsolved, of["u"], NULL, *v, channels, *numbers)
    terms = coefficients, of["z"]
    fine.launch("add_term", unsolved, np.int32(2), *terms, of["before"], made["term"], made["sum"])
    fine.launch("add_term", unsolved, np.int32(1), *terms, NULL, made["first"], made["begun"])
    fine.launch("turn", unsolved, of["z"], of["state"], of["p"])
    fine.launch("advance", unsolved, of["z"], of["state"], of["u"])
    kept = {"left": left, "turned": of["p"], "advanced": of["u"]}
    return {
        **made,
        **kept,
        **{f"sum of {name}": found.sum(axis=1) for name, found in sums.items() if name != "largest"},
        "largest": sums["largest"].max(axis=1),
    }


def neighbours(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of those beside and those above and below (H, W), 0 beyond the border."""
    around = np.pad(values, 1)
    return around[1:-1, :-2] + around[1:-1, 2:], around[:-2, 1:-1] + around[2:, 1:-1]


class Definition:
    """A level on one hole by what its operator is, in float64: u = 0 at the known pixels."""

    def __init__(self, grid: Any, hole: int) -> None:
        self.inverse = inside(grid.inverse_diagonal, grid.width)[hole].astype(np.float64)
        self.missing = self.inverse != 0
        self._k = grid.across, grid.down
        y, x = np.indices(self.missing.shape)
        self._red = (y + x) % 2 == 0
        self.up = interpolation(grid.height), interpolation(grid.width)

    def around(self, u: np.ndarray) -> np.ndarray:
        beside, above = neighbours(u)
        return self._k[0] * beside + self._k[1] * above

    def A(self, u: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.missing, u / self.inverse - self.around(u), 0)

    def sweep(self, u: np.ndarray, b: np.ndarray, colours: tuple[bool, bool]) -> np.ndarray:
        for red in colours:
            u = np.where(self._red == red, self.inverse * (b + self.around(u)), u)
        return u

    def restricted(self, b: np.ndarray) -> np.ndarray:
        left = b - self.A(self.sweep(np.zeros_like(b), b, (True, False)))
        down, across = self.up
        return (down.T @ left @ across) * self.missing[::2, ::2]

    def corrected(self, b: np.ndarray, coarse_u: np.ndarray | None) -> np.ndarray:
        u = self.sweep(np.zeros_like(b), b, (True, False))
        if coarse_u is not None:
            down, across = self.up
            u = u + self.missing * (down @ coarse_u @ across.T)
        return self.sweep(u, b, (False, True))


def expected(fine: Any, data: dict[str, np.ndarray], plane: int) -> dict[str, np.ndarray]:
    """What `outcomes` are by their definitions, of one plane, (H, W) each."""
    holes, planes = len(fine.inverse_diagonal), len(data["b"])
    level = Definition(fine, plane * holes // planes)
    of = {
        name: inside(array, fine.width)[plane].astype(np.float64)
        for name, array in data.items()
        if array.ndim == 3 and name != "coarse_u"
    }
    of["coarse_u"] = inside(data["coarse_u"], (fine.width + 1) // 2)[plane].astype(np.float64)
    state, missing = data["state"][plane], level.missing
    b, z, p, u = of["b"], of["z"], of["p"], of["u"]
    within = PULL * u - FLEX * laplacian(u) - of["more"]
    r = laplacian(within) * missing
    scale = state[0]
    r_of_v = (laplacian(u) - scale * data["v"][plane, ..., 0]) * missing
    of_z = np.where(missing, -laplacian(z) - 4 * z, 0)
    term = (2 * of_z / 4 - of["before"]) * missing
    first = of_z / 4
    return {
        "coarse_b": level.restricted(b),
        "alone": level.corrected(b, None),
        "corrected": level.corrected(b, of["coarse_u"]),
        "added": z + level.corrected(b, of["coarse_u"]),
        "left": b - level.A(z),
        "sum of product": (b * z).sum(),
        "largest": abs(z).max(),
        "sum of energy": (FLEX * laplacian(p) ** 2 - PULL * p * laplacian(p)).sum(),
        "r": r,
        "sum of square": (r**2).sum(),
        "r of v": r_of_v,
        "sum of square of v": (r_of_v**2).sum(),
        "term": term,
        "sum": p + 3 * term,
        "first": first,
        "begun": 0.5 * z - 2 * first,
        "turned": z + state[4] * p,
        "advanced": u + state[5] * z,
    }


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("count", "planes"), [(1, 1), (1, 2), (3, 6), (2, 3)])
def test_kernels_are_what_they_are_defined_as(size, count, planes, rng):
    holes = holes_of(rng, count, *size)
    for k, (fine, coarse) in enumerate(pairwise(large.levels(holes))):
        data = data_of(rng, holes[:, :: 2**k, :: 2**k], planes)
        found = outcomes(fine, coarse, data)
        for plane in range(max(planes - 1, 1)):
            for name, values in expected(fine, data, plane).items():
                one = found[name][plane]
                if name == "coarse_b":
                    one = inside(one[None], coarse.width)[0] * inside(coarse.inverse_diagonal, coarse.width)[
                        plane * count // planes
                    ].astype(bool)
                elif one.ndim:
                    one = inside(one[None], fine.width)[0]
                # sums are of as many numbers as there are pixels, of both signs
                largest = max(np.abs(values).max(), 1) if values.ndim else max(abs(values), prod(size))
                assert_allclose(one, values, rtol=0, atol=ATOL * largest, err_msg=name)
        if planes > 1:
            for name in ("alone", "corrected", "r", "coarse_b", "term"):
                assert not found[name][-1].any(), f"{name} of a plane that is solved"


@pytest.mark.parametrize("size", [*SIZES, (1, 300), (300, 1)], ids=str)
def test_levels_are_those_of_the_definition(size, rng):
    holes = holes_of(rng, 2, *size)
    grids = large.levels(holes)
    assert (grids[-1].height, grids[-1].width) == (1, 1)
    ground = np.stack([hole * sum(neighbours(1.0 * ~hole)) for hole in holes])
    across = down = 1.0
    for grid in grids:
        assert (grid.height, grid.width) == holes.shape[1:]
        beside, above = map(np.stack, zip(*(neighbours(1.0 * hole) for hole in holes), strict=True))
        with np.errstate(divide="ignore"):
            inverse = np.where(holes, 1 / (across * beside + down * above + ground), 0)
        (padded,) = zeros(np, 2, [(grid.height, grid.width)], np.float32)
        inside(padded, grid.width)[...] = inverse
        assert_allclose(grid.inverse_diagonal, padded, rtol=1e-6, atol=0)
        assert grid.inverse_diagonal.dtype == np.float32
        across, down = across * (0.5 if grid.height == 1 else 1), down * (0.5 if grid.width == 1 else 1)
        holes = holes[:, ::2, ::2]
        shared = interpolation(grid.height).T @ ground @ interpolation(grid.width)
        # no less than an edge to each known neighbour
        beside, above = map(np.stack, zip(*(neighbours(1.0 * ~hole) for hole in holes), strict=True))
        ground = holes * np.maximum(shared, across * beside + down * above)


def test_distances_are_exact_as_far_as_they_count(rng):
    holes = np.stack([masks.free_form((40, 70), 1), rng.random((40, 70)) < 0.9, masks.centre((40, 70))])
    (grid, *_), count = large.levels(holes), len(holes)
    exact = np.stack([np.rint(distance_transform_edt(hole) ** 2) for hole in holes])
    for most in (3, 70):
        distances, squares = zeros(np, count, [(40, 70)] * 2, np.float32)
        grid.launch("distances_down", count, np.int32(most), distances)
        grid.launch("squared_distances", count, np.int32(most), distances, squares)
        near = exact <= most**2
        assert_array_equal(inside(squares, 70)[near], exact[near])
        assert (inside(squares, 70)[~near] > most**2).all()


def cycle_by_definition(grids: list[Any], hole: int, b: np.ndarray) -> np.ndarray:
    """V b on the finest of these levels, the one below it cycled twice if it is large."""

    def cycle(k: int, b: np.ndarray) -> np.ndarray:
        level = Definition(grids[k], hole)
        below = cycle(k + 1, level.restricted(b)) if k + 1 < len(grids) else None
        return level.corrected(b, below)

    finest, second = Definition(grids[0], hole), Definition(grids[1], hole)
    coarse_b = finest.restricted(b)
    u = cycle(1, coarse_b)
    if second.missing.size > large.LARGE:
        u = u + cycle(1, coarse_b - second.A(u))
    return finest.corrected(b, u)


@pytest.mark.parametrize("most", [0, 64 * 64])
def test_a_cycle_is_what_it_is_defined_as(most, monkeypatch, rng):
    monkeypatch.setattr(large, "LARGE", most)
    holes = holes_of(rng, 2, 19, 37)
    grids = large.levels(holes)
    b = data_of(rng, holes, 4)["b"]
    z = amid_nan(0 * b)
    large.Vcycle(grids, np.ones(4, np.bool_))(b, z)
    for plane in range(4):
        values = cycle_by_definition(grids, plane // 2, inside(b, 37)[plane].astype(np.float64))
        assert_allclose(inside(z, 37)[plane], values, rtol=0, atol=ATOL * np.abs(values).max())


def test_the_last_level_is_one_pixel():
    """1 x 1: nothing but b / g."""
    inverse, b, u = zeros(np, 1, [(1, 1)] * 3, np.float32)
    inverse[0, 1, 0], b[0, 1, 0] = 0.5, -3
    grid = large.Grid(inverse, 1, 1.0, 1.0)
    grid.launch("correct", np.ones(1, np.bool_), b, NULL, np.int32(0), np.int32(0), u, columns=2)
    assert u[0, 1, 0] == -1.5


def test_no_thread_depends_on_what_another_one_wrote(emulated, rng):
    holes = holes_of(rng, 2, 17, 70)
    data = data_of(rng, holes, 4)
    first = outcomes(*large.levels(holes)[:2], data)
    emulated.backwards = True
    for name, values in outcomes(*large.levels(holes)[:2], data).items():
        assert_array_equal(values, first[name], err_msg=name)


def test_sums_of_more_blocks_than_threads(rng):
    of_blocks = rng.random((3, 3000))
    state, unsolved = np.full((3, large.NUMBERS), np.nan), np.array([True, False, True])

    def join(name: str, *arguments: Any) -> None:
        large.kernel(name)((3,), (large.COLUMNS, large.MOST_ROWS), arguments)

    join("begin", np.int32(3000), unsolved, state, of_blocks)
    assert_allclose(state[:, 1], [of_blocks[0].sum(), np.nan, of_blocks[2].sum()], rtol=1e-13)
    join("set_scale", np.int32(3000), unsolved, state, of_blocks)
    assert_array_equal(state[:, 0], np.ldexp(1.0, -np.frexp(of_blocks.max(axis=1))[1]))


def test_planes_beyond_32_bits(rng):
    """Plane 1 and the last rows of plane 0 are further away than an int counts, in memory that nobody touches."""
    holes = holes_of(rng, 1, 15, 5)
    data = data_of(rng, holes, 3)
    levels = large.levels(holes)[:2]

    def results(place: Any) -> dict[str, np.ndarray]:
        grids = (large.Grid(place(level.inverse_diagonal), level.width, level.across, level.down) for level in levels)
        made = outcomes(*grids, data, place)
        return {name: array[..., :16].copy() if array.ndim == 3 else array for name, array in made.items()}

    def wide(array: np.ndarray) -> np.ndarray:
        planes, rows, pitch = array.shape
        shape = planes, rows, 2**31 // (rows - 3) // 16 * 16 + 16
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        far = np.frombuffer(mmap.mmap(-1, array.itemsize * prod(shape), flags=flags), array.dtype).reshape(shape)
        far[:, :, :pitch] = array
        return far

    near = results(np.copy)
    for name, values in results(wide).items():
        assert_array_equal(values, near[name], err_msg=name)


def test_the_host_reads_who_is_unsolved_and_nothing_else(monkeypatch, rng):
    """A cycle is launched without a look at what it does."""
    holes = holes_of(rng, 1, 33, 65)
    target, source = rng.random((2, 1, 33, 65, 3))
    launched, read = [], []
    kernel, to_numpy = large.kernel, large.to_numpy
    monkeypatch.setattr(large, "kernel", lambda name: launched.append(name) or kernel(name))
    monkeypatch.setattr(large, "to_numpy", lambda array: read.append(array.nbytes) or to_numpy(array))
    for tension, of_polynomials in ((None, 0), (2.0, 2)):
        launched.clear(), read.clear()
        levels = large.Levels(holes, operator_of(tension))
        cycles = levels.fill(target, source, None, 1e-5, target.copy())
        begun = -(-cycles // large.AT_ONCE)
        # eight levels, of which the first coarse one is too small to be cycled twice, and a step's eight launches
        of_cycle = 2 * 8 - 1 + of_polynomials + 8
        from_cycles = launched[launched.index("begin") + 1 : -1]
        assert launched[-1] == "put_sums"
        assert len(from_cycles) == begun * large.AT_ONCE * of_cycle
        assert read == [3] * begun + [3 * large.NUMBERS * 8]


def test_planes_that_are_solved_are_left_alone(rng):
    """The more difficult image takes more cycles, of which the other one knows nothing."""
    holes = np.stack([masks.centre((24, 30)), np.ones((24, 30), np.bool_)])
    holes[1, 3, 4] = False
    target, source = rng.random((2, 2, 24, 30, 1))
    together, alone = target.copy(), target[:1].copy()
    operator = operator_of(0.0)
    both = large.Levels(holes, operator).fill(target, source, None, 1e-5, together)
    one = large.Levels(holes[:1].copy(), operator).fill(target[:1], source[:1], None, 1e-5, alone)
    assert one < both
    assert_array_equal(together[:1], alone)


def test_a_last_correction_that_is_not_enough_is_followed_by_others(monkeypatch, rng):
    monkeypatch.setattr(large, "LAST", {1: 1e5})
    monkeypatch.setattr(Operator, "error", 1e5)
    holes = holes_of(rng, 1, 24, 30)
    target, source = rng.random((2, 1, 24, 30, 1))
    found = target.copy()
    assert large.Levels(holes, operator_of(None)).fill(target, source, None, 1e-6, found) > 2
    assert_allclose(found, poisson_blend(target, source, holes, tolerance=1e-9), rtol=0, atol=1e-5)


def test_launches_are_captured_on_a_stream_of_their_own(monkeypatch):
    """As CuPy wants it: begun and ended on one stream, launched where the caller is."""
    done = []

    class Stream:
        def __init__(self, non_blocking):
            assert non_blocking

        def __enter__(self):
            done.append("enter")
            return self

        def __exit__(self, *_):
            done.append("exit")

        def begin_capture(self):
            done.append("begin")

        def end_capture(self):
            done.append("end")
            return SimpleNamespace(launch=lambda: done.append("launch"))

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(Stream=Stream)))
    replay = CAPTURED(lambda: done.append("launches"))
    replay(), replay()
    assert done == ["enter", "begin", "launches", "end", "exit", "launch", "launch"]


def test_sources_are_in_the_package():
    folder = Path(str(importlib.resources.files("faceinpaint_fast.blend.cuda")))
    assert set(large.SOURCES) >= set((folder / "large").glob("*.cu"))
