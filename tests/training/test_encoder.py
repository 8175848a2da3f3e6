"""The encoder: what it sees, what it learns, and that it is kept with its generator."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn
from torch.testing import assert_close

from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import Model, ModelConfig, load_model, read_config, save_encoder, save_model
from faceinpaint_fast.networks.adjoint import differentiable
from faceinpaint_fast.networks.dcgan import DCGANEncoder
from faceinpaint_fast.networks.protocols import frozen, to_unit, visible
from faceinpaint_fast.training import run as run_module
from faceinpaint_fast.training.encoder import (
    Amortisation,
    EncoderConfig,
    loss_of,
    misaligned,
    random_hole,
    train_encoder,
)
from faceinpaint_fast.training.offset import met

CPU = torch.device("cpu")
TINY = EncoderConfig(width=2, batch=4, seed=5)


@pytest.fixture
def folder(tmp_path, generator, discriminator):
    """A model folder with the tests' small networks."""
    save_model(tmp_path / "model", generator, discriminator, framing=CELEBA_108, training={})
    return tmp_path / "model"


def test_what_an_encoder_sees(rng):
    images, known = torch.rand(2, 3, 8, 8), torch.from_numpy(rng.random((2, 8, 8)) < 0.5).float()
    seen = visible(images, known)
    assert seen.shape == (2, 4, 8, 8)
    there = known.bool()
    for image, pixels, m in zip(seen, images, there, strict=True):
        assert_close(image[:3, m], 2 * pixels[:, m] - 1)
        assert not image[:3, ~m].any()
        assert torch.equal(image[3], m.float())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_fast_form_is_the_module(precision):
    """On the kernels that D runs on, with as many outputs as the code has numbers."""
    torch.manual_seed(1)
    encoder = frozen(DCGANEncoder(width=8, latent_size=7), CPU)
    seen = torch.rand(3, 4, 64, 64) * 2 - 1
    found, pull = differentiable(encoder, CPU, precision)(seen)
    exact = seen.clone().requires_grad_()
    expected = encoder(exact)
    assert found.shape == (3, 7)
    # bfloat16 has 8 bits; four layers of them
    tolerance = {"fp32": 1e-5, "bf16": 0.03}[precision]
    assert (found - expected).abs().max() < tolerance * expected.abs().max()
    gradient = torch.randn(3, 7)
    (back,) = torch.autograd.grad(expected, exact, gradient)
    assert (pull(gradient) - back).abs().max() < 10 * tolerance * back.abs().max()


@pytest.mark.parametrize("size", [32, 64, 128])
def test_holes_are_of_every_kind(size):
    holes = np.stack([random_hole(np.random.default_rng(seed), size) for seed in range(400)])
    assert holes.shape == (400, size, size)
    assert holes.dtype == np.bool_
    shares = holes.mean(axis=(1, 2))
    assert 0 < shares.min() < 0.15
    assert 0.85 < shares.max() < 1
    halves, middle = np.zeros((4, size, size), np.bool_), size // 2
    halves[0, :, :middle] = halves[1, :, middle:] = halves[2, :middle] = halves[3, middle:] = True
    # halves hide the most: about 0.4 of all
    counts = [(holes == half).all(axis=(1, 2)).sum() for half in halves]
    assert min(counts) > 20
    assert 140 < sum(counts) < 240
    # the same generator draws the same hole
    assert_array_equal(holes[3], random_hole(np.random.default_rng(3), size))


def test_a_step_minimises_what_is_left_of_the_hole_and_of_the_image(folder, faces):
    """The loss that is reported, from the networks as they were; and the hole is unseen."""
    training = Amortisation(load_model(folder), faces, TINY, CPU)
    seen = []
    training.encoder.register_forward_hook(lambda _, given, z: seen.append((given[0].clone(), z.detach())))
    loss = training.play()
    shown, z = seen[0]
    known = shown[:, 3]
    assert 0 < known.mean() < 1
    # the batch again, whose known pixels are those that were seen
    training.step = 0
    images = training._images(np.random.default_rng((TINY.seed, 0, 0)))
    there = known[:, None].expand(-1, 3, -1, -1) > 0
    assert_close(to_unit(shown[:, :3])[there], images[there])
    with torch.no_grad():
        generated = to_unit(load_model(folder).generator(z))
        away = abs(met(generated, images, known) - images)
    left = [each[:, hole].mean() for each, hole in zip(away, known == 0, strict=True)]
    assert loss.item() == pytest.approx(np.mean(left) + abs(generated - images).mean().item(), rel=1e-4)


def test_a_cast_counts_once_and_what_is_wrong_in_the_hole_twice():
    """The blend takes a cast away, which the search would have to."""
    images = torch.rand(2, 3, 64, 64)
    known = torch.ones(2, 64, 64)
    known[0, :, :32] = 0
    # nothing is missing of the second
    assert_close(loss_of(images + 0.1, images, known), torch.tensor([0.1, 0.1]))
    wrong = images.clone()
    wrong[..., 10] += 0.3
    # a column of the 32 in the hole, and of 64
    assert_close(loss_of(wrong, images, known), torch.tensor([0.3 / 32 + 0.3 / 64, 0.3 / 64]))


