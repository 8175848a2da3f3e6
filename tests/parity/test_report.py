"""That parity holds on this machine, leaves out nothing that is public, and notices what is broken."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch

import faceinpaint_fast
from faceinpaint_fast import InpaintConfig, Inpainting, _cpu
from faceinpaint_fast.blend import doors as blend
from faceinpaint_fast.models import Model
from faceinpaint_fast.networks import layers
from faceinpaint_fast.parity import engine, functions
from faceinpaint_fast.parity.engine import (
    CONFIGS,
    Problem,
    bits,
    inpainting,
    networks,
    objectives,
    searches,
)
from faceinpaint_fast.parity.functions import blends, bounds, checks, distances, kinds, weights
from faceinpaint_fast.parity.report import TITLES, Check, compare, line, markdown, pixels
from faceinpaint_fast.search import latent_search, objective, optimisers
from faceinpaint_fast.search.objective import Objective

CPU = torch.device("cpu")
# of the public names those that compute nothing
SILENT = {"InpaintConfig", "Inpainting", "InputError", "ModelError", "Normalization", "reference"}


@pytest.fixture
def model(generator, discriminator, encoder):
    config = {"width": 4, "encoder": {"width": 4}}
    return Model(generator, discriminator, config, encoder)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Small images, and searches of a few iterations from a few starts."""
    for name, value in {"SHAPES": ((2, 37, 51, 3), (1, 90, 40, 3)), "SIZES": ((64, 64), (37, 51))}.items():
        monkeypatch.setattr(functions, name, value)
    for name, value in {"SHORT": 4, "STARTS": 4, "LONG": 8, "LONG_STARTS": 1}.items():
        monkeypatch.setattr(engine, name, value)


def failing(rows):
    """The names of the rows that fail, each once, of some that do not all fail."""
    rows = list(rows)
    failed = {row.name for row in rows if not row.passed}
    assert failed != {row.name for row in rows}
    return failed


# ------------------------------------------------------------------------------------------------------- a row, a table


def test_an_error_is_a_share_of_the_largest_number():
    of = np.zeros((2, 3), np.float32)
    row = compare("this", of, np.array([8.0, 1.5]), np.array([8.0, 1.0]), 0.1)
    assert (row.error, row.passed, row.shape, row.dtype) == (0.0625, True, (2, 3), "float32")
    assert not compare("this", of, np.array([8.0, 1.5]), np.array([8.0, 1.0]), 0.06).passed
    row = compare("this", of, np.array([8.0, 1.5]), np.array([8.0, 1.0]), 0.1, absolute=True)
    assert (row.name, row.error, row.passed) == ("this, absolute", 0.5, False)
    # nothing to be a share of
    assert compare("this", of, np.array([0.5, 0.0]), np.zeros(2), 0.1).error == 0.5


def test_bits_have_no_tolerance():
    exact = torch.tensor([1.0, 2.0])
    assert compare("this", exact, exact, exact, 0.0).passed
    assert not compare("this", exact, exact * (1 + 2**-23), exact, 0.0).passed


@pytest.mark.parametrize("found", [[math.nan, 1.0], [math.inf, 1.0], [1.0], [[1.0, 1.0]]], ids=str)
def test_what_is_not_finite_or_of_another_shape_fails(found):
    assert not compare("this", np.ones(2), np.array(found), np.ones(2), 1e9).passed


def test_pixels_of_any_kind_lie_as_the_reference_s():
    images = np.arange(24.0).reshape(2, 3, 4)
    there = torch.from_numpy(images).movedim(-1, 0)
    np.testing.assert_array_equal(pixels(images.astype(np.float32)), images)
    np.testing.assert_array_equal(pixels(there.bfloat16()), images)


def test_the_table():
    rows = [Check("this", (2, 3), "float32", 3e-7, 1e-5), Check("that", (4,), "uint8", math.nan, 0.0)]
    text = markdown(rows, {"threads": "1"}).splitlines()
    assert text[0] == f"| {' | '.join(TITLES)} |"
    assert text[2:4] == [
        "| this | 2x3 | float32 | 3.0e-07 | 1.0e-05 | pass |",
        "| that | 4 | uint8 | nan | 0.0e+00 | FAIL |",
    ]
    assert "- threads: 1" in text
    assert [line(row.cells).split() for row in rows] == [
        ["this", "2x3", "float32", "3.0e-07", "1.0e-05", "pass"],
        ["that", "4", "uint8", "nan", "0.0e+00", "FAIL"],
    ]
    # columns stand below each other
    assert line(TITLES).index("shape") == line(rows[0].cells).index("2x3") == line(rows[1].cells).index("4")


# ------------------------------------------------------------------------------------------------------------- all rows


def test_every_row_passes_and_every_public_function_has_one(model):
    rows = list(checks(model, CPU, 0))
    assert [row for row in rows if not row.passed] == []
    names = {row.name for row in rows}
    for name in set(faceinpaint_fast.__all__) - SILENT:
        assert any(row.startswith(name) for row in names), name
    for part in ("ssim_l1", "objective, printed", "objective, masked", "generator, bf16", "discriminator, fp32"):
        assert any(row.startswith(part) for row in names), part
    assert {"float32", "float64", "bfloat16", "uint8", "bool"} == {row.dtype for row in rows}


def test_the_seed_is_of_what_functions_are_tried_on(model):
    def found(seed):
        return [row.error for row in islice(checks(model, CPU, seed), 40)]

    assert found(3) == found(3) != found(4)


# --------------------------------------------------------------------------------------------------- what is broken


