"""The search as a file of numbers for an engine without Python or a runtime: csrc/c/faceinpaint_search.h.

What is decided in Python is in it: the networks, what is minimised, the size of every step, and what the model says of
itself, its licence among that.  Its layout stands in csrc/search/search_file.hpp.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig, Stage
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.export.facts import facts_of
from faceinpaint_fast.export.pieces import expect_beyond_z
from faceinpaint_fast.files import check_place, write_atomically
from faceinpaint_fast.models import Model
from faceinpaint_fast.networks.layers import Layer, layers_of
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.ops.ssim_l1 import constants
from faceinpaint_fast.ops.window import Window
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.optimisers import optimiser_of
from faceinpaint_fast.weight_map import radius_and_scale

NAME, FORMAT = b"FACEFIND", 1
CPU = torch.device("cpu")


def export(model: Model, out: Path, *, config: InpaintConfig = InpaintConfig()) -> None:  # noqa: B008 - frozen
    """Writes the search with a model into `out`; the blend is left to the caller, and its tension stands there too.

    Raises InputError, before any work, for an `out` that cannot be written to, and for what `searched` refuses.
    """
    check_place(out)
    content = searched(model, config)
    write_atomically(out, lambda file: file.write(content))


def searched(model: Model, config: InpaintConfig) -> bytes:
    """Returns a model's search as a file.

    Raises InputError for a search that is not beyond z alone, for restarts, flips, symmetry and another precision than
    float32, for a discriminator's part in it, and for another normalization than "masked".
    """
    config = model.resolved(config)
    expect_beyond_z(config, "a file of a search")
    if config.lambda_d:
        raise InputError(
            f"lambda_d: expected 0 in a file of a search, which has no discriminator, got {config.lambda_d}"
        )
    if config.normalization != "masked":
        raise InputError(f"normalization: expected masked in a file of a search, got {config.normalization!r}")
    E = None if model.encoder is None else frozen(model.encoder, CPU)
    networks = Networks.of(frozen(model.generator, CPU), frozen(model.discriminator, CPU), E, config, CPU)
    # without an encoder it is over z
    expect_beyond_z(networks.carried_out(config), "a file of a search")
    assert model.encoder is not None
    return b"".join(each.tobytes() for each in numbers(model, config))


def numbers(model: Model, config: InpaintConfig) -> Iterator[NDArray[Any]]:
    """Yields what a file consists of, in its order."""
    size, channels = model.config.size, model.config.channels
    radius, scale = radius_and_scale(config.k, config.alpha, size, size)
    window = Window()
    yield np.frombuffer(NAME, np.uint8)
    yield integers(FORMAT, size, channels, radius)
    yield np.array([scale], "<f8")
    yield floats([config.lambda_c, config.lambda_s, *constants(1.0)])
    yield integers(window.size)
    yield floats(window.taps(torch.float32, CPU))
    rules = [optimiser_of(stage, config) for stage in config.stages]
    moments = rules[0].moments
    yield floats([moments.beta1, moments.beta2, moments.epsilon, rules[0].z_max])
    layers = layers_of(model.generator)
    yield integers(len(config.stages))
    for stage, rule in zip(config.stages, rules, strict=True):
        side = 2 ** (stage.layer + 1)
        count = layers[stage.layer - 1].weight.shape[1] * side * side
        yield integers(stage.layer, stage.steps)
        yield floats(steps(stage, rule, 2 * config.lambda_u / count))
    assert model.encoder is not None
    for network in (layers_of(model.encoder), layers):
        yield integers(len(network))
        yield from chain.from_iterable(map(layer_numbers, network))
    facts = facts_of(model, config)
    text = json.dumps(facts).encode()
    yield np.array([facts["tension"]], "<f8")
    yield integers(len(text))
    yield np.frombuffer(text, np.uint8)


def steps(stage: Stage, rule: Any, pull: float) -> Tensor:
    """Returns what each of a stage's steps takes, (steps, 4): csrc/search/adam.hpp, AdamStep."""
    return torch.stack([rule.size, 1 / rule.mean[1:], 1 / rule.square[1:], torch.full((stage.steps,), pull)], dim=1)


def layer_numbers(layer: Layer) -> Iterator[NDArray[Any]]:
    """Yields what a file has of a layer; its weights in float16 where that is exact."""
    depth, channels = layer.weight.shape[:2]
    matrix = layer.matrix.numpy()
    halves = matrix.astype("<f2")
    exact = np.array_equal(halves, matrix)
    yield integers(depth, channels)
    yield floats([layer.slope])
    yield integers(len(layer.scale))
    yield floats(layer.scale)
    yield floats(layer.bias)
    yield integers(exact)
    yield halves if exact else floats(matrix)


def integers(*values: int) -> NDArray[np.int32]:
    """Returns integers as a file has them."""
    return np.array(values, "<i4")


def floats(values: Any) -> NDArray[np.float32]:
    """Returns floats as a file has them."""
    return np.asarray(values, "<f4")
