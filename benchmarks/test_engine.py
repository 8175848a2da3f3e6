"""The engine beside what a user would write: every comparison, with the ratio that it must reach on this device."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from faceinpaint_fast.benchmarks.comparison import LONG, measure
from faceinpaint_fast.benchmarks.report import comparisons, markdown

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", comparisons(DEVICE))
def test_comparison(benchmark: Any, table: list[Any], name: str) -> None:
    comparison = comparisons(DEVICE)[name]()
    measured = measure(comparison, DEVICE)
    table.append(measured)
    benchmark.group = comparison.what
    benchmark.pedantic(comparison.ours, rounds=5 if measured.ours < LONG else 1)
    benchmark.extra_info |= {
        "beside": comparison.rival,
        "ratio": measured.ratio,
        "at_least": comparison.at_least,
        "ours_ms": 1e3 * measured.ours,
        "theirs_ms": 1e3 * measured.theirs,
        "threads": torch.get_num_threads(),
    }
    assert not measured.falls_short, markdown([measured], {})
