"""How long a user waits for one face, warm, from the damaged image to the restored one: the median and the tail."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.config import Precision
from faceinpaint_fast.evaluation.demo import astronaut_face

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
RUNS = 200
LONGEST = 1.0  # seconds, the median
TAIL = 1.3  # the 99th percentile beside the median


@pytest.mark.parametrize("mask", ["centre", "drop-80"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_face(benchmark: Any, precision: Precision, mask: str) -> None:
    inpainter = Inpainter.from_pretrained(config=InpaintConfig(precision=precision), device=DEVICE)
    inpainter.warm_up(1)
    face, hole = astronaut_face(), masks.draw(mask, (64, 64))
    benchmark.group = f"one face, {mask}"
    benchmark.pedantic(inpainter, args=(face, hole), rounds=RUNS, warmup_rounds=10)
    if not benchmark.stats:
        return
    median, tail = np.quantile(benchmark.stats.stats.data, [0.5, 0.99])
    benchmark.extra_info |= {
        "p50_ms": 1e3 * median,
        "p99_ms": 1e3 * tail,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }
    print(
        f"\n{precision}, {mask}: p50 {1e3 * median:.1f} ms, p99 {1e3 * tail:.1f} ms, {torch.get_num_threads()} threads"
    )
    assert median < LONGEST
    assert tail < TAIL * median
