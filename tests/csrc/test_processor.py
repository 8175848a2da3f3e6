"""The one extension on processors that can do less than this one, emulated: each gets the level that it can run."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from faceinpaint_fast import _cpu

QEMU = shutil.which("qemu-x86_64")
PROGRAM = """
import numpy as np
from faceinpaint_fast import _cpu, masks, tension_blend, weight_map
assert weight_map(np.ones((9, 70), bool), k=3)[4, 4] == weight_map(np.ones((9, 70)), k=3)[4, 4] > 1
image = np.linspace(0, 1, 3 * 40 * 40, dtype=np.float32).reshape(40, 40, 3)
assert np.abs(tension_blend(image, image, masks.centre((40, 40))) - image).max() < 1e-3
print(_cpu.LEVEL)
"""
pytestmark = [
    pytest.mark.skipif(QEMU is None, reason="qemu-user is not installed"),
    pytest.mark.skipif("x86_64_v2" not in _cpu.LEVELS, reason="levels are of x86-64"),
]


def emulated(processor, program):
    command = [QEMU, "-cpu", processor, sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# QEMU emulates no AVX-512
@pytest.mark.parametrize(("processor", "level"), [("Nehalem", "x86_64_v2"), ("Haswell", "avx2"), ("max", "avx2")])
def test_an_older_processor_gets_the_level_that_it_can_run(processor, level):
    done = emulated(processor, PROGRAM)
    assert done.stdout.strip() == level, done.stderr


def test_a_processor_below_all_levels_is_told():
    # the extension alone: NumPy does not run there
    program = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("faceinpaint_fast._cpu", {_cpu.__file__!r})
spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""
    done = emulated("core2duo", program)
    assert done.returncode == 1  # no SIGILL
    assert "expected a processor with SSE4.2, got one without" in done.stderr