class Paint(nn.Module):
    """A generator of images of one colour, its code."""

    latent_size = 3

    def forward(self, z):
        return z.tanh()[:, :, None, None].expand(-1, -1, 64, 64)


def test_it_learns_to_see(discriminator):
    """The colour of what it sees in part, not just any: codes of the image beside are much further off."""
    config = ModelConfig(size=64, channels=3, framing=CELEBA_108, latent_size=3, width=4, sha256={})
    model = Model(Paint(), discriminator, None, config)
    training = Amortisation(model, None, EncoderConfig(width=4, batch=16, learning_rate=3e-3, seed=1), CPU)
    for _ in range(80):
        training.play()
    codes = []
    training.encoder.register_forward_hook(lambda _module, _given, z: codes.append(z.detach()))
    images = training._images(np.random.default_rng((1, 0, training.step)))
    training.play()
    own, beside = (
        (to_unit(training.networks.generator(z)[0]) - images).abs().mean().item()
        for z in (codes[0], codes[0].roll(1, 0))
    )
    assert own < 0.4 * beside, (own, beside)


def test_without_faces_it_sees_the_generator_s(folder):
    training = Amortisation(load_model(folder), None, TINY, CPU)
    rng = np.random.default_rng(3)
    images = training._images(rng)
    z = torch.from_numpy(np.random.default_rng(3).standard_normal((4, 100), dtype=np.float32))
    with torch.no_grad():
        assert_close(images, to_unit(load_model(folder).generator(z)), rtol=0, atol=1e-5)


def run(folder, faces, images=32, **options):
    model = load_model(folder)
    train_encoder(folder, model, faces, TINY, images=images, device=CPU, **({"checkpoint_minutes": 0} | options))


def test_a_run_leaves_an_encoder_with_its_generator(folder, faces, monkeypatch):
    monkeypatch.setattr(run_module, "LOG_EVERY", 2)
    before = read_config(folder).describe()
    assert load_model(folder).encoder is None
    copy = shutil.copytree(folder, folder.with_name("copy"))
    run(folder, faces, cooldown=8)
    after = read_config(folder).describe()
    described = after.pop("encoder")
    assert after.pop("encoder_width") == 2
    assert described.pop("seconds") >= 0
    assert described == {
        "width": 2,
        "batch": 4,
        "learning_rate": 1e-3,
        "precision": "fp32",
        "seed": 5,
        "misaligned": False,
        "stretch": 1.15,
        "images": 32,
        "cooldown": 8,
        "faces": 16,
    }
    digest = after["sha256"].pop("encoder")
    assert after == before
    encoder = load_model(folder).encoder
    assert not encoder.training
    with torch.no_grad():
        z = encoder(torch.zeros(2, 4, 64, 64))
    assert z.shape == (2, 100)
    log = [json.loads(line) for line in (folder / "training" / "encoder" / "log.jsonl").read_text().splitlines()]
    assert [line["images"] for line in log] == [8, 16, 24, 32]
    # killed at any time, it goes on to the same weights
    run(copy, faces, images=16, cooldown=0)
    run(copy, faces, cooldown=8)
    assert read_config(copy).sha256["encoder"] == digest


def test_an_encoder_that_came_from_elsewhere_is_not_overwritten(folder, faces):
    run(folder, faces, images=8)
    shutil.rmtree(folder / "training")
    before = read_config(folder)
    with pytest.raises(
        InputError, match=r"expected a model without an encoder, .* got an encoder alone; --from .*model"
    ):
        run(folder, faces, images=16)
    assert read_config(folder) == before
    assert not (folder / "training").exists()


def test_a_run_may_begin_with_an_encoder_for_other_faces(folder, faces):
    run(folder, faces, images=8)
    shutil.rmtree(folder / "training")
    begin = load_model(folder)
    options = {"begin": begin, "images": 4, "device": CPU}
    train_encoder(folder, begin, faces[:8], TINY, **options)
    found = load_model(folder)
    assert found.config.encoder["origin"] == begin.config.sha256["encoder"]
    # one step away, where a fresh one is not, and stretched no further
    for one, other in zip(found.encoder.parameters(), begin.encoder.parameters(), strict=True):
        assert 0 < (one - other).abs().max() < 1.5 * 1.15 * TINY.learning_rate
    # the same again is the same run, and another beginning is none of it
    train_encoder(folder, begin, faces[:8], TINY, **options)
    assert load_model(folder).config.sha256 == found.config.sha256
    with pytest.raises(InputError, match=r"expected the config it was begun with, origin=\w{64}, got origin=None"):
        run(folder, faces[:8], images=16)
    with pytest.raises(InputError, match=r"from: expected an encoder of .*'width': 3}, got one of .*'width': 2}"):
        train_encoder(folder, begin, faces[:8], EncoderConfig(width=3, batch=4), **options)


