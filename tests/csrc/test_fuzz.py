"""Functions of `_cpu` called with whatever there is: none of them ends the process.  100,000 calls: tests/faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def outcomes(cases, log, seed=0):
    """How many calls returned, and raised what."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.csrc.fuzz", str(cases), str(seed), str(log)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, f"{log.read_text()}\n{done.stderr[-4000:]}"
    return {name: int(count) for name, count in (each.split("=") for each in done.stdout.split())}


@pytest.mark.parametrize("cases", [1000])
def test_no_call_ends_the_process(cases, tmp_path):
    found = outcomes(cases, tmp_path / "call")
    assert sum(found.values()) == cases
    # else it would try nothing but what is refused at once
    assert found["returned"] > cases / 10
    assert found["ValueError"] > cases / 10
