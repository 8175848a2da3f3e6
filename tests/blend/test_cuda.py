"""The multigrid's CUDA kernels against those in C++: compiled for this CPU (cuda_on_cpu.hpp), and on a device."""

from __future__ import annotations

import importlib.resources
import mmap
from collections.abc import Callable
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceinpaint_fast import PoissonSolver, _cpu, masks, poisson_blend, reference
from faceinpaint_fast.blend import solver as solver_module
from faceinpaint_fast.blend.conjugate_gradients import Multigrid
from faceinpaint_fast.blend.cuda import kernels as cuda_kernels
from faceinpaint_fast.blend.planes import inside, zeros
from faceinpaint_fast.blend.solver import Limits

# a number is some 40 products and sums in float32, which each compiler joins to FMAs in its own way: a few 1e-7 of the
# largest
ATOL = 2e-6
# in float64 throughout
ATOL_FLOAT64 = 1e-14

# Linux's, which the module mmap does not have in every version
MAP_NORESERVE = 0x4000


@pytest.fixture(scope="module")
def compiled(compile_for_cpu: Callable[..., Any]) -> Any:
    return compile_for_cpu([cuda_kernels.SOURCE])


@pytest.fixture
def emulation(compiled: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    emulation = compiled()
    monkeypatch.setattr(cuda_kernels, "kernel", emulation.kernel)
    monkeypatch.setattr(cuda_kernels, "zeros", lambda *arguments: list(map(amid_nan, zeros(*arguments))))
    return emulation


def holes_of(rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
    """Some of blobs, some of single pixels, one pixel at least known."""
    holes = rng.random((count, height, width)) < rng.choice([0.5, 0.9], (count, 1, 1))
    for hole in holes[::2]:
        hole[height // 4 :, width // 4 :] = True
    holes[:, rng.integers(height), rng.integers(width)] = False
    return holes


def amid_nan(array: np.ndarray) -> np.ndarray:
    """A copy with NaN before and behind it, where no kernel may look."""
    around = np.full(array.size + 2048, np.nan, array.dtype)
    copy = around[1024:-1024].reshape(array.shape)
    copy[...] = array
    return copy


def data_of(rng: np.random.Generator, holes: np.ndarray, planes: int) -> dict[str, np.ndarray]:
    """Arguments of the four functions for a level with these holes; all but f and v are 0 at the known pixels."""

    def random(holes: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
        count, height, width = holes.shape
        (array,) = zeros(np, planes, [(height, width)], dtype)
        inside(array, width)[...] = rng.standard_normal((planes, height, width))
        inside(array, width)[~holes[np.arange(planes) * count // planes]] = 0
        return array

    numbers = {name: rng.standard_normal(planes) for name in ("alpha", "beta", "squares of f, v")}
    singles = {name: random(holes) for name in ("b", "u", "p", "r", "r of f, v")}
    doubles = {name: random(np.ones_like(holes), np.float64) for name in ("f", "v")}
    wanted = np.arange(planes) % 3 == 0
    return {**numbers, **singles, **doubles, "wanted": wanted, "coarse_u": random(holes[:, ::2, ::2])}


def outcomes(grid: Any, coarse: Any, data: dict[str, np.ndarray], xp: Any = np) -> dict[str, Any]:
    """What the four functions make of the data."""
    of = {name: xp.asarray(array if array.ndim == 1 else amid_nan(array)) for name, array in data.items()}
    planes = len(of["b"])
    sums = {name: xp.full(planes, np.nan) for name in ("products", "products alone", "squares", "squares of f")}
    sums |= {name: xp.full(planes, np.nan) for name in ("energies", "energies alone")}
    largest = {name: xp.full(planes, np.nan, np.float32) for name in ("largest", "largest alone")}
    results = {"coarse_b": xp.zeros_like(of["coarse_u"]), "coarse_r": xp.zeros_like(of["coarse_u"])}
    results |= {"u alone": of["u"].copy(), "r of f": xp.zeros_like(of["r"])}

    grid.residual(of["f"], None, xp.ones(planes, np.bool_), results["r of f"], sums["squares of f"])
    grid.residual(of["f"], of["v"], of["wanted"], of["r of f, v"], of["squares of f, v"])
    grid.restrict(of["b"], coarse, results["coarse_b"])
    alone = sums["products alone"], sums["energies alone"], largest["largest alone"]
    grid.correct(of["b"], None, None, results["u alone"], *alone)
    together = sums["products"], sums["energies"], largest["largest"]
    grid.correct(of["b"], coarse, of["coarse_u"], of["u"], *together)
    scales = of["beta"], of["alpha"]
    grid.advance(of["u"], *scales, of["p"], of["f"], of["r"], sums["squares"], coarse, results["coarse_r"])
    kept = ("u", "p", "f", "r", "r of f, v", "squares of f, v")
    return {**results, **{name: of[name] for name in kept}, **sums, **largest}


def assert_agree(found: dict[str, Any], expected: dict[str, Any], holes: np.ndarray) -> None:
    known = ~holes[:, ::2, ::2]
    for name, values in expected.items():
        if name in ("coarse_b", "coarse_r"):
            # at known pixels the one writes what the other does not: nobody looks
            inside(values, known.shape[2])[known[np.arange(len(values)) * len(known) // len(values)]] = 0
        # sums are of as many numbers as there are pixels, of both signs
        pixels = expected["u"][0].size if values.ndim == 1 and "largest" not in name else 1
        largest = np.abs(values).max(initial=1e-3)
        atol = ATOL_FLOAT64 if name.startswith("squares of") else ATOL
        assert found[name].dtype == values.dtype
        np.testing.assert_allclose(found[name], values, rtol=0, atol=atol * max(largest, pixels), err_msg=name)


# tiles are 32 pixels or 32 pairs wide and 8 rows high; of 15 or 143 columns one zero is between two rows
SIZES = [(1, 2), (2, 1), (2, 2), (3, 3), (1, 9), (10, 1), (5, 4), (4, 5), (10, 15), (9, 33), (17, 66), (24, 143)]


@pytest.mark.usefixtures("emulation")
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("count", "planes"), [(1, 1), (1, 2), (3, 6), (2, 3)])
def test_functions_are_those_in_cpp(size, count, planes, rng):
    holes = holes_of(rng, count, *size)
    pairs = (pairwise(levels) for levels in (cuda_kernels.levels(holes), _cpu.levels(holes)))
    for k, (there, here) in enumerate(zip(*pairs, strict=True)):
        missing = holes[:, :: 2**k, :: 2**k]
        data = data_of(rng, missing, planes)
        assert_agree(outcomes(*there, data), outcomes(*here, data), missing)


@pytest.mark.gpu
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_functions_on_a_device_are_those_in_cpp(size, rng):
    cupy = pytest.importorskip("cupy")
    holes = holes_of(rng, 2, *size)
    pairs = (pairwise(levels) for levels in (cuda_kernels.levels(cupy.asarray(holes)), _cpu.levels(holes)))
    for k, (there, here) in enumerate(zip(*pairs, strict=True)):
        missing = holes[:, :: 2**k, :: 2**k]
        data = data_of(rng, missing, 6)
        found = {name: cupy.asnumpy(values) for name, values in outcomes(*there, data, cupy).items()}
        assert_agree(found, outcomes(*here, data), missing)


def interpolation(n: int) -> np.ndarray:
    """P of a line of n pixels, by its definition: (n, coarse n)."""
    P = np.zeros((n, (n + 1) // 2))
    for i in range(n):
        P[i, i // 2] += 0.5
        P[i, min((i + 1) // 2, P.shape[1] - 1)] += 0.5
    return P


@pytest.mark.usefixtures("emulation")
@pytest.mark.parametrize("size", [*SIZES, (1, 300), (300, 1)], ids=str)
def test_levels_are_those_of_the_definition(size, rng):
    holes = holes_of(rng, 2, *size)
    grids = cuda_kernels.levels(holes)
    for grid, same in zip(grids, _cpu.levels(holes), strict=True):
        assert (grid.height, grid.width) == (same.height, same.width)
        np.testing.assert_array_equal(grid.inverse_diagonal, same.inverse_diagonal)
    around = np.ones_like(holes, np.float64)

    def neighbours(there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many of them are there, across and down."""
        padded = np.pad(there.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
        return padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:], padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]

    ground = holes * sum(neighbours(around * ~holes))
    across = down = 1.0
    for grid in grids:
        beside, above = neighbours(holes)
        with np.errstate(divide="ignore"):
            inverse = np.where(holes, 1 / (across * beside + down * above + ground), 0)
        (padded,) = zeros(np, 2, [(grid.height, grid.width)], np.float32)
        inside(padded, grid.width)[...] = inverse
        np.testing.assert_allclose(grid.inverse_diagonal, padded, rtol=1e-6, atol=0)
        assert grid.inverse_diagonal.dtype == np.float32
        across, down = across * (0.5 if grid.height == 1 else 1), down * (0.5 if grid.width == 1 else 1)
        holes = holes[:, ::2, ::2]
        shared = interpolation(grid.height).T @ ground @ interpolation(grid.width)
        # no less than an edge to each known neighbour
        beside, above = neighbours(~holes)
        ground = holes * np.maximum(shared, across * beside + down * above)


@pytest.mark.usefixtures("emulation")
def test_a_step_takes_off_r_what_it_adds_to_f(rng):
    """To double's rounding, however little of p is in its Laplacian, so that r stays f's residual."""
    holes = np.ones((1, 20, 40), np.bool_)
    holes[0, 10, 17] = False
    missing = np.pad(holes, ((0, 0), (1, 1), (0, 8)))
    fine, coarse, *_ = cuda_kernels.levels(holes)
    z, p, r, coarse_r = zeros(np, 1, [(20, 40)] * 3 + [(10, 20)], np.float32)
    (f,) = zeros(np, 1, [(20, 40)], np.float64)
    z[missing] = 1000 + rng.random(799)
    alpha, squares = rng.random(1), np.zeros(1)
    expected = np.zeros_like(f)
    image = inside(z, 40).astype(np.float64)[0]
    inside(expected, 40)[0, :-1] += np.diff(image, axis=0)
    inside(expected, 40)[0, 1:] -= np.diff(image, axis=0)
    inside(expected, 40)[0, :, :-1] += np.diff(image, axis=1)
    inside(expected, 40)[0, :, 1:] -= np.diff(image, axis=1)
    expected = alpha * expected * missing
    fine.advance(z, np.zeros(1), alpha, p, f, r, squares, coarse, coarse_r)
    np.testing.assert_array_equal(p, z)
    np.testing.assert_allclose(f, alpha * z, rtol=1e-15)
    np.testing.assert_allclose(r, expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(squares, np.square(expected).sum(), rtol=1e-6)


@pytest.mark.usefixtures("emulation")
def test_the_last_level_is_one_pixel():
    """1 x 1: nothing but b / g."""
    inverse, b, u = zeros(np, 1, [(1, 1)] * 3, np.float32)
    inverse[0, 1, 0], b[0, 1, 0] = 0.5, -3
    cuda_kernels.Grid(inverse, 1, 1.0, 1.0).correct(b, None, None, u)
    assert u[0, 1, 0] == -1.5


def test_no_thread_depends_on_what_another_one_wrote(emulation, rng):
    holes = holes_of(rng, 2, 17, 70)
    data = data_of(rng, holes, 2)
    fine, coarse, *_ = cuda_kernels.levels(holes)
    forwards = outcomes(fine, coarse, data)
    emulation.backwards = True
    fine, coarse, *_ = cuda_kernels.levels(holes)
    for name, values in outcomes(fine, coarse, data).items():
        np.testing.assert_array_equal(values, forwards[name], err_msg=name)


@pytest.mark.usefixtures("emulation")
def test_a_plane_has_the_same_bits_alone(rng):
    holes = holes_of(rng, 3, 17, 70)
    data = data_of(rng, holes, 6)
    stack = outcomes(*cuda_kernels.levels(holes)[:2], data)
    for plane in (0, 3, 5):
        alone = cuda_kernels.levels(holes[plane // 2 : plane // 2 + 1].copy())[:2]
        one = {name: array[plane : plane + 1] for name, array in data.items()}
        for name, values in outcomes(*alone, one).items():
            np.testing.assert_array_equal(values[0], stack[name][plane], err_msg=name)


@pytest.mark.usefixtures("emulation")
def test_sums_of_more_blocks_than_threads(rng):
    of_blocks, others_of_blocks = rng.standard_normal((2, 3, 3000))
    largest_of_blocks = np.abs(of_blocks).astype(np.float32)
    sums, others, largest = np.zeros(3), np.zeros(3), np.zeros(3, np.float32)
    cuda_kernels._finish((of_blocks, sums), (others_of_blocks, others), (largest_of_blocks, largest))
    np.testing.assert_allclose(sums, of_blocks.sum(axis=1), rtol=0, atol=1e-11)
    np.testing.assert_allclose(others, others_of_blocks.sum(axis=1), rtol=0, atol=1e-11)
    np.testing.assert_array_equal(largest, largest_of_blocks.max(axis=1))
    sums = np.array([1.0, 2, 3])
    cuda_kernels._finish((of_blocks, sums), wanted=np.array([False, True, False]))
    np.testing.assert_allclose(sums, [1, of_blocks[1].sum(), 3], rtol=0, atol=1e-11)


@pytest.mark.usefixtures("emulation")
def test_sums_that_nobody_asks_for(rng):
    holes = holes_of(rng, 1, 9, 11)
    b = data_of(rng, holes, 2)["b"]
    grid, *_ = cuda_kernels.levels(holes)
    u, expected = np.zeros_like(b), np.zeros_like(b)
    grid.correct(b, None, None, u)
    grid.correct(b, None, None, expected, np.zeros(2), np.zeros(2), np.zeros(2, np.float32))
    np.testing.assert_array_equal(u, expected)


@pytest.mark.usefixtures("emulation")
def test_planes_beyond_32_bits(rng):
    """Plane 1 and the last rows of plane 0 are further away than an int counts, in memory that nobody touches."""
    holes = holes_of(rng, 1, 15, 5)
    data = data_of(rng, holes, 2)
    levels = cuda_kernels.levels(holes)[:2]

    def results(place: Any) -> dict[str, np.ndarray]:
        grid, coarse = (
            cuda_kernels.Grid(place(level.inverse_diagonal), level.width, level.across, level.down) for level in levels
        )
        b, coarse_u, p, f, r = (place(data[name]) for name in ("b", "coarse_u", "p", "f", "r"))
        u, left, coarse_b = place(0 * data["b"]), place(0 * data["b"]), place(0 * data["coarse_u"])
        sums = {name: np.zeros(2) for name in ("products", "energies", "squares", "squares of f")}
        largest = np.zeros(2, np.float32)
        grid.correct(b, coarse, coarse_u, u, sums["products"], sums["energies"], largest)
        grid.residual(f, None, np.ones(2, np.bool_), left, sums["squares of f"])
        grid.advance(u, data["beta"], data["alpha"], p, f, r, sums["squares"], coarse, coarse_b)
        arrays = {"u": u, "p": p, "f": f, "r": r, "r of f": left, "coarse_b": coarse_b}
        return {name: array[..., :16].copy() for name, array in arrays.items()} | sums | {"largest": largest}

    def wide(array: np.ndarray) -> np.ndarray:
        planes, rows, pitch = array.shape
        shape = planes, rows, 2**31 // (rows - 3) // 16 * 16 + 16
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        far = np.frombuffer(mmap.mmap(-1, array.itemsize * prod(shape), flags=flags), array.dtype).reshape(shape)
        far[:, :, :pitch] = array
        return far

    near = results(np.copy)
    for name, values in results(wide).items():
        np.testing.assert_array_equal(values, near[name], err_msg=name)


@pytest.mark.usefixtures("emulation")
@pytest.mark.parametrize("size", [(66, 64), (64, 64)], ids=str)
def test_coarse_cycles_are_those_in_cpp(size, rng):
    # the larger one is cycled twice
    holes = holes_of(rng, 2, *size)
    found = []
    for kernels in (_cpu, cuda_kernels):
        grids = kernels.levels(holes)
        sizes = [(grid.height, grid.width) for grid in grids]
        b, u = (zeros(np, 4, sizes, np.float32) for _ in range(2))
        b[0][...] = data_of(np.random.default_rng(0), holes, 4)["b"]
        kernels.solve_coarse(grids, b, u)
        found.append(u[0])
    np.testing.assert_allclose(*found, rtol=0, atol=ATOL * np.abs(found[0]).max())


@pytest.mark.parametrize("backwards", [False, True])
def test_solution_is_that_in_cpp(backwards, emulation, rng):
    emulation.backwards = backwards
    holes = holes_of(rng, 2, 19, 37)
    problem = data_of(rng, holes, 4)
    problem["f"][:, 1:-1, :37][holes[np.arange(4) // 2]] = 0
    solutions = []
    for kernels in (_cpu, cuda_kernels):
        f = problem["f"].copy()
        solver = Multigrid(kernels.levels(holes), kernels)
        solver.solve(f, problem["v"], 1e-10, solver.workspace(np, 4))
        solutions.append(f)
    np.testing.assert_allclose(*solutions, rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("holes", [1, 3])
def test_offsets_and_sums_are_those_in_cpp(holes, dtype, rng):
    missing = rng.random((holes, 9, 11)) < 0.5
    # channels first in memory, as torch has them
    target, source, out = (np.moveaxis((a * 255).astype(dtype), 1, -1) for a in rng.random((3, 3, 4, 9, 11)))
    if dtype != np.uint8:
        target[np.broadcast_to(missing, (3, 9, 11))] = np.nan
    added = 100 * rng.standard_normal((12, 11, 16))
    for drawn in (None, source, source.astype(np.float64)):
        found = []
        for kernels in (_cpu, cuda_kernels):
            (f,), filled = zeros(np, 12, [(9, 11)], np.float64), out.copy(order="K")
            inside(f, 11)[...] = 7
            largest = np.full(12, np.nan)
            kernels.take_offsets(target, drawn, missing, f, largest)
            kernels.put_sums(added, drawn, missing, filled)
            found.append((f, largest, filled))
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(other, one)


@pytest.fixture
def as_on_a_device(emulation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """NumPy's arrays take the way of CuPy's; images of more than 60 x 60 pixels are cropped to their holes."""
    monkeypatch.setattr(solver_module, "_cpu", cuda_kernels)
    monkeypatch.setattr(solver_module, "ON_CUDA", limits := Limits(whole=60 * 60, modes=0, at_a_time=2**15))
    monkeypatch.setattr(PoissonSolver, "_equation", solver_module.POISSON._replace(on_cpu=limits))
    return emulation


def blends(rng: np.random.Generator, dtype: Any) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Targets, sources and holes (B, H, W): small images with a hole each, and two large ones with one."""
    small = [masks.draw(name, (31, 40), 1) for name in ("centre", "left", "drop-80", "free-form")]
    holes = {"different": np.stack([*small, np.zeros((31, 40), np.bool_)]), "cropped": np.zeros((2, 90, 120), np.bool_)}
    y, x = np.mgrid[:90, :120]
    holes["cropped"][:] = (y - 40) ** 2 + (x - 75) ** 2 < 30**2

    def images(shape: tuple[int, ...]) -> np.ndarray:
        numbers = rng.random((2, *shape, 3))
        return (255 * numbers).astype(dtype) if dtype == np.uint8 else numbers.astype(dtype)

    return {name: (*images(hole.shape), hole) for name, hole in holes.items()}


# a byte may be rounded either way
@pytest.mark.parametrize(
    ("dtype", "of_reference", "of_cpp"), [(np.uint8, 0.51, 1), (np.float32, 1e-4, 2e-5), (np.float64, 1e-4, 2e-5)]
)
@pytest.mark.parametrize("name", ["different", "cropped"])
def test_blends_are_those_in_cpp(name, dtype, of_reference, of_cpp, request, rng):
    targets, sources, holes = blends(rng, dtype)[name]
    expected = [poisson_blend(targets, sources, holes, mixed=mixed, tolerance=1e-6) for mixed in (False, True)]
    exact = np.stack([reference.poisson_blend(*three) for three in zip(targets, sources, holes, strict=True)])
    request.getfixturevalue("as_on_a_device")
    found = [poisson_blend(targets, sources, holes, mixed=mixed, tolerance=1e-6) for mixed in (False, True)]
    assert found[0].dtype == dtype
    np.testing.assert_array_equal(found[0][~holes], targets[~holes])
    if dtype == np.uint8:
        exact = exact.clip(0, 255)
    np.testing.assert_allclose(found[0], exact, rtol=0, atol=of_reference)
    np.testing.assert_allclose(np.float64(found), np.float64(expected), rtol=0, atol=of_cpp)


def test_a_blend_has_the_same_bits_alone_and_again(as_on_a_device, rng):
    for targets, sources, holes in blends(rng, np.float32).values():
        together = poisson_blend(targets, sources, holes)
        as_on_a_device.backwards = True
        solver = PoissonSolver(holes[0])
        for _ in range(2):
            np.testing.assert_array_equal(solver.blend(targets[0], sources[0]), together[0])
        np.testing.assert_array_equal(poisson_blend(targets[::-1], sources[::-1], holes[::-1])[::-1], together)


def test_source_is_in_the_package():
    assert Path(str(importlib.resources.files("faceinpaint_fast.blend.cuda") / "poisson.cu")) == cuda_kernels.SOURCE


@pytest.mark.parametrize("capability", [80, 90, 100])
def test_source_compiles_for_devices_that_are_not_there(capability, nvrtc):
    nvrtc(cuda_kernels.SOURCE.read_text(), capability)
