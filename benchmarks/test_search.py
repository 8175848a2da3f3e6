"""What an iteration of the search costs: the explicit adjoint beside autograd, `batch_invariant` beside the default."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.checkpoint import load_model
from faceinpaint_fast.evaluation.demo import astronaut_face
from faceinpaint_fast.step import fastest

ROUNDS = 25


def in_turns(*functions: Callable[[], Any]) -> list[float]:
    """Median seconds of each, measured in turns so that whatever else this machine does meets all of them."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, column in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            column.append(time.perf_counter() - start)
    return [statistics.median(column) for column in times]


@pytest.mark.parametrize("count", [1, 16])
def test_networks_forwards_and_backwards(benchmark: Any, capsys: pytest.CaptureFixture[str], count: int) -> None:
    """G and D, down to the gradient in z: eager autograd over frozen networks, the explicit adjoint, that in bf16."""
    model, cpu = load_model(), torch.device("cpu")
    z = torch.randn(count, 100, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def gradient(G: Callable[[Tensor], Tensor], D: Callable[[Tensor], Tensor]) -> Tensor:
        x = G(z)
        return torch.autograd.grad((logsigmoid(-D(x)) + x.mean(dim=(1, 2, 3))).sum(), z)[0]

    networks = {"autograd": (model.generator, model.discriminator)} | {
        precision: (fastest(model.generator, cpu, precision), fastest(model.discriminator, cpu, precision))
        for precision in ("fp32", "bf16")
    }
    exact = gradient(*networks["autograd"])
    # another order of sums, and a kink of ReLU now and then; 8 bits a number
    for precision, tolerance in (("fp32", 1e-2), ("bf16", 0.3)):
        assert_close(gradient(*networks[precision]), exact, rtol=0, atol=tolerance * float(exact.abs().max()))

    eager, fp32, bf16 = in_turns(*(lambda pair=pair: gradient(*pair) for pair in networks.values()))
    benchmark.group = f"networks, batch {count}"
    benchmark.pedantic(gradient, args=networks["fp32"], rounds=5)
    benchmark.extra_info |= {
        "autograd_ms": 1e3 * eager,
        "fp32_speed_up": eager / fp32,
        "bf16_speed_up": eager / bf16,
        "threads": torch.get_num_threads(),
    }
    with capsys.disabled():
        print(
            f"\nG and D forwards and backwards, batch {count}: autograd {1e3 * eager:.1f} ms, explicit adjoint "
            f"{1e3 * fp32:.1f} ms ({eager / fp32:.2f} times faster), in bf16 {1e3 * bf16:.1f} ms "
            f"({eager / bf16:.2f} times); {torch.get_num_threads()} thread(s)"
        )


@pytest.mark.parametrize("count", [1, 8])
def test_price_of_batch_invariance(benchmark: Any, capsys: pytest.CaptureFixture[str], count: int) -> None:
    faces = np.stack([astronaut_face()] * count)
    holes = np.stack([masks.free_form((64, 64), seed) for seed in range(count)])
    config = InpaintConfig(iterations=5)
    default = Inpainter.from_pretrained(config=config, device="cpu")
    invariant = Inpainter.from_pretrained(config=dataclasses.replace(config, batch_invariant=True), device="cpu")
    # both search from the same start; their sums may round otherwise
    assert_allclose(invariant(faces, holes).z, default(faces, holes).z, atol=0.05)

    together, alone = in_turns(lambda: default(faces, holes), lambda: invariant(faces, holes))
    per_image = 1e3 * together / config.iterations / count
    benchmark.group = f"search, batch {count}"
    benchmark.pedantic(default, args=(faces, holes), rounds=3)
    benchmark.extra_info |= {
        "price_of_batch_invariance": alone / together,
        "default_ms_per_image_and_iteration": per_image,
        "threads": torch.get_num_threads(),
    }
    with capsys.disabled():
        print(
            f"\nsearch, batch {count}: {per_image:.1f} ms an image and iteration, blend and all; "
            f"batch_invariant costs {alone / together:.2f} times that; {torch.get_num_threads()} thread(s)"
        )
