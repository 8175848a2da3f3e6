"""The pieces of a search, done one after the other, are the search."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from faceinpaint_fast import InpaintConfig, Inpainter, InputError, Normalization, masks
from faceinpaint_fast.export.pieces import Pieces
from faceinpaint_fast.framing import CELEBA_148
from faceinpaint_fast.models import load_model, save_encoder, save_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator

SHORT = [(1, 3, 0.1), (2, 2, 0.1), (3, 2, 0.05)]
BOUNDS = Normalization(s_min=0.0, s_max=0.99, c_min=1.0, c_max=9000.0)


def done(pieces, images, holes):
    """T of images (B, C, H, W) and holes (B, H, W), by the pieces."""
    with torch.no_grad():
        u, *tensors = pieces.begin(images, holes[:, None].float())
        for index, step in enumerate(pieces.steps):
            state = began, _, _ = u, torch.zeros_like(u), torch.zeros_like(u)
            for iteration in range(step.count):
                state = step(torch.tensor([iteration]), torch.tensor(step.epsilon), *state, began, *tensors)
            u = state[0]
            if index < len(pieces.between):
                u = pieces.between[index](u)
        return pieces.end(u)


def agree(model, config, faces):
    size = model.config.size
    holes = torch.from_numpy(np.stack([masks.draw(name, (size, size)) for name in ("centre", "drop-80")]))
    images = torch.from_numpy(faces.copy()).movedim(-1, 1).float() / 255
    expected = Inpainter.of(model, config=config, device="cpu")(images, holes).generated
    damaged = torch.where(holes[:, None], torch.nan, images)
    # the contract's 1e-4 of activations after few steps, and what G makes of it
    assert_allclose(done(Pieces(model, config), damaged, holes), expected, atol=1e-3)
    assert not np.allclose(expected, Inpainter.of(model, config=InpaintConfig(), device="cpu")(images, holes).generated)


@pytest.mark.parametrize(
    "config",
    [
        InpaintConfig(stages=SHORT, blend="none"),
        InpaintConfig(stages=SHORT[2:], schedule="constant", lambda_u=0.0, k=3, alpha=0.3),
        InpaintConfig(stages=[SHORT[0], SHORT[2]], lambda_s=0.3),
        InpaintConfig(stages=SHORT[1:], lambda_d=0.01, normalization=BOUNDS),
    ],
    ids=["three stages", "one", "two", "with D and bounds"],
)
def test_they_do_what_inpainter_does(config, small_model, faces):
    agree(load_model(small_model), config, faces[:2])


def test_a_step_is_as_long_as_the_engine_s(small_model, faces):
    model, hole = load_model(small_model), torch.from_numpy(masks.draw("centre", (64, 64)))[None]
    config = InpaintConfig(stages=[(1, 1, 0.1)], blend="none")
    images = torch.from_numpy(faces[:1].copy()).movedim(-1, 1).float() / 255
    expected = Inpainter.of(model, config=config, device="cpu")(images, hole).activations
    pieces = Pieces(model, config)
    with torch.no_grad():
        began, *tensors = pieces.begin(images, hole[:, None].float())
        still, epsilon = torch.zeros_like(began), torch.tensor(pieces.steps[0].epsilon)
        u, *_ = pieces.steps[0](torch.tensor([0]), epsilon, began, still, still, began, *tensors)
    shaped = pieces.networks.cuts[0].shaped
    moved = (shaped(began) - expected).abs() > 0.05
    assert moved.float().mean() > 0.1
    # of a step of 0.1 rounding leaves 3e-8; with another 1 - beta2 it was 6e-7
    assert (shaped(u) - expected)[moved].abs().median() < 2e-7


def test_of_a_larger_model(tmp_path, lively, draw_face):
    kind = {"size": 128, "width": 4}
    networks = [lively(network(**kind)) for network in (DCGANGenerator, DCGANDiscriminator)]
    save_model(tmp_path, *networks, framing=CELEBA_148, training={})
    save_encoder(tmp_path, load_model(tmp_path), lively(DCGANEncoder(**kind)), training={"width": 4})
    faces = np.stack([draw_face(number, 128) for number in (3, 4)])
    agree(load_model(tmp_path), InpaintConfig(stages=SHORT), faces)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (InpaintConfig.over_z(iterations=2), "iterations: expected 0 and stages"),
        (InpaintConfig(iterations=2, optimiser="adam"), "iterations: expected 0 and stages"),
        (InpaintConfig(restarts=2), "restarts: expected 1 in an .onnx file, got 2"),
        (InpaintConfig(flips=True), "flips: expected False in an .onnx file"),
        (InpaintConfig(symmetry=True), "symmetry: expected False in an .onnx file"),
        (InpaintConfig(precision="bf16"), "precision: expected fp32"),
    ],
)
def test_what_is_no_search_of_loops_alone_is_refused(config, message, small_model):
    with pytest.raises(InputError, match=message):
        Pieces(load_model(small_model), config)


def test_without_an_encoder_there_is_none(small_model):
    with pytest.raises(InputError, match="from an encoder's guess"):
        Pieces(dataclasses.replace(load_model(small_model), encoder=None), InpaintConfig())
