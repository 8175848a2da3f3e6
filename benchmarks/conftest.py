"""What benchmarks share: one thread unless OMP_NUM_THREADS says otherwise, throughput, and what it was measured on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scipy
import torch

from faceinpaint_fast.benchmarks.comparison import Measurement
from faceinpaint_fast.benchmarks.report import markdown
from faceinpaint_fast.doctor import machine

# threads of a small problem cost more than they bring, and much more on a busy machine
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MEASURED = pytest.StashKey[list[Measurement]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faces", type=Path, help="folder or tar shard of faces that the model has not seen")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASURED] = []


@pytest.fixture
def table(pytestconfig: pytest.Config) -> list[Measurement]:
    """Takes what was measured, to be shown at the end."""
    return pytestconfig.stash[MEASURED]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash[MEASURED]:
        terminalreporter.write_sep("=", "comparisons")
        terminalreporter.write(markdown(config.stash[MEASURED], machine(DEVICE)))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:  # noqa: ARG001
    machine_info |= machine(DEVICE) | {"scipy": scipy.__version__, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")}


@pytest.fixture
def throughput(benchmark: Any) -> Callable[..., Any]:
    """Times function(*args), records its rates in extra_info, and returns its result."""

    def run(function: Callable[..., Any], *args: Any, megapixels: float, bytes_moved: int) -> Any:
        result = benchmark(function, *args)
        if benchmark.stats:  # absent under --benchmark-disable
            seconds = benchmark.stats.stats.median
            benchmark.extra_info |= {
                "threads": torch.get_num_threads(),
                "megapixels_per_second": megapixels / seconds,
                "gigabytes_per_second": bytes_moved / seconds / 1e9,
            }
        return result

    return run
