"""All checks, and how they are shown: a line each as they come, and a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from faceinpaint_fast.markdown import page, table
from faceinpaint_fast.models import Model
from faceinpaint_fast.parity import engine, functions
from faceinpaint_fast.parity.check import Check

TITLES = ("name", "shape", "dtype", "error", "tolerance", "")
WIDTHS = (72, 12, 8, 7, 9, 4)


def checks(model: Model, device: torch.device, seed: int) -> Iterator[Check]:
    """Yields every check as it comes; the seed is of what functions are tried on."""
    rng = np.random.default_rng(seed)
    yield from functions.checks(model.config.size, device, rng)
    yield from engine.checks(model, device, rng)


def cells(check: Check) -> tuple[str, ...]:
    """Returns a row of the table, as TITLES has it."""
    shape = "x".join(map(str, check.shape))
    verdict = "pass" if check.passed else "FAIL"
    return check.name, shape, check.dtype, f"{check.error:.1e}", f"{check.tolerance:.1e}", verdict


def line(cells: tuple[str, ...]) -> str:
    """Returns one line of a table as wide as a terminal."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def markdown(found: Sequence[Check], machine: Mapping[str, str]) -> str:
    """Returns a page with the table of all checks, and below it what they were made on."""
    return page(table(TITLES, map(cells, found)), machine)