def test_guesses_are_stretched_when_they_are_written(folder, faces):
    folders = {1.0: folder, 2.0: shutil.copytree(folder, folder.with_name("copy"))}
    guesses = []
    for stretch, place in folders.items():
        train_encoder(place, load_model(place), faces, replace(TINY, stretch=stretch), images=8, device=CPU)
        with torch.no_grad():
            guesses.append(load_model(place).encoder(torch.ones(2, 4, 64, 64)))
    # kept in half precision
    assert_close(guesses[1], 2 * guesses[0], rtol=1e-2, atol=1e-3)
    with pytest.raises(InputError, match="stretch: expected"):
        EncoderConfig(stretch=0.0)


def test_a_run_begins_with_no_encoder_that_is_not_there(folder, faces):
    model = load_model(folder)
    with pytest.raises(InputError, match="from: expected a model with an encoder, got one without"):
        train_encoder(folder, model, faces, TINY, images=4, device=CPU, begin=model)


def test_a_run_does_not_go_on_with_another_generator(folder, faces, generator, discriminator):
    run(folder, faces, images=16)
    generator.layers[0].weight.data += 1
    save_model(folder, generator, discriminator, framing=CELEBA_108, training={})
    with pytest.raises(ModelError, match=r"state\.pt: .* expected a run with this generator, got one with another"):
        run(folder, faces, images=16)
    assert load_model(folder).encoder is None


def test_a_kill_while_it_is_written_leaves_a_model(folder, monkeypatch):
    model, encoder = load_model(folder), DCGANEncoder(width=2)
    save_encoder(folder, model, encoder, training={"width": 2})
    monkeypatch.setattr("faceinpaint_fast.models.hashlib", None)
    with pytest.raises(AttributeError):
        save_encoder(folder, model, DCGANEncoder(width=2), training={"width": 2})
    monkeypatch.undo()
    assert load_model(folder).encoder is None


def test_an_encoder_goes_with_its_generator(folder, generator, discriminator):
    save_encoder(folder, load_model(folder), DCGANEncoder(width=2), training={"width": 2})
    with_encoder = load_model(folder)
    assert with_encoder.encoder is not None
    # saved again, as another model may be: without
    save_model(folder, with_encoder.generator, discriminator, framing=CELEBA_108, training={})
    assert load_model(folder).encoder is None
    generator.layers[0].weight.data += 1
    save_model(folder, generator, discriminator, framing=CELEBA_108, training={})
    with pytest.raises(ModelError, match="expected the generator it was trained for, got another"):
        save_encoder(folder, with_encoder, DCGANEncoder(width=2), training={"width": 2})


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"encoder_width": 0}, "expected sizes between 1 and"),
        ({"encoder_width": None}, "expected sizes between 1 and"),
        ({"encoder_width": 3}, "expected DCGANEncoder's weights"),
        ({"format": 1, "encoder": {}}, "expected a model's description"),
        ({"format": 1, "encoder": {"width": 3}}, "expected DCGANEncoder's weights"),
    ],
)
def test_a_damaged_description_is_refused(folder, encoder, message):
    save_encoder(folder, load_model(folder), DCGANEncoder(width=2), training={"width": 2})
    config = read_config(folder).describe() | encoder
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"width": 4097},
        {"batch": 0},
        {"seed": -1},
        {"learning_rate": 0},
        {"learning_rate": float("inf")},
        {"precision": "fp16"},
    ],
    ids=str,
)
def test_a_config_checks_itself(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: expected"):
        EncoderConfig(**wrong)


def test_fewer_faces_than_a_batch(folder, faces):
    with pytest.raises(InputError, match="data: expected at least one batch, 4 faces, got 3"):
        Amortisation(load_model(folder), faces[:3], TINY, CPU)


def test_misaligned_faces_lie_a_little_otherwise():
    """A cross's arms are turned and moved by no more than is said, each face's by its own draw."""
    side = 64
    away = (torch.arange(side) - 31.5).abs()
    cross = torch.exp(-(torch.minimum(away[:, None], away) ** 2)).expand(40, 1, -1, -1)
    draws = np.random.default_rng(0).uniform(-1, 1, (4, 40))
    found = misaligned(cross, draws)
    assert found.shape == cross.shape
    # where the upright arm is brightest at the top and at the bottom, and the level one in the first column
    tops, bottoms, lefts = found[:, 0, 2].argmax(dim=1), found[:, 0, -3].argmax(dim=1), found[:, 0, :, 2].argmax(dim=1)
    assert len(set(tops.tolist())) > 2
    for places in (tops, bottoms, lefts):
        # 2 pixels of 64, and 30 pixels from the middle 2 degrees are another
        assert ((places - 31.5).abs() <= 2 + 30 * 0.035 + 1).all()
    assert ((tops - bottoms).abs() <= 2 * 30 * 0.035 + 1).all()
    assert torch.equal(found, misaligned(cross, draws))


def test_a_run_may_learn_of_misaligned_faces(folder, faces):
    plain, moved = (
        Amortisation(load_model(folder), faces, EncoderConfig(width=2, batch=4, misaligned=flag), CPU)
        for flag in (False, True)
    )
    one, other = (training._images(np.random.default_rng(1)) for training in (plain, moved))
    assert one.shape == other.shape
    assert 0 < (one - other).abs().mean() < 0.4
