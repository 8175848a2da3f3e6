"""A model of 32 pixels and one of 128, with networks as narrow as can be, all the way that the shipped one goes.

Winograd's filtering and the processor's matrix tiles ask for multiples that so few channels lack.
"""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast._cpu import WINOGRAD_IMAGES
from faceinpaint_fast.export.package import traced
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_148
from faceinpaint_fast.models import Model, ModelConfig, load_model, save_measured
from faceinpaint_fast.networks.adjoint import differentiable
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.parity import engine
from faceinpaint_fast.parity.check import NETWORK, PULLBACK, compare
from faceinpaint_fast.parity.engine import networks, objectives, searches
from faceinpaint_fast.pictures.demonstration import demo_sheet, restore_holes
from faceinpaint_fast.search.optimisers import ATTEMPTS
from faceinpaint_fast.search.starts import codes
from faceinpaint_fast.training.calibration import calibrate
from faceinpaint_fast.training.encoder import EncoderConfig, train_encoder
from faceinpaint_fast.training.frechet import colours, shapes
from faceinpaint_fast.training.game import TrainConfig, train

CPU = torch.device("cpu")
WIDTH = 4


@pytest.fixture(params=[32, 128])
def size(request):
    return request.param


@pytest.fixture
def model(size, lively):
    """A model whose random networks have something to draw."""
    G, D = (lively(kind(size=size, width=WIDTH)) for kind in (DCGANGenerator, DCGANDiscriminator))
    config = ModelConfig(
        size=size, channels=3, framing=CELEBA_148, latent_size=100, width=WIDTH, encoder_width=WIDTH, sha256={}
    )
    return Model(G, D, lively(DCGANEncoder(size=size, width=WIDTH)), config)


@pytest.fixture
def few(monkeypatch):
    """Short searches from few starts."""
    for name, value in {"SHORT": 4, "STARTS": 3, "LONG": 6, "LONG_STARTS": 1}.items():
        monkeypatch.setattr(engine, name, value)


def test_from_faces_to_a_restored_one(size, draw_face, tmp_path):
    """Training, an encoder, calibration and the demonstration: each takes size and framing from the one before."""
    faces, out = np.stack([draw_face(i, size) for i in range(8)]), tmp_path / "model"
    begun = TrainConfig(size=size, framing=CELEBA_148, width=WIDTH, batch=4)
    train(faces, out, begun, images=12, device=CPU)
    train_encoder(out, load_model(out), faces, EncoderConfig(width=WIDTH, batch=4), images=8, device=CPU)
    model = load_model(out)
    assert (model.config.size, model.config.framing) == (size, CELEBA_148)
    assert (model.config.width, model.config.encoder_width) == (WIDTH, WIDTH)
    found = calibrate(model.generator, faces[:2], samples=3, device=CPU)
    save_measured(out, model, "calibration", found.describe())
    assert load_model(out).config.normalization == found.normalization
    assert (shapes(faces).shape, colours(faces).shape) == ((8, 144), (8, 192))

    inpainter = Inpainter.from_pretrained(out, config=InpaintConfig(iterations=2), device="cpu")
    face = astronaut(model.config.framing, size)
    rows = restore_holes(inpainter, face, framing=model.config.framing)
    for row in rows:
        assert row.inpainting.image.shape == (size, size, 3)
        assert_array_equal(row.inpainting.image[~row.hole], face[~row.hole])
        assert (row.inpainting.image != face)[row.hole].any()
    assert demo_sheet(face, rows).ndim == 3


@pytest.mark.parametrize("part", [objectives, networks], ids=lambda part: part.__name__)
def test_parity(model, part, rng):
    """Values and gradients beside the reference's, in float32 and bfloat16, in a batch and an image at a time."""
    rows = list(part(model, CPU, rng))
    assert [row for row in rows if not row.passed] == []
    assert all(row.shape[-1] in (model.config.size, 100) for row in rows)


@pytest.mark.usefixtures("few")
def test_parity_of_searches(model):
    rows = list(searches(model, CPU))
    assert [row for row in rows if not row.passed] == []
    assert {row.shape[1] for row in rows if not row.name.endswith((": z, absolute", "images"))} == {model.config.size}


@pytest.mark.parametrize("kind", [DCGANGenerator, DCGANDiscriminator, DCGANEncoder], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("width", [1, 3])
def test_channels_that_are_no_multiple_of_anything(size, width, kind, lively):
    """In every direction, with and without Winograd's filtering, against autograd."""
    network = lively(kind(size=size, width=width))
    inputs = {DCGANGenerator: (100,), DCGANDiscriminator: (3, size, size), DCGANEncoder: (4, size, size)}[kind]
    random = torch.Generator().manual_seed(1)
    x = torch.randn(WINOGRAD_IMAGES + 1, *inputs, generator=random)
    exact_x = x.double().requires_grad_()
    expected = copy.deepcopy(network).double()(exact_x)
    gradient = torch.randn(expected.shape, generator=random)
    (slope,) = torch.autograd.grad(expected, exact_x, gradient.double())
    # twice what wide networks have: rounding is not averaged over channels
    for precision in ("fp32", "bf16"):
        fast = differentiable(frozen(network, CPU), CPU, precision)
        for count in (1, len(x)):
            y, pull = fast(x[:count])
            value = compare("value", x, y, expected[:count].detach(), 2 * NETWORK[precision])
            # a number beside a kink of ReLU takes the other slope
            pullback = compare("pullback", x, pull(gradient[:count].clone()), slope[:count], PULLBACK[precision])
            assert value.passed, value
            assert pullback.passed, pullback


@pytest.mark.parametrize("size", [32], indirect=True)
def test_the_exported_search_is_the_inpainter_s(size, model):
    config, seed = InpaintConfig.over_z(iterations=2), 3
    face, hole = astronaut(model.config.framing, size), masks.centre((size, size))
    with warnings.catch_warnings():
        # torch warns of what torch does
        warnings.simplefilter("ignore")
        package = traced(model, config, 1, CPU).module()
    image = torch.from_numpy(face).movedim(-1, 0)[None].float().contiguous() / 255
    drawn = codes([seed], 1, 100, ATTEMPTS)
    z, generated, loss = package(image, torch.from_numpy(hole)[None].float(), drawn)
    expected = Inpainter.of(model, config=config, device="cpu")(face, hole, seed=seed)
    # the contract's 1e-4 after few iterations
    assert_allclose(z[0], expected.z, atol=1e-4)
    assert_allclose(loss[0], expected.losses["total"], rtol=1e-3)
    assert generated.shape == (1, 3, size, size)
