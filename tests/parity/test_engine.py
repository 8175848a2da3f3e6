"""That an engine that is off is noticed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from faceinpaint_fast import InpaintConfig, Inpainting
from faceinpaint_fast.networks import layers
from faceinpaint_fast.parity.engine import (
    OVER_Z,
    STARTS,
    Restorations,
    beyond_z,
    bits,
    inpainting,
    networks,
    objectives,
    searches,
)
from faceinpaint_fast.search import latent_search, optimisers
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import Adam, Moments
from faceinpaint_fast.search.prior import Prior

CPU = torch.device("cpu")


@pytest.mark.parametrize("term", ["structural", "context"])
def test_a_term_that_is_left_out_of_the_gradient_is_noticed(term, monkeypatch, model, failing):
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


def test_a_slope_that_is_off_is_noticed(monkeypatch, model, failing):
    slope_of = layers.slope_of
    # of the leaky ReLU alone, which is D's and the encoder's
    monkeypatch.setattr(layers, "slope_of", lambda activation: {0.2: 0.2002}.get(*[slope_of(activation)] * 2))
    found = failing(networks(model, CPU, np.random.default_rng(0)))
    assert {name.partition(",")[0] for name in found} == {"discriminator", "encoder"}
    assert {"discriminator, fp32", "discriminator, fp32, pullback, median of 8"} <= found


def test_a_step_that_is_off_is_noticed(monkeypatch, model, failing):
    adam = Adam.of

    def coarser(*arguments, **options):
        return dataclasses.replace(adam(*arguments, **options), moments=Moments(0.9, 0.999, 1e-4))

    monkeypatch.setattr(Adam, "of", coarser)
    product = optimisers.times
    monkeypatch.setattr(optimisers, "times", lambda matrix, vector: 1.1 * product(matrix, vector))
    expected = {f"Inpainter, {name}: z after 4 iterations, absolute, median of 4 starts" for name in OVER_Z}
    found = failing(searches(model, CPU))
    assert expected <= found
    # of the default nothing is right but the code that it begins at, and 2 % of a loss is much
    assert {name for name in found - expected if "layer 1" in name} >= {
        "Inpainter, default, layer 1: max of u, absolute, median of 4 images",
        "Inpainter, default, layer 1: T, absolute, median of 4 images",
    }


def test_a_search_is_asked_as_many_problems_as_it_is_said_to_be(model):
    """A guess is the same whatever the seed: only another face or hole is another problem."""
    asked = Restorations.of(model, CPU, STARTS)
    problems = {(face.tobytes(), hole.tobytes()) for face, hole in zip(asked.faces, asked.holes, strict=True)}
    assert len(problems) == STARTS


def test_a_prior_that_is_off_is_noticed(monkeypatch, model, failing):
    monkeypatch.setattr(Prior, "at", lambda began, config: Prior(began, began.new_ones(len(began)), config.lambda_z))
    assert "Inpainter, default, layer 3: median of u, absolute, median of 4 images" in failing(beyond_z(model, CPU))


def test_a_search_that_knows_its_place_is_noticed(monkeypatch, model):
    around = latent_search.around

    def by_place(*arguments):
        starts = around(*arguments)
        return starts + 1e-6 * torch.arange(starts.shape[1])[:, None]

    monkeypatch.setattr(latent_search, "around", by_place)
    assert [row.passed for row in bits(model, CPU)] == [False, False]


@pytest.mark.parametrize("what", ["known pixels of F", "T = G(z)", "F", "context loss at z"])
def test_an_inpainting_that_is_off_is_noticed(what, model, failing):
    restorations, config = Restorations.of(model, CPU, 4), InpaintConfig.over_z(iterations=2)
    found = restorations.ours(config)
    assert all(row.passed for row in inpainting("this", restorations, config, found))
    image, generated, losses = found.image.copy(), found.generated.copy(), dict(found.losses)
    match what:
        case "known pixels of F":
            pixel = tuple(np.argwhere(~restorations.holes)[-1])
            image[pixel] = np.nextafter(image[pixel], np.float32(2))
        case "F":
            image[tuple(np.argwhere(restorations.holes)[-1])] += 0.01
        case "T = G(z)":
            generated[-1, 0, 0] += 2e-5
        case _:
            losses["context"] = losses["context"] * np.float32(1.001)
    wrong = Inpainting(image, generated, found.z, None, losses)
    assert failing(inpainting("this", restorations, config, wrong)) == {f"Inpainter, this: {what}"}
