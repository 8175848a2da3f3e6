"""How long a user waits, warm, from damaged images to restored ones: the median and the tail.

Writes results/latency.md where benchmarks are not disabled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.config import Precision
from faceinpaint_fast.doctor import machine
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.markdown import page, table
from faceinpaint_fast.models import load_model

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
RUNS = 200  # of one face, fewer of batches
LONGEST = {"faces64": 1.0, "faces128": 0.35}  # seconds, the median of one face
TAIL = 1.3  # its 99th percentile beside the median
RESULTS = Path(__file__).parent / "results" / f"latency_{DEVICE.type}.md"
HEADS = ["model", "faces", "mask", "precision", "threads", "p50", "p99", "a face"]


@pytest.fixture(scope="module")
def lines() -> Iterator[list[list[str]]]:
    """Rows of the table, which is written at the end."""
    rows: list[list[str]] = []
    yield rows
    if rows:
        RESULTS.write_text(page(table(HEADS, rows), machine(DEVICE)))


@pytest.fixture(params=sorted({1, os.cpu_count() or 1}))
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("name", "faces", "mask"),
    [
        *(("faces64", *asked) for asked in ((1, "centre"), (1, "drop-80"), (16, "centre"), (64, "centre"))),
        *(("faces128", *asked) for asked in ((1, "centre"), (1, "drop-80"), (16, "centre"))),
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_latency(
    benchmark: Any, lines: list[list[str]], threads: int, precision: Precision, name: str, faces: int, mask: str
) -> None:
    model = load_model(name)
    inpainter = Inpainter.of(model, config=InpaintConfig(precision=precision), device=DEVICE)
    inpainter.warm_up(faces)
    face = astronaut(model.config.framing, model.config.size)
    images, hole = np.repeat(face[None], faces, axis=0), masks.draw(mask, face.shape[:2])
    benchmark.group = f"{name}, {faces} faces, {mask}"
    benchmark.pedantic(inpainter, args=(images, hole), rounds=max(5, RUNS // faces), warmup_rounds=2)
    if not benchmark.stats:
        return
    median, tail = np.quantile(benchmark.stats.stats.data, [0.5, 0.99])
    benchmark.extra_info |= {"p50_ms": 1e3 * median, "p99_ms": 1e3 * tail, "threads": threads}
    times = (f"{1e3 * seconds:.1f} ms" for seconds in (median, tail, median / faces))
    lines.append([name, str(faces), mask, precision, str(threads), *times])
    if faces == 1:
        assert median < LONGEST[name]
        assert tail < TAIL * median
