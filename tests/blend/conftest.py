"""CUDA's kernels without a device: compiled for this CPU (cuda_on_cpu.hpp), and by NVRTC for devices elsewhere."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.blend.emulation import Emulated

TYPES = {"f": np.float32, "d": np.float64, "i": np.int32, "x": np.int64, "b": np.bool_}
# of pointers to any type
VOID = "v"
NULL = 0


class Emulation:
    """A source compiled for this CPU; `kernel` is for the one that asks CuPy."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.backwards = False

    def kernel(self, name: str) -> Any:
        type_of = getattr(self._library, f"type_of_{name}")
        type_of.restype = ctypes.c_char_p
        launch = getattr(self._library, f"launch_{name}")
        launch.restype = ctypes.c_bool
        room = self._library.bytes_of_room()

        def call(
            grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...], shared_mem: int | None = None
        ) -> None:
            sizes = (*grid, *(1,) * (3 - len(grid)), *block, *(1,) * (3 - len(block)))
            assert all(0 < size < 65536 for size in (*grid[1:], *block))
            assert np.prod(block) <= 1024
            assert np.prod(block) % 32 == 0
            assert shared_mem is None or room - 8 < shared_mem <= room
            held = []
            for i, argument in enumerate(arguments):
                code = type_of(ctypes.c_size_t(i)).decode()
                if code.startswith("P"):
                    if isinstance(argument, np.ndarray):
                        assert code[-1] == VOID or argument.dtype == TYPES[code[-1]], (name, i)
                        # of pointers to any type the strides come along
                        assert code[-1] == VOID or argument.flags.c_contiguous, (name, i)
                        argument = argument.ctypes.data
                    else:
                        assert argument == NULL, (name, i)
                    held.append(ctypes.c_void_p(argument))
                else:
                    # int64 and the like have several names
                    assert np.dtype(type(argument)) == TYPES[code], (name, i)
                    held.append(np.ctypeslib.as_ctypes_type(type(argument))(argument))
            assert type_of(ctypes.c_size_t(len(arguments))) is None, name
            places = (ctypes.c_void_p * len(held))(*(ctypes.addressof(argument) for argument in held))
            together = launch((ctypes.c_uint * 6)(*sizes), places, ctypes.c_bool(self.backwards))
            assert together, f"{name}: not all threads of a block take part in its sums"

        return call


@pytest.fixture(scope="session")
def compile_for_cpu(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Callable[[], Emulation]]:
    """Of source files, as one, and the compiler's further options: what makes their emulations."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("no C++ compiler")

    def compile_sources(sources: Sequence[Path], options: Sequence[str] = ()) -> Callable[[], Emulation]:
        folder = tmp_path_factory.mktemp("kernels")
        text = "".join(path.read_text() for path in sources)
        kernels = re.findall(r'extern "C" __global__ void[^;{]*?(\w+)\((?:GRID|LEVEL|OF_PLANES|PLANE|const|int)', text)
        unit = [f'#include "{path}"' for path in (Path(__file__).with_name("cuda_on_cpu.hpp"), *sources)]
        (folder / "kernels.cpp").write_text("\n".join([*unit, *(f"KERNEL({name})" for name in kernels)]) + "\n")
        fixed = ["-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-U_FORTIFY_SOURCE"]
        command = [compiler, *fixed, "-Wno-unknown-pragmas", *options, "-o", "kernels.so", "kernels.cpp"]
        subprocess.run(command, cwd=folder, check=True)
        return partial(Emulation, ctypes.CDLL(str(folder / "kernels.so")))

    return compile_sources


@pytest.fixture(scope="session")
def nvrtc() -> Callable[..., None]:
    """Compiles a source for devices of a compute capability: NVRTC alone needs no device."""
    nvidia = importlib.util.find_spec("nvidia")
    folders = nvidia.submodule_search_locations if nvidia is not None else None
    libraries = [path for folder in folders or () for path in Path(folder).glob("*/lib/libnvrtc.so.*")]
    if not libraries:
        pytest.skip("NVRTC is not installed")
    library = ctypes.CDLL(str(libraries[0]))

    def compile_source(source: str, capability: int, options: Sequence[str] = ("-std=c++17",)) -> None:
        program, size, count = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_int()
        library.nvrtcGetNumSupportedArchs(ctypes.byref(count))
        supported = (ctypes.c_int * count.value)()
        library.nvrtcGetSupportedArchs(supported)
        if capability not in list(supported):
            pytest.skip(f"this NVRTC does not know sm_{capability}")
        assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
        encoded = [option.encode() for option in (*options, f"-arch=sm_{capability}")]
        failed = library.nvrtcCompileProgram(program, len(encoded), (ctypes.c_char_p * len(encoded))(*encoded))
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
        library.nvrtcDestroyProgram(ctypes.byref(program))
        assert not failed, log.value.decode()

    return compile_source


@pytest.fixture(scope="session")
def compiled() -> dict[Any, Emulation]:
    """Emulations that were compiled, by what of."""
    return {}


@pytest.fixture
def emulated(
    compile_for_cpu: Callable[..., Any], compiled: dict[Any, Emulation], monkeypatch: pytest.MonkeyPatch
) -> Emulated:
    """The blends' kernels for CUDA are this CPU's."""
    return Emulated(compile_for_cpu, compiled, monkeypatch)
