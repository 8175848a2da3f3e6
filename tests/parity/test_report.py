"""That parity holds on this machine, leaves out nothing that is public, and how it is shown."""

from __future__ import annotations

import math
from itertools import islice

import torch

import faceinpaint_fast
from faceinpaint_fast.parity.check import Check
from faceinpaint_fast.parity.report import TITLES, cells, checks, line, markdown

CPU = torch.device("cpu")
# of the public names those that compute nothing, and what calls an `Inpainter`, as the reference has no photographs
SILENT = {
    "InpaintConfig",
    "Inpainting",
    "InputError",
    "ModelError",
    "Normalization",
    "Restoration",
    "Restorer",
    "Stage",
    "reference",
}


def test_the_table():
    rows = [Check("this", (2, 3), "float32", 3e-7, 1e-5), Check("that", (4,), "uint8", math.nan, 0.0)]
    text = markdown(rows, {"threads": "1"}).splitlines()
    assert text[0] == f"| {' | '.join(TITLES)} |"
    assert text[2:4] == [
        "| this | 2x3 | float32 | 3.0e-07 | 1.0e-05 | pass |",
        "| that | 4 | uint8 | nan | 0.0e+00 | FAIL |",
    ]
    assert "- threads: 1" in text
    assert [line(cells(row)).split() for row in rows] == [
        ["this", "2x3", "float32", "3.0e-07", "1.0e-05", "pass"],
        ["that", "4", "uint8", "nan", "0.0e+00", "FAIL"],
    ]
    # columns stand below each other
    assert line(TITLES).index("shape") == line(cells(rows[0])).index("2x3") == line(cells(rows[1])).index("4")


def test_every_row_passes_and_every_public_function_has_one(model):
    rows = list(checks(model, CPU, 0))
    assert [row for row in rows if not row.passed] == []
    names = {row.name for row in rows}
    for name in set(faceinpaint_fast.__all__) - SILENT:
        assert any(row.startswith(name) for row in names), name
    for part in ("ssim_l1", "objective, printed", "objective, masked", "generator, bf16", "discriminator, fp32"):
        assert any(row.startswith(part) for row in names), part
    assert {"float32", "float64", "bfloat16", "uint8", "bool"} == {row.dtype for row in rows}


def test_the_seed_is_of_what_functions_are_tried_on(model):
    def found(seed):
        return [row.error for row in islice(checks(model, CPU, seed), 40)]

    assert found(3) == found(3) != found(4)
