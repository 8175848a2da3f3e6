"""What the same bits in batches of any size cost: `batch_invariant=True` beside the default, at one batch."""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import Any

import numpy as np
import pytest
import torch

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.evaluation.demo import astronaut_face

ITERATIONS = 5
PAIRS = 15


@pytest.mark.parametrize("count", [1, 8])
def test_price_of_batch_invariance(benchmark: Any, capsys: pytest.CaptureFixture[str], count: int) -> None:
    faces = np.stack([astronaut_face()] * count)
    holes = np.stack([masks.free_form((64, 64), seed) for seed in range(count)])
    config = InpaintConfig(iterations=ITERATIONS)
    default = Inpainter.from_pretrained(config=config)
    invariant = Inpainter.from_pretrained(config=dataclasses.replace(config, batch_invariant=True))

    def seconds(inpainter: Inpainter) -> float:
        start = time.perf_counter()
        inpainter(faces, holes)
        return time.perf_counter() - start

    # both search from the same start; their sums may round otherwise
    np.testing.assert_allclose(invariant(faces, holes).z, default(faces, holes).z, atol=1e-2)
    pairs = [(seconds(invariant), seconds(default)) for _ in range(PAIRS)]
    price = statistics.median(a / b for a, b in pairs)
    per_image = statistics.median(b for _, b in pairs) / ITERATIONS / count

    benchmark.group = f"search, batch {count}"
    benchmark.pedantic(default, args=(faces, holes), rounds=3)
    benchmark.extra_info |= {
        "price_of_batch_invariance": price,
        "default_ms_per_image_and_iteration": 1e3 * per_image,
        "threads": torch.get_num_threads(),
    }
    with capsys.disabled():
        print(
            f"\nsearch, batch {count}: {1e3 * per_image:.1f} ms an image and iteration, blend and all; "
            f"batch_invariant costs {price:.2f} times that; {torch.get_num_threads()} thread(s)"
        )
