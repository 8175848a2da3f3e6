"""The search as a file: what it refuses, and what it says; what it does is tests/csrc/test_search_library.py's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from faceinpaint_fast import InpaintConfig, InputError
from faceinpaint_fast.config import Normalization
from faceinpaint_fast.export import search_file
from faceinpaint_fast.models import load_model


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (InpaintConfig.over_z(), "iterations: expected 0 and stages, from an encoder's guess, in a file of a search"),
        (InpaintConfig(restarts=2), "restarts: expected 1 in a file of a search"),
        (InpaintConfig(lambda_d=0.1), "lambda_d: expected 0 in a file of a search"),
        (InpaintConfig(normalization="none"), "normalization: expected masked in a file of a search, got 'none'"),
        (InpaintConfig(normalization=Normalization.PAPER), "normalization: expected masked"),
        (InpaintConfig(stages=[(5, 1, 0.1)]), "stages: expected layers 1 to 4"),
    ],
)
def test_another_search_is_refused(config, message, small_model):
    with pytest.raises(InputError, match=message):
        search_file.searched(load_model(small_model), config)


def test_without_an_encoder_there_is_no_search_beyond_z(small_model):
    model = dataclasses.replace(load_model(small_model), encoder=None)
    with pytest.raises(InputError, match="iterations: expected 0 and stages"):
        search_file.searched(model, InpaintConfig())


def test_where_it_cannot_be_written(small_model):
    with pytest.raises(InputError, match="expected a place that can be written to"):
        search_file.export(load_model(small_model), small_model / "config.json" / "faces.search")


def test_weights_are_halves_where_that_is_exact(small_model):
    """As a model's folder keeps them, so that a file is as large as the networks that it needs."""
    model = load_model(small_model)
    halves = search_file.searched(model, InpaintConfig())
    count = sum(each.numel() for network in (model.generator, model.encoder) for each in network.parameters())
    assert 2 * count < len(halves) < 2.5 * count
    for parameter in model.generator.parameters():
        parameter.data.mul_(1 + 1e-6)
    with_floats = search_file.searched(model, InpaintConfig())
    assert len(with_floats) > 1.4 * len(halves)


def test_steps_are_those_of_the_schedule():
    config = InpaintConfig(stages=[(2, 4, 0.3)])
    stage = config.stages[0]
    found = search_file.steps(stage, search_file.optimiser_of(stage, config), 0.25).numpy()
    iteration = np.arange(4)
    assert np.allclose(found[:, 0], 0.3 * (1 + np.cos(np.pi * iteration / 4)) / 2, rtol=1e-6)
    assert np.allclose(found[:, 1], 1 / (1 - 0.5 ** (iteration + 1)), rtol=1e-6)
    assert np.allclose(found[:, 2], 1 / (1 - 0.999 ** (iteration + 1)), rtol=1e-4)
    assert (found[:, 3] == 0.25).all()
