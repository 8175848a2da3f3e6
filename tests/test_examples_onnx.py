"""The examples that restore a face by an ONNX file, each run where its tools are: they give what `Inpainter` gives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from faceinpaint_fast import Inpainter, masks
from faceinpaint_fast.models import load_model

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "onnx"
HOLES = {name: masks.draw(name, (64, 64)) for name in ("centre", "drop-80")}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """A folder with onnxruntime's shared object, by the names that linker and loader want."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    found = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not found:
        pytest.skip("no libonnxruntime.so in this onnxruntime")
    folder = tmp_path_factory.mktemp("runtime")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(found[0])
    return folder


def python(_, __, ___):
    return [sys.executable, EXAMPLES / "restore.py"]


def javascript(_, __, request):
    if not shutil.which("node") or not (EXAMPLES / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("no node, or npm ci has not been run in examples/onnx")
    return ["node", EXAMPLES / "restore.mjs", request.getfixturevalue("blend_wasm")]


def libraries(blend_library, runtime):
    return ["-L", blend_library, "-L", runtime]


def cpp(folder, linked, _):
    places = [*os.environ.get("CPLUS_INCLUDE_PATH", "").split(":"), "/usr/include/onnxruntime", "/usr/local/include"]
    headers = [place for place in places if place and (Path(place) / "onnxruntime_c_api.h").is_file()]
    if not headers:
        pytest.skip("no onnxruntime_c_api.h, which comes with onnxruntime's releases, not with its Python package")
    line = ["g++", "-std=c++17", "-O2", EXAMPLES / "restore.cpp", "-I", headers[0], "-I", ROOT / "csrc" / "c", *linked]
    subprocess.run([*line, "-lfaceinpaint_blend", "-lonnxruntime", "-o", folder / "restore"], check=True)
    return [folder / "restore"]


def rust(folder, linked, _):
    if not shutil.which("rustc"):
        pytest.skip("no rustc")
    line = ["rustc", "-O", "--edition", "2021", EXAMPLES / "restore.rs", *linked, "-o", folder / "restore"]
    subprocess.run([*line, "-l", "faceinpaint_blend", "-l", "onnxruntime"], check=True, capture_output=True)
    return [folder / "restore"]


@pytest.fixture(scope="module", params=[python, javascript, cpp, rust], ids=lambda made: made.__name__)
def program(request, runtime, blend_library, tmp_path_factory):
    """What runs an example: its line, the arguments at its end, and the environment."""
    linked = libraries(blend_library, runtime)
    line = request.param(tmp_path_factory.mktemp("program"), linked, request)
    last = [line.pop()] if request.param is javascript else []
    return line, last, {**os.environ, "LD_LIBRARY_PATH": f"{blend_library}:{runtime}"}


def restored(program, *files):
    line, last, environment = program
    return subprocess.run([*line, *files, *last], capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def inpainter(small_model, exported):
    return Inpainter.of(load_model(small_model), config=exported[1], device="cpu")


@pytest.mark.parametrize("name", HOLES)
def test_it_restores_what_inpainter_restores(name, program, exported, inpainter, faces, tmp_path):
    face, hole = faces[2], HOLES[name]
    Image.fromarray(face).save(tmp_path / "face.ppm")
    Image.fromarray(np.uint8(255 * hole)).save(tmp_path / "hole.pgm")
    done = restored(program, exported[0], *(tmp_path / each for each in ("face.ppm", "hole.pgm", "restored.ppm")))
    assert done.returncode == 0, done.stderr
    found = np.asarray(Image.open(tmp_path / "restored.ppm"))
    assert_array_equal(found[~hole], face[~hole])
    expected = inpainter(face, hole).image.astype(int)
    # one of 255 levels
    assert_allclose(found.astype(int), expected, atol=1)
    assert np.abs(expected - face)[hole].mean() > 5


def test_what_it_cannot_take_is_told(program, exported, faces, tmp_path):
    Image.fromarray(faces[0][:32]).save(tmp_path / "face.ppm")
    Image.fromarray(np.uint8(255 * HOLES["centre"])).save(tmp_path / "hole.pgm")
    files = [tmp_path / each for each in ("face.ppm", "hole.pgm", "restored.ppm")]
    done = restored(program, exported[0], *files)
    assert done.returncode != 0
    assert "face.ppm: expected P6" in done.stderr
    assert not files[-1].exists()
    Image.fromarray(faces[0]).save(tmp_path / "face.ppm")
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(tmp_path / "hole.pgm")
    done = restored(program, exported[0], *files)
    assert done.returncode != 0
    assert "expected known and missing pixels" in done.stderr
    assert not files[-1].exists()


@pytest.mark.parametrize("name", ["restore.py", "restore.mjs", "restore.cpp", "restore.rs"])
def test_it_is_short(name):
    assert len((EXAMPLES / name).read_text().splitlines()) < 100


def test_python_needs_no_torch():
    imported = [line.split()[1] for line in (EXAMPLES / "restore.py").read_text().splitlines() if "import" in line[:7]]
    assert {"onnxruntime", "numpy"} <= set(imported) <= {"onnxruntime", "numpy", "ctypes", "re", "sys", "pathlib"}
