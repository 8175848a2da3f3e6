"""What benchmarks share: one thread unless OMP_NUM_THREADS says otherwise, throughput, and what it was measured on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy
import torch

# threads of a small problem cost more than they bring, and much more on a busy machine
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:  # noqa: ARG001
    machine_info |= {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "threads": torch.get_num_threads(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
    }


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
