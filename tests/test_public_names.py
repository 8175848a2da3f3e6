"""What a program that embeds the package relies on."""

from __future__ import annotations

import subprocess
import sys

import pytest

import faceinpaint_fast

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
