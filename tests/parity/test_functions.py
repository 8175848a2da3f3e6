"""That a function that is off is noticed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend import doors as blend
from faceinpaint_fast.parity import functions
from faceinpaint_fast.parity.functions import blends, bounds, distances, kinds, weights
from faceinpaint_fast.search import objective

CPU = torch.device("cpu")
SHAPES = ((2, 37, 51, 3), (1, 90, 40, 3))
SIZES = ((64, 64), (37, 51))


def test_weights_that_are_off_by_a_bit_are_noticed(monkeypatch):
    kernel = _cpu.weight_map

    def off(*arguments, out, **options):
        kernel(*arguments, out=out, **options)
        out[0, 20, 20] = np.nextafter(out[0, 20, 20], np.float32(4))

    monkeypatch.setattr(_cpu, "weight_map", off)
    assert {row.name for row in weights(CPU, SIZES) if not row.passed} == {
        "weight_map",
        "weight_map, torch",
        "weight_map, op",
    }


@pytest.mark.parametrize("place", ["ssim", "l1", "gradient"])
def test_a_loss_that_is_off_is_noticed(place, monkeypatch, failing):
    for name, outputs in {"ssim_l1": ("ssim", "l1", "gradient"), "ssim": ("ssim", "gradient")}.items():
        kernel = getattr(_cpu, name)

        def off(*arguments, kernel=kernel, outputs=outputs):
            kernel(*arguments)
            if place in outputs:
                out = arguments[outputs.index(place) - len(outputs)]
                # the last number alone
                out.flat[-1:] += 2e-3 * abs(out).max(initial=0)

        monkeypatch.setattr(_cpu, name, off)
    rows = {
        "ssim": {"ssim, absolute", "ssim_l1, SSIM, absolute"},
        "l1": {"ssim_l1, L1"},
        "gradient": {"ssim, gradient", "ssim_l1, gradient"},
    }
    assert failing(distances(CPU, SHAPES, np.random.default_rng(0))) == rows[place]


def test_a_gradient_of_the_wrong_sign_is_noticed(monkeypatch, failing):
    kernel = _cpu.weighted_l1_gradient

    def off(*arguments):
        kernel(*arguments)
        arguments[-1][0, 0, 0, 0] *= -1

    monkeypatch.setattr(_cpu, "weighted_l1_gradient", off)
    assert failing(distances(CPU, SHAPES, np.random.default_rng(0))) == {"weighted_l1, gradient"}


def test_a_bound_that_is_off_is_noticed(monkeypatch, failing):
    monkeypatch.setattr(
        functions,
        "context_loss",
        lambda l1, bounds: objective.context_loss(l1 - 0.1, bounds),
    )
    assert failing(bounds(CPU)) == {"context_loss"}


@pytest.mark.parametrize("where", ["known", "missing"])
def test_a_blend_that_is_off_is_noticed(where, monkeypatch, failing):
    filled = blend._HoleSolver._filled

    def off(self, *arguments):
        result = filled(self, *arguments)
        images = result if isinstance(result, np.ndarray) else result.movedim(-3, -1).numpy()
        hole = np.broadcast_to(self._hole, images.shape[:-1])
        pixel = tuple(np.argwhere(hole if where == "missing" else ~hole)[0])
        least = 1e-6 if where == "known" else 0.01
        images[pixel] += 3 if images.dtype == np.uint8 else least
        return result

    monkeypatch.setattr(blend._HoleSolver, "_filled", off)
    found = failing(blends(CPU, SIZES, np.random.default_rng(0)))
    whole = {f"{name}_blend{kind}" for name in ("poisson", "biharmonic", "tension") for kind in kinds(CPU)}
    # of bytes they know that three are too many
    rows = {f"{name}, four holes" for name in whole}
    if where == "known":
        rows |= {f"{name}, known pixels" for name in whole}
    else:
        rows |= {f"{name}_blend, free-form" for name in ("poisson", "biharmonic", "tension")}
        rows |= {"PoissonSolver.solve", "BiharmonicSolver.blend", "TensionSolver.blend"}
    assert found == rows
