"""The multigrid's CUDA kernels against those in C++: compiled for this CPU (cuda_on_cpu.hpp), and on a device."""

from __future__ import annotations

import ctypes
import importlib.resources
import importlib.util
import mmap
import os
import re
import shutil
import subprocess
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceinpaint_fast import _cpu
from faceinpaint_fast.poisson import cuda_kernels
from faceinpaint_fast.poisson.multigrid import Level, Multigrid, hierarchy, inside, padded

# a number is some 40 products and sums in float32, which each compiler joins to FMAs in its own way: a few 1e-7 of the
# largest
ATOL = 2e-6
# in float64 throughout
ATOL_FLOAT64 = 1e-14

# Linux's, which the module mmap does not have in every version
MAP_NORESERVE = 0x4000

TYPES = {"f": np.float32, "d": np.float64, "i": np.int32}


class Emulation:
    """poisson.cu compiled for this CPU; `kernel` is for cuda_kernels.kernel."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.backwards = False

    def kernel(self, name: str) -> Any:
        type_of = getattr(self._library, f"type_of_{name}")
        type_of.restype = ctypes.c_char_p
        launch = getattr(self._library, f"launch_{name}")
        launch.restype = ctypes.c_bool

        def call(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
            sizes = (*grid, *(1,) * (3 - len(grid)), *block, *(1,) * (3 - len(block)))
            assert all(0 < size < 65536 for size in (*grid[1:], *block))
            assert np.prod(block) <= 1024
            held = []
            for i, argument in enumerate(arguments):
                code = type_of(ctypes.c_size_t(i)).decode()
                if code.startswith("P"):
                    if isinstance(argument, np.ndarray):
                        assert argument.dtype == TYPES[code[-1]], (name, i)
                        assert argument.flags.c_contiguous, (name, i)
                        argument = argument.ctypes.data
                    else:
                        assert argument == cuda_kernels.NULL, (name, i)
                    held.append(ctypes.c_void_p(argument))
                else:
                    assert type(argument) is TYPES[code], (name, i)
                    held.append(np.ctypeslib.as_ctypes_type(type(argument))(argument))
            assert type_of(ctypes.c_size_t(len(arguments))) is None, name
            places = (ctypes.c_void_p * len(held))(*(ctypes.addressof(argument) for argument in held))
            together = launch((ctypes.c_uint * 6)(*sizes), places, ctypes.c_bool(self.backwards))
            assert together, f"{name}: not all threads of a block take part in its sums"

        return call


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("poisson")
    kernels = re.findall(r'extern "C" __global__ void[^;{]*?(\w+)\((?:GRID|const)', cuda_kernels.SOURCE.read_text())
    unit = [f'#include "{Path(__file__).with_name("cuda_on_cpu.hpp")}"', f'#include "{cuda_kernels.SOURCE}"']
    (folder / "kernels.cpp").write_text("\n".join([*unit, *(f"KERNEL({name})" for name in kernels)]) + "\n")
    options = [
        "-std=c++17",
        "-O1",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
        "-U_FORTIFY_SOURCE",
        "-Wno-unknown-pragmas",
    ]
    subprocess.run([compiler, *options, "-o", "kernels.so", "kernels.cpp"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "kernels.so"))


@pytest.fixture
def emulation(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Emulation:
    emulation = Emulation(library)
    monkeypatch.setattr(cuda_kernels, "kernel", emulation.kernel)
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
    """Arguments of the five functions for a level with these holes; all but f and v are 0 at the known pixels."""

    def random(holes: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
        count, height, width = holes.shape
        array = padded(np, planes, height, width, dtype)
        inside(array, width)[...] = rng.standard_normal((planes, height, width))
        inside(array, width)[~holes[np.arange(planes) * count // planes]] = 0
        return array

    scales = {name: rng.standard_normal(planes).astype(np.float32) for name in ("alpha", "beta")}
    singles = {name: random(holes) for name in ("b", "u", "p", "r")}
    doubles = {name: random(np.ones_like(holes), np.float64) for name in ("f", "v")}
    return {**scales, **singles, **doubles, "coarse_u": random(holes[:, ::2, ::2])}


def outcomes(Grid: Any, fine: Level, coarse: Level, data: dict[str, np.ndarray], xp: Any = np) -> dict[str, Any]:
    """What the five functions make of the data."""
    of = {name: xp.asarray(amid_nan(array)) for name, array in data.items()}
    grid, coarse_grid = (
        Grid(xp.asarray(amid_nan(level.inverse_diagonal)), level.width, level.across, level.down)
        for level in (fine, coarse)
    )
    planes = len(of["b"])
    sums = {
        name: xp.full(planes, np.nan)
        for name in ("products", "products alone", "energies", "squares", "squares of f", "squares of f, v")
    }
    largest = {name: xp.full(planes, np.nan, np.float32) for name in ("largest", "largest alone")}
    results = {"coarse_b": xp.zeros_like(of["coarse_u"]), "u alone": of["u"].copy()}
    results |= {"r of f": xp.zeros_like(of["r"]), "r of f, v": xp.zeros_like(of["r"])}

    grid.restrict(of["b"], coarse_grid, results["coarse_b"])
    grid.correct(of["b"], None, None, results["u alone"], sums["products alone"], largest["largest alone"])
    grid.correct(of["b"], coarse_grid, of["coarse_u"], of["u"], sums["products"], largest["largest"])
    results["z"] = of["u"].copy()
    grid.direction(of["u"], of["beta"], of["p"], sums["energies"])
    grid.advance(of["p"], of["alpha"], of["u"], of["r"], sums["squares"])
    grid.residual(of["f"], None, results["r of f"], sums["squares of f"])
    grid.residual(of["f"], of["v"], results["r of f, v"], sums["squares of f, v"])
    return {**results, **{name: of[name] for name in ("u", "p", "r")}, **sums, **largest}


def assert_agree(found: dict[str, Any], expected: dict[str, Any], coarse: Level) -> None:
    for name, values in expected.items():
        if name == "coarse_b":
            # at known pixels the one writes what the other does not: nobody looks
            count, planes = len(coarse.inverse_diagonal), len(values)
            values[coarse.inverse_diagonal[np.arange(planes) * count // planes] == 0] = 0
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
    levels = hierarchy(holes, np)
    for k, (fine, coarse) in enumerate(pairwise(levels)):
        data = data_of(rng, holes[:, :: 2**k, :: 2**k], planes)
        found = outcomes(cuda_kernels.Grid, fine, coarse, data)
        assert_agree(found, outcomes(_cpu.Grid, fine, coarse, data), coarse)


@pytest.mark.gpu
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_functions_on_a_device_are_those_in_cpp(size, rng):
    cupy = pytest.importorskip("cupy")
    holes = holes_of(rng, 2, *size)
    fine, coarse, *_ = hierarchy(holes, np)
    data = data_of(rng, holes, 6)
    found = outcomes(cuda_kernels.Grid, fine, coarse, data, cupy)
    found = {name: cupy.asnumpy(values) for name, values in found.items()}
    assert_agree(found, outcomes(_cpu.Grid, fine, coarse, data), coarse)


@pytest.mark.usefixtures("emulation")
def test_the_last_level_is_one_pixel():
    """1 x 1: nothing but b / g."""
    inverse, b, u = (padded(np, 1, 1, 1, np.float32) for _ in range(3))
    inverse[0, 1, 0], b[0, 1, 0] = 0.5, -3
    products, largest = np.zeros(1), np.zeros(1, np.float32)
    cuda_kernels.Grid(inverse, 1, 1.0, 1.0).correct(b, None, None, u, products, largest)
    assert (u[0, 1, 0], products[0], largest[0]) == (-1.5, 4.5, 1.5)


def test_no_thread_depends_on_what_another_one_wrote(emulation, rng):
    holes = holes_of(rng, 2, 17, 70)
    fine, coarse, *_ = hierarchy(holes, np)
    data = data_of(rng, holes, 2)
    forwards = outcomes(cuda_kernels.Grid, fine, coarse, data)
    emulation.backwards = True
    for name, values in outcomes(cuda_kernels.Grid, fine, coarse, data).items():
        np.testing.assert_array_equal(values, forwards[name], err_msg=name)


@pytest.mark.usefixtures("emulation")
def test_a_plane_has_the_same_bits_alone(rng):
    holes = holes_of(rng, 3, 17, 70)
    fine, coarse, *_ = hierarchy(holes, np)
    data = data_of(rng, holes, 6)
    stack = outcomes(cuda_kernels.Grid, fine, coarse, data)
    for plane in (0, 3, 5):
        alone = [
            level._replace(inverse_diagonal=level.inverse_diagonal[plane // 2 : plane // 2 + 1])
            for level in (fine, coarse)
        ]
        one = {name: array[plane : plane + 1] for name, array in data.items()}
        for name, values in outcomes(cuda_kernels.Grid, *alone, one).items():
            np.testing.assert_array_equal(values[0], stack[name][plane], err_msg=name)


@pytest.mark.usefixtures("emulation")
def test_sums_of_more_blocks_than_threads(rng):
    of_blocks = rng.standard_normal((2, 3000))
    largest_of_blocks = np.abs(of_blocks).astype(np.float32)
    sums, largest = np.zeros(2), np.zeros(2, np.float32)
    cuda_kernels._finish(of_blocks, sums, largest_of_blocks, largest)
    np.testing.assert_allclose(sums, of_blocks.sum(axis=1), rtol=0, atol=1e-11)
    np.testing.assert_array_equal(largest, largest_of_blocks.max(axis=1))


@pytest.mark.usefixtures("emulation")
def test_sums_that_nobody_asks_for(rng):
    holes = holes_of(rng, 1, 9, 11)
    fine, *_ = hierarchy(holes, np)
    b = data_of(rng, holes, 2)["b"]
    grid = cuda_kernels.Grid(fine.inverse_diagonal, fine.width, fine.across, fine.down)
    u, expected = np.zeros_like(b), np.zeros_like(b)
    grid.correct(b, None, None, u, None, None)
    grid.correct(b, None, None, expected, np.zeros(2), np.zeros(2, np.float32))
    np.testing.assert_array_equal(u, expected)


@pytest.mark.usefixtures("emulation")
def test_planes_beyond_32_bits(rng):
    """Plane 1 and the last rows of plane 0 are further away than an int counts, in memory that nobody touches."""
    holes = holes_of(rng, 1, 15, 5)
    fine, coarse, *_ = hierarchy(holes, np)
    data = data_of(rng, holes, 2)

    def results(place: Any) -> dict[str, np.ndarray]:
        grid, coarse_grid = (
            cuda_kernels.Grid(place(level.inverse_diagonal), level.width, level.across, level.down)
            for level in (fine, coarse)
        )
        b, coarse_u, p = (place(data[name]) for name in ("b", "coarse_u", "p"))
        u, coarse_b = place(0 * data["b"]), place(0 * data["coarse_u"])
        grid.restrict(b, coarse_grid, coarse_b)
        grid.correct(b, coarse_grid, coarse_u, u, None, None)
        grid.direction(u, data["beta"], p, np.zeros(2))
        return {name: array[..., :16].copy() for name, array in {"u": u, "coarse_b": coarse_b, "p": p}.items()}

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


@pytest.mark.parametrize("backwards", [False, True])
def test_solution_is_that_in_cpp(backwards, emulation, rng):
    emulation.backwards = backwards
    holes = holes_of(rng, 2, 19, 37)
    problem = data_of(rng, holes, 4)
    problem["f"][:, 1:-1, :37][holes[np.arange(4) // 2]] = 0
    solutions = []
    for Grid in (_cpu.Grid, cuda_kernels.Grid):
        f = problem["f"].copy()
        Multigrid(holes, np, Grid).solve(f, problem["v"], 1e-10)
        solutions.append(f)
    np.testing.assert_allclose(*solutions, rtol=0, atol=1e-8)


def test_source_is_in_the_package():
    assert Path(str(importlib.resources.files("faceinpaint_fast.poisson") / "poisson.cu")) == cuda_kernels.SOURCE


@pytest.mark.parametrize("capability", [80, 90, 100])
def test_source_compiles_for_devices_that_are_not_there(capability):
    """NVRTC alone needs no device."""
    nvidia = importlib.util.find_spec("nvidia")
    folders = nvidia.submodule_search_locations if nvidia is not None else None
    libraries = [path for folder in folders or () for path in Path(folder).glob("*/lib/libnvrtc.so.*")]
    if not libraries:
        pytest.skip("NVRTC is not installed")
    nvrtc = ctypes.CDLL(str(libraries[0]))
    program, size, count = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_int()
    nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    supported = (ctypes.c_int * count.value)()
    nvrtc.nvrtcGetSupportedArchs(supported)
    if capability not in list(supported):
        pytest.skip(f"this NVRTC does not know sm_{capability}")
    source = cuda_kernels.SOURCE.read_bytes()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"poisson.cu", 0, None, None) == 0
    options = (ctypes.c_char_p * 2)(b"-std=c++17", f"-arch=sm_{capability}".encode())
    failed = nvrtc.nvrtcCompileProgram(program, 2, options)
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    assert not failed, log.value.decode()
