"""What the kernels take, compiled for GPUs that are not there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from faceinpaint_fast.ops.window import LARGEST

triton = pytest.importorskip("triton", reason="Triton is not installed")

COMMITTED = Path(__file__).parents[2] / "benchmarks/results/kernels.md"
# a program's shared memory, at most: the CUDA programming guide's technical specifications
SHARED = {"sm_80": 163 << 10, "sm_90": 227 << 10, "sm_100": 227 << 10}


@pytest.fixture(scope="module")
def table():
    return COMMITTED.read_text()


def rows_of(page):
    """Lists of cells, without the rule below the heads."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| ---")]


def test_no_kernel_spills_and_all_fit_every_target(table):
    header, *rows = rows_of(table)
    assert header[1:] == list(SHARED)
    names = {row[0].split("`")[1] for row in rows}
    losses = {"statistics", "windows", "pixels", "_weighted_l1", "_weighted_l1_gradient", "total"}
    of_holes = {"row_sums", "patch_weights"}
    assert names == losses | of_holes | {"bfgs", "adam", "discriminator_slope", "gathered", "from_image"}
    for name, *usage in rows:
        for target, numbers in zip(SHARED, usage, strict=True):
            registers, spilled, shared = map(int, numbers.split(", ")[:3])
            assert 0 < registers <= 255, (name, target)
            assert spilled == 0, (name, target)
            assert shared <= SHARED[target], (name, target)


def test_every_candidate_of_the_tuner_is_in_the_table(table):
    tuned = pytest.importorskip("faceinpaint_fast.benchmarks.tuned")
    from faceinpaint_fast.benchmarks import kernel_usage, tuner

    names = [row[0] for row in rows_of(table)[1:]]

    def listed(*parts):
        assert any(all(part in f"{name}," for part in parts) for name in names), parts

    families = tuned.families(torch.device("cpu"))
    losses, *steps = families[1:]
    for precision in ("bf16", "fp32"):
        for kernel, tiles in kernel_usage.layer_tiles(families, precision).items():
            assert len(tiles) >= 3
            for tile in tiles:
                shape = f"{tile.rows}x{tile.columns}"
                if kernel == "from image":
                    listed("`from_image`", f"weight {precision},", f" {shape},", f" {tile.warps} warps,")
                    continue
                image = [" an image,"] if kernel == "to image" else []
                cut = f" {shape}x{tile.depth}, {tile.warps} warps, {tile.stages} stages,"
                listed("`gathered`", f"weight {precision},", cut, *image)
                if kernel == "gathered":
                    listed("`gathered`", f"weight {precision},", f"{cut} halving,")
    for case in losses.cases(tuner.BATCHES):
        kernel, _, new = case.walk.partition(" of a ")
        for tile in losses.candidates(case):
            listed(f"`{kernel}`", "window 11,", f" {tile['columns']} x {tile['warps']},", *([new] if new else []))
    assert f"window {LARGEST}," in "".join(names)
    for family in steps:
        for case in family.cases(tuner.BATCHES):
            for cut in family.candidates(case):
                if family.name == "adam":
                    own = f" {cut['BLOCK']} at a time,"
                else:
                    own = f" {cut['ROWS']} rows, {cut['num_warps']} warps,"
                listed(f"`{family.name}`", f" n {case.n},", own)


def test_what_spills_is_an_error(monkeypatch, capsys):
    from faceinpaint_fast.benchmarks import kernel_usage
    from faceinpaint_fast.benchmarks.kernel_usage import Usage

    found = {"sm_80": {"`a`": Usage(9, 0, 0, ()), "`b`": Usage(255, 8, 16, ("wgmma",))}, "sm_90": {}}
    found["sm_90"] = found["sm_80"] | {"`b`": Usage(40, 0, 16, ())}
    monkeypatch.setattr(kernel_usage, "usages", lambda quick: found if quick else {"sm_90": found["sm_90"]})
    assert kernel_usage.main(["--quick"]) == 1
    out, err = capsys.readouterr()
    assert rows_of(out) == [
        ["kernel", "sm_80", "sm_90"],
        ["`a`", "9, 0, 0", "9, 0, 0"],
        ["`b`", "255, 8, 16, wgmma", "40, 0, 16"],
    ]
    assert err.splitlines() == ["sm_80: `b` spills 8 bytes a thread"]
    assert kernel_usage.main([]) == 0
    assert capsys.readouterr().err == ""


def test_layers_multiply_matrices_while_others_are_on_their_way(table):
    rows = [row for row in rows_of(table) if row[0].startswith(("`gathered`", "`from_image`"))]
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
    if f"Triton {triton.__version__}," not in table:
        pytest.skip(f"{COMMITTED.name} is of another Triton than {triton.__version__}")
    # some of it, since compiling all takes many minutes; without the interpreter's switch, which this suite sets
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "faceinpaint_fast.benchmarks.kernel_usage", "--quick"]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    column = 1 + list(SHARED).index("sm_90")
    committed = {row[0]: row[column] for row in rows_of(table)}
    found = dict(rows_of(printed))
    assert {"`windows`", "`pixels`", "`gathered`", "`bfgs`"} <= {name.partition(",")[0] for name in found}
    assert found == {name: committed[name] for name in found}
