"""What the kernels take, compiled for GPUs that are not there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from faceinpaint_fast.ops.window import LARGEST, Window

triton = pytest.importorskip("triton", reason="Triton is not installed")

COMMITTED = Path(__file__).parents[2] / "benchmarks/results/kernels.md"
# a program's shared memory, at most: the CUDA programming guide's technical specifications
SHARED = {"sm_80": 163 << 10, "sm_90": 227 << 10, "sm_100": 227 << 10}


@pytest.fixture(scope="module")
def table():
    # without the interpreter's switch, which this suite sets
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    # with the default window alone, since the largest takes the compiler minutes
    command = [sys.executable, "-m", "faceinpaint_fast.benchmarks.kernel_usage", str(Window().size)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_kernels_spill_nothing_and_fit_every_target(table):
    header, _, *rows = (cells(line) for line in table.splitlines() if line.startswith("|"))
    assert header[1:] == list(SHARED)
    names = {row[0].split("`")[1] for row in rows}
    losses = {"statistics", "windows", "pixels", "_weighted_l1", "_weighted_l1_gradient", "total"}
    assert names == losses | {"bfgs", "adam", "discriminator_slope", "gathered", "from_image"}
    for name, *usage in rows:
        for target, numbers in zip(SHARED, usage, strict=True):
            registers, spilled, shared = map(int, numbers.split(", ")[:3])
            assert 0 < registers <= 255, (name, target)
            assert spilled == 0, (name, target)
            assert shared <= SHARED[target], (name, target)


def test_layers_multiply_matrices_while_others_are_on_their_way(table):
    rows = [cells(line) for line in table.splitlines() if "`gathered`" in line or "`from_image`" in line]
    for precision in ("bf16", "fp32"):
        assert sum(f"weight {precision}" in name for name, *_ in rows) >= 9
    for name, *usage in rows:
        rows_of_a_tile = int(re.search(r", (\d+)x", name)[1])
        large = {"sm_80": "mma.sync", "sm_90": "wgmma", "sm_100": "tcgen05.mma"}
        for target, cell in zip(SHARED, usage, strict=True):
            # the newer instructions take 64 rows at least
            assert (large[target] if rows_of_a_tile >= 64 else "mma.sync") in cell, (name, target)
            # one that stays on its multiprocessor's first cache has one stage
            assert ("cp.async" in cell) == ("gathered" in name and " 1 stages" not in name), (name, target)


def test_the_committed_table_is_what_comes_out(table):
    committed = COMMITTED.read_text()
    if f"Triton {triton.__version__}," not in committed:
        pytest.skip(f"{COMMITTED.name} is of another Triton than {triton.__version__}")
    missing = [line for line in table.splitlines() if line not in committed.splitlines()]
    assert missing == []
    rest = [line for line in committed.splitlines() if line not in table.splitlines()]
    assert rest
    assert all(f"window {LARGEST}" in line for line in rest)
    assert all(cell.split(", ")[1] == "0" for line in rest for cell in cells(line)[1:])  # nothing is spilled