def test_weights_that_are_off_by_a_bit_are_noticed(monkeypatch):
    kernel = _cpu.weight_map

    def off(*arguments, out, **options):
        kernel(*arguments, out=out, **options)
        out[0, 20, 20] = np.nextafter(out[0, 20, 20], np.float32(4))

    monkeypatch.setattr(_cpu, "weight_map", off)
    assert {row.name for row in weights(CPU) if not row.passed} == {"weight_map", "weight_map, torch"}


@pytest.mark.parametrize("place", ["ssim", "l1", "gradient"])
def test_a_loss_that_is_off_is_noticed(place, monkeypatch):
    kernel = _cpu.ssim_l1

    def off(*arguments):
        kernel(*arguments)
        out = arguments[("ssim", "l1", "gradient").index(place) - 3]
        # the last number alone
        out.flat[-1:] += 2e-3 * abs(out).max(initial=0)

    monkeypatch.setattr(_cpu, "ssim_l1", off)
    rows = {
        "ssim": {"ssim, absolute", "ssim_l1, SSIM, absolute"},
        "l1": {"ssim_l1, L1"},
        "gradient": {"ssim, gradient", "ssim_l1, gradient"},
    }
    assert failing(distances(CPU, np.random.default_rng(0))) == rows[place]


def test_a_gradient_of_the_wrong_sign_is_noticed(monkeypatch):
    kernel = _cpu.weighted_l1_gradient

    def off(*arguments):
        kernel(*arguments)
        arguments[-1][0, 0, 0, 0] *= -1

    monkeypatch.setattr(_cpu, "weighted_l1_gradient", off)
    assert failing(distances(CPU, np.random.default_rng(0))) == {"weighted_l1, gradient"}


def test_a_bound_that_is_off_is_noticed(monkeypatch):
    monkeypatch.setattr(
        functions,
        "context_loss",
        lambda l1, bounds: objective.context_loss(l1 - 0.1, bounds),
    )
    assert failing(bounds(CPU)) == {"context_loss"}


@pytest.mark.parametrize("term", ["structural", "context"])
def test_a_term_that_is_left_out_of_the_gradient_is_noticed(term, monkeypatch, model):
    """Of the printed form too: what rows are of lies within its bounds, where it is not flat."""
    slopes = Objective._slopes

    def without(self, x):
        pair = list(slopes(self, x))
        pair[("structural", "context").index(term)] = torch.zeros(len(x), dtype=x.dtype)
        return pair

    monkeypatch.setattr(Objective, "_slopes", without)
    forms = ("printed", "printed, without D", "masked", "masked, without D")
    found = failing(objectives(model, CPU, np.random.default_rng(0)))
    assert found == {f"objective, {form}, gradient" for form in forms}


def test_a_slope_that_is_off_is_noticed(monkeypatch, model):
    slope_of = layers.slope_of
    # of the leaky ReLU alone, which is D's and the encoder's
    monkeypatch.setattr(layers, "slope_of", lambda activation: {0.2: 0.2002}.get(*[slope_of(activation)] * 2))
    found = failing(networks(model, CPU, np.random.default_rng(0)))
    assert {name.partition(",")[0] for name in found} == {"discriminator", "encoder"}
    assert {"discriminator, fp32", "discriminator, fp32, pullback, median of 8"} <= found


@pytest.mark.parametrize("where", ["known", "missing"])
def test_a_blend_that_is_off_is_noticed(where, monkeypatch):
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
    found = failing(blends(CPU, np.random.default_rng(0)))
    whole = {f"{name}_blend{kind}" for name in ("poisson", "biharmonic", "tension") for kind in kinds(CPU)}
    # of bytes they know that three are too many
    rows = {f"{name}, four holes" for name in whole}
    if where == "known":
        rows |= {f"{name}, known pixels" for name in whole}
    else:
        rows |= {f"{name}_blend, free-form" for name in ("poisson", "biharmonic", "tension")}
        rows |= {"PoissonSolver.solve", "BiharmonicSolver.blend", "TensionSolver.blend"}
    assert found == rows


def test_a_step_that_is_off_is_noticed(monkeypatch, model):
    monkeypatch.setattr(optimisers, "EPSILON", 1e-4)
    product = optimisers.times
    monkeypatch.setattr(optimisers, "times", lambda matrix, vector: 1.001 * product(matrix, vector))
    expected = {f"Inpainter, {name}: z after 4 iterations, absolute, median of 4 starts" for name in CONFIGS}
    assert failing(searches(model, CPU)) == expected


def test_a_search_that_knows_its_place_is_noticed(monkeypatch, model):
    codes = latent_search.codes

    def by_place(*arguments):
        drawn = codes(*arguments)
        return drawn + 1e-6 * torch.arange(drawn.shape[1])[:, None]

    monkeypatch.setattr(latent_search, "codes", by_place)
    assert [row.passed for row in bits(model, CPU)] == [False, False]


@pytest.mark.parametrize("what", ["known pixels of F", "T = G(z)", "F", "context loss at z"])
def test_an_inpainting_that_is_off_is_noticed(what, model):
    problem, config = Problem.of(model, CPU, 4), InpaintConfig(iterations=2)
    found = problem.ours(config)
    assert all(row.passed for row in inpainting("this", problem, config, found))
    image, generated, losses = found.image.copy(), found.generated.copy(), dict(found.losses)
    match what:
        case "known pixels of F":
            pixel = tuple(np.argwhere(~problem.holes)[-1])
            image[pixel] = np.nextafter(image[pixel], np.float32(2))
        case "F":
            image[tuple(np.argwhere(problem.holes)[-1])] += 0.01
        case "T = G(z)":
            generated[-1, 0, 0] += 2e-5
        case _:
            losses["context"] = losses["context"] * np.float32(1.001)
    wrong = Inpainting(image, generated, found.z, losses)
    assert failing(inpainting("this", problem, config, wrong)) == {f"Inpainter, this: {what}"}
