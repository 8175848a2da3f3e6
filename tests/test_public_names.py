"""What a program that embeds the package relies on."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import faceinpaint_fast
from faceinpaint_fast import _cpu

NAMES = (
    "BiharmonicSolver",
    "InpaintConfig",
    "Inpainter",
    "Inpainting",
    "InputError",
    "ModelError",
    "Normalization",
    "PoissonSolver",
    "TensionSolver",
    "biharmonic_blend",
    "context_loss",
    "poisson_blend",
    "Restoration",
    "Restorer",
    "Stage",
    "reference",
    "ssim",
    "structural_loss",
    "tension_blend",
    "weight_map",
    "weighted_l1",
)


@pytest.mark.parametrize("name", NAMES)
def test_is_there_and_documented(name):
    assert getattr(faceinpaint_fast, name).__doc__
    assert name in dir(faceinpaint_fast)


def test_nothing_else_is_public():
    assert set(faceinpaint_fast.__all__) == set(NAMES)


def test_type_checkers_read_the_same_names_of_the_same_modules():
    """__init__.py must not need the stub when it runs: a program's freezer, a zip file, leave it out."""
    stub = ast.parse(Path(faceinpaint_fast.__file__).with_suffix(".pyi").read_text())
    read = {}
    for line in stub.body:
        if isinstance(line, ast.ImportFrom):
            read |= {each.name: line.module for each in line.names}
    assert set(read) == set(faceinpaint_fast.__all__)
    del read["reference"]
    for name, module in read.items():
        theirs = getattr(importlib.import_module(f"faceinpaint_fast.{module}"), name)
        assert getattr(faceinpaint_fast, name) is theirs


def test_it_runs_from_a_zip_file_without_its_stub(tmp_path):
    """All but the extension module, which no zip file can hold; so frozen programs have it, too."""
    package = Path(faceinpaint_fast.__file__).parent
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as file:
        for path in package.rglob("*"):
            if path.is_file() and path.suffix in {".py", ".json", ".safetensors", ".cu", ".cuh"}:
                file.write(path, path.relative_to(package.parent))
    program = f"""
import importlib.machinery, importlib.util, sys
name, path = "faceinpaint_fast._cpu", {_cpu.__file__!r}
sys.meta_path = [finder for finder in sys.meta_path if "ScikitBuild" not in type(finder).__name__]
sys.path = [{str(tmp_path / "package.zip")!r}] + [each for each in sys.path if each != {str(package.parent)!r}]
spec = importlib.util.spec_from_file_location(name, path)
sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[name])
import faceinpaint_fast
from faceinpaint_fast import tuning
from faceinpaint_fast.blend.cuda import large, small
print(faceinpaint_fast.__file__)
inpainter = faceinpaint_fast.Inpainter.from_pretrained(device="cpu")
print(type(inpainter).__module__, len(list(tuning._shipped())))
print(all(path.read_text() for path in large.SOURCES + small.SOURCES))
"""
    lines = run(program).splitlines()
    assert lines[0] == f"{tmp_path}/package.zip/faceinpaint_fast/__init__.py"
    shipped = len(list(package.glob("gpus/*.json")))
    assert lines[1:] == [f"faceinpaint_fast.pipeline {shipped}", "True"]


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_it_needs_neither_torch_nor_triton_nor_cupy():
    program = """
import sys
for absent in ("triton", "cupy"):
    sys.modules[absent] = None
import numpy, faceinpaint_fast
weights = faceinpaint_fast.weight_map(numpy.ones((4, 4), bool), k=1)
print(weights.max(), "torch" in sys.modules)
from faceinpaint_fast import Inpainter, poisson_blend, ssim
"""
    assert run(program) == "3.0 False"


def test_weight_map_stays_the_function_whatever_is_imported_first():
    program = "import faceinpaint_fast.pipeline, faceinpaint_fast; print(callable(faceinpaint_fast.weight_map))"
    assert run(program) == "True"


@pytest.mark.parametrize("program", ["import faceinpaint_fast", "from faceinpaint_fast.cli.main import main"])
def test_a_clone_that_was_not_built_says_how_to(program):
    """None stands for a module that is not there."""
    unbuilt = f"import sys; sys.modules['faceinpaint_fast._cpu'] = None; {program}"
    done = subprocess.run([sys.executable, "-c", unbuilt], capture_output=True, text=True, check=False)
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("ImportError: faceinpaint_fast._cpu: expected the compiled extension, got none: ")
    assert "python -m pip install ." in last
    assert "circular" not in done.stderr
