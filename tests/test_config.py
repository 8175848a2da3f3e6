"""The choices, and what they refuse."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from faceinpaint_fast import InpaintConfig, InputError, Normalization, Stage
from faceinpaint_fast.config import PRESETS


def test_the_paper_as_printed():
    paper = InpaintConfig.paper()
    assert (paper.lambda_d, paper.lambda_c, paper.lambda_s, paper.lambda_z) == (0.003, 0.2, 0.797, 0)
    assert (paper.iterations, paper.k, paper.alpha, paper.restarts) == (1000, 7, 2, 1)
    assert paper.normalization == Normalization.PAPER
    assert (paper.optimiser, paper.schedule, paper.start) == ("adam", "constant", "random")
    assert (paper.precision, paper.blend) == ("fp32", "poisson")


def test_the_paper_takes_what_a_config_takes():
    assert InpaintConfig.paper(lambda_z=0.1, blend="none") == dataclasses.replace(
        InpaintConfig.paper(), lambda_z=0.1, blend="none"
    )
    with pytest.raises(InputError, match="iterations: expected"):
        InpaintConfig.paper(iterations=0)
    # what `optimiser`, `schedule` and `start` say was once one word
    for make in (InpaintConfig, InpaintConfig.paper):
        with pytest.raises(TypeError, match="unexpected keyword argument 'search'"):
            make(search="adam")


def test_presets():
    assert PRESETS["default"] == InpaintConfig()
    assert PRESETS["paper"] == InpaintConfig.paper()
    assert PRESETS["paper-calibrated"] == InpaintConfig.paper(normalization="model")


def test_a_schedule_is_adam_s_alone():
    assert InpaintConfig(optimiser="adam", schedule="cosine").schedule == "cosine"
    with pytest.raises(InputError, match="schedule: expected constant with bfgs, got 'cosine'"):
        InpaintConfig.over_z(schedule="cosine")


def test_settings_are_fields_from_text():
    asked = {
        "iterations": "3",
        "tension": "2",
        "blend": "poisson",
        "z_max": "1",
        "optimiser": "adam",
        "start": "random",
    }
    expected = InpaintConfig(
        iterations=3, tension=2.0, blend="poisson", z_max=1.0, optimiser="adam", start="random", schedule="cosine"
    )
    assert InpaintConfig().with_settings(asked | {"schedule": "cosine"}) == expected
    for name in ("masked", "none", "model"):
        for preset in PRESETS.values():
            assert preset.with_settings({"normalization": name}) == dataclasses.replace(preset, normalization=name)
    with pytest.raises(InputError, match=r"normalization: expected a Normalization or one of .*, got 'mean'"):
        InpaintConfig().with_settings({"normalization": "mean"})


@pytest.mark.parametrize(
    "asked",
    [{"steps": "3"}, {"iterations": "few"}, {"normalization_": "masked"}, {"batch_invariant": "1"}, {"paper": ""}],
)
def test_a_setting_that_is_none_is_refused(asked):
    with pytest.raises(InputError, match=r"set: expected one of iterations, .*, got \w+=\w*"):
        InpaintConfig().with_settings(asked)


def test_settings_are_what_json_holds():
    found = json.loads(json.dumps(InpaintConfig.paper().settings(), allow_nan=False))
    assert found["z_max"] == "inf"
    assert found["normalization"] == dataclasses.asdict(Normalization.PAPER)
    assert found.keys() == {field.name for field in dataclasses.fields(InpaintConfig)}


def test_frozen_and_by_keyword():
    with pytest.raises(dataclasses.FrozenInstanceError):
        InpaintConfig().iterations = 3
    with pytest.raises(TypeError):
        InpaintConfig(100)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iterations", -1),
        ("iterations", 1.5),
        ("iterations", True),
        ("restarts", 0),
        ("precision", "fp16"),
        ("optimiser", "sgd"),
        ("schedule", "step"),
        ("start", "zero"),
        ("blend", "alpha"),
        ("blend", np.array(["tension", "none"])),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("lambda_d", -1.0),
        ("lambda_s", float("inf")),
        ("lambda_z", -0.1),
        ("tension", 0.0),
        ("tension", float("inf")),
        ("k", 4),
        ("k", -1),
        ("alpha", -0.1),
        ("z_max", 0.0),
        ("z_max", float("nan")),
        ("normalization", "mean"),
        ("normalization", None),
        ("normalization", np.array([0.1, 0.8, 739, 4861])),
    ],
    ids=str,
)
def test_refused(name, value):
    with pytest.raises(InputError, match=rf"^{name}: expected"):
        InpaintConfig(**{name: value})


def test_something_must_be_minimised():
    with pytest.raises(InputError, match="lambda_d, lambda_c, lambda_s: expected one of them > 0"):
        InpaintConfig(lambda_d=0, lambda_c=0, lambda_s=0)


@pytest.mark.parametrize(
    "bounds", [(0.5, 0.5, 1, 2), (0.1, 0.9, 3, 2), (float("nan"), 1, 1, 2), (0, 1, 0, float("inf"))]
)
def test_bounds_must_be_in_order(bounds):
    with pytest.raises(InputError, match="normalization: expected"):
        Normalization(*bounds)


@pytest.mark.parametrize("value", ["0.5", None, True, [0.5]], ids=repr)
@pytest.mark.parametrize("name", ["alpha", "lambda_d", "lambda_z", "learning_rate", "tension", "z_max"])
def test_what_is_no_number_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=rf"^{name}: expected a .*number"):
        InpaintConfig(**{name: value})


def test_a_switch_and_bounds_are_checked():
    with pytest.raises(InputError, match=r"^batch_invariant: expected True or False, got 'yes'"):
        InpaintConfig(batch_invariant="yes")
    with pytest.raises(InputError, match=r"^normalization: expected finite s_min and s_max, got '0'"):
        Normalization(s_min="0", s_max=1.0, c_min=0.0, c_max=1.0)


def test_the_default_searches_beyond_z_and_fast_does_it_in_fewer_steps():
    default, fast = InpaintConfig(), InpaintConfig.fast()
    assert (default.iterations, default.steps, default.tension) == (0, 30, 2)
    assert default.stages == (Stage(1, 10, 0.1), Stage(2, 10, 0.1), Stage(3, 10, 0.1))
    assert [stage.steps for stage in fast.stages] == [5, 5, 10]
    assert (fast.steps, fast.schedule, fast.lambda_u) == (20, "constant", 1)
    assert InpaintConfig.fast(precision="bf16").precision == "bf16"
    assert InpaintConfig.paper().stages == InpaintConfig.over_z().stages == ()


def test_stages_may_be_given_by_their_numbers():
    assert InpaintConfig(stages=[(2, 3, 0.5), Stage(4, 1, 1.0)]).stages == (Stage(2, 3, 0.5), Stage(4, 1, 1.0))


@pytest.mark.parametrize(
    "stages",
    [3, "all", [1], [(1, 2)], [(0, 1, 0.1)], [(1, 0, 0.1)], [(1, 1, 0.0)], [(2, 1, 0.1), (2, 1, 0.1)]],
    ids=str,
)
def test_stages_that_are_none_are_refused(stages):
    with pytest.raises(InputError, match=r"^stages"):
        InpaintConfig(stages=stages)


def test_without_stages_there_must_be_iterations_and_with_them_adam():
    with pytest.raises(InputError, match="iterations: expected an integer >= 1, got 0"):
        InpaintConfig(stages=())
    with pytest.raises(InputError, match="optimiser: expected adam with stages"):
        InpaintConfig(optimiser="bfgs")


def test_over_z_alone_keeps_what_was_asked_for():
    assert InpaintConfig().over_z_alone() == InpaintConfig.over_z()
    assert InpaintConfig(tension=1.0, k=3).over_z_alone() == InpaintConfig.over_z(tension=1.0, k=3)
    own = InpaintConfig(iterations=7, learning_rate=0.1)
    assert own.over_z_alone() == InpaintConfig(iterations=7, learning_rate=0.1, stages=())
    assert InpaintConfig.paper().over_z_alone() == InpaintConfig.paper()


def test_stages_and_switches_from_text():
    found = InpaintConfig().with_settings({"stages": "1:5:0.1,3:2:0.05", "flips": "true", "symmetry": "false"})
    assert found == InpaintConfig(stages=[(1, 5, 0.1), (3, 2, 0.05)], flips=True)
    assert InpaintConfig.over_z().with_settings({"stages": "none"}) == InpaintConfig.over_z()
    for text in ("1:5", "one", "1:2:3:4", ""):
        with pytest.raises(InputError, match="set: expected one of"):
            InpaintConfig().with_settings({"stages": text})


def test_a_tension_is_of_faces_of_64_pixels():
    """In pixels of half the size a plate of the same shape bends four times as easily."""
    config = InpaintConfig(tension=3.0)
    assert config.at_size(64) == config
    assert config.at_size(128) == InpaintConfig(tension=0.75)
    assert config.at_size(32) == InpaintConfig(tension=12.0)
