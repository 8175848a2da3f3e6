"""The choices, and what they refuse."""

from __future__ import annotations

import dataclasses

import pytest

from faceinpaint_fast import InpaintConfig, InputError, Normalization


def test_the_paper_as_printed():
    paper = InpaintConfig.paper()
    assert (paper.lambda_d, paper.lambda_c, paper.lambda_s, paper.lambda_z) == (0.003, 0.2, 0.797, 0)
    assert (paper.iterations, paper.k, paper.alpha, paper.restarts) == (1000, 7, 2, 1)
    assert paper.normalization == Normalization.PAPER
    assert (paper.search, paper.precision, paper.blend) == ("adam", "fp32", "poisson")


def test_frozen_and_by_keyword():
    with pytest.raises(dataclasses.FrozenInstanceError):
        InpaintConfig().iterations = 3
    with pytest.raises(TypeError):
        InpaintConfig(100)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iterations", 0),
        ("iterations", 1.5),
        ("iterations", True),
        ("restarts", 0),
        ("precision", "fp16"),
        ("search", "sgd"),
        ("blend", "alpha"),
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
    ],
)
def test_refused(name, value):
    with pytest.raises(InputError, match=f"^{name}: expected"):
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
