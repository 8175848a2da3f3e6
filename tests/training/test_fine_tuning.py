"""A generator and its encoder that learn together: what they descend, what D sees, and what a run leaves."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.testing import assert_close

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model, read_config, save_encoder, save_model
from faceinpaint_fast.networks.protocols import to_unit, visible
from faceinpaint_fast.training import run as run_module
from faceinpaint_fast.training.encoder import loss_of, random_known
from faceinpaint_fast.training.fine_tuning import PERIOD, FineTuning, FineTuningConfig, fine_tune
from faceinpaint_fast.training.run import batch_of_step

CPU = torch.device("cpu")
TINY = FineTuningConfig(origin="", width=4, batch=4, seed=5)


@pytest.fixture
def folder(tmp_path, generator, discriminator, encoder):
    """A model folder with the tests' small networks, whose encoder's run has stretched it."""
    save_model(tmp_path / "model", generator, discriminator, framing=CELEBA_108, training={"seed": 3})
    save_encoder(tmp_path / "model", load_model(tmp_path / "model"), encoder, training={"stretch": 1.25})
    return tmp_path / "model"


@pytest.fixture
def model(folder):
    return load_model(folder)


def weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def drawn(config, faces):
    """The images and what is known of them in the first step."""
    rng, mine = np.random.default_rng((config.seed, 0, 0)), slice(0, config.batch)
    images = batch_of_step(torch.from_numpy(np.array(faces)), config.seed, 0, config.batch, mine, rng)
    return images, random_known(rng, config.batch, mine, images)


def test_the_loss_is_that_of_the_encoder_s_training_by_networks_as_they_were(model, faces):
    training = FineTuning(model, faces, TINY, CPU)
    images, known = drawn(TINY, faces)
    with torch.no_grad():
        # it normalises by the batch, as in its own training; its guesses are shorter than those of the model
        z = training.encoder(visible(images, known))
        generated = to_unit(model.generator(z))
    assert_close(1.25 * z, model.encoder.train()(visible(images, known)), rtol=1e-3, atol=1e-4)
    loss, loss_d = training.play().tolist()
    assert loss == pytest.approx(loss_of(generated, images, known).mean().item(), rel=1e-4)
    assert loss_d > 0


def test_all_learn_and_the_generator_s_statistics_stay(model, faces):
    training = FineTuning(model, faces, TINY, CPU)
    networks = training.G, training.D, training.encoder
    before, statistics = list(map(weights, networks)), [buffer.clone() for buffer in training.G.buffers()]
    training.play()
    for network, old in zip(networks, before, strict=True):
        assert all((new != was).any() for new, was in zip(network.parameters(), old, strict=True))
    assert all(torch.equal(new, was) for new, was in zip(training.G.buffers(), statistics, strict=True))
    # and the model that it began with is as it was
    for network, old in zip((model.generator, model.discriminator), before, strict=False):
        assert all(torch.equal(new, was) for new, was in zip(network.parameters(), old, strict=True))


def test_without_the_game_d_is_left_alone_and_asked_nothing(model, faces):
    training = FineTuning(model, faces, replace(TINY, game=0.0), CPU)
    asked, before = [], weights(training.D)
    training.D.register_forward_hook(lambda *_: asked.append(1))
    _, loss_d = training.play().tolist()
    assert (loss_d, asked) == (0, [])
    assert all(torch.equal(new, was) for new, was in zip(training.D.parameters(), before, strict=True))


def test_d_sees_what_is_restored_and_now_and_then_what_is_drawn_of_random_codes(model, faces):
    training = FineTuning(model, faces, TINY, CPU)
    codes, made, seen = [], [], []

    def note(_, given, x):
        codes.append(given[0].detach())
        made.append(x.detach())

    training.G.register_forward_hook(note)
    training.D.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    for step in range(PERIOD + 1):
        for each in (codes, made, seen):
            each.clear()
        training.play()
        of_random = step % PERIOD == 0
        assert len(codes) == 1 + of_random
        real, drawn, again = seen
        assert torch.equal(drawn, made[-1])
        assert torch.equal(again, drawn)
        assert not torch.equal(real, drawn)
        if of_random:
            expected = np.random.default_rng((TINY.seed, 0, step))
            batch_of_step(torch.from_numpy(np.array(faces)), TINY.seed, step, 4, slice(0, 4), expected)
            random_known(expected, 4, slice(0, 4), torch.zeros(4, 3, 64, 64))
            assert_allclose(codes[-1], expected.standard_normal((4, 100), dtype=np.float32))


def test_the_game_pulls_g_to_what_d_takes_for_faces(model, faces):
    """A D that does not learn thinks more of what is restored after some steps with it than after as many without."""
    said = {}
    for game in (0.0, 100.0):
        training = FineTuning(model, faces, replace(TINY, game=game, learning_rate=1e-3), CPU)
        training.adam_D.step = lambda: None
        for _ in range(10):
            training.play()
        images, known = drawn(TINY, faces)
        with torch.no_grad():
            said[game] = training.D(training.G(training.encoder(visible(images, known)))).mean().item()
    assert said[100.0] > said[0.0] + 1, said


def test_it_learns_to_restore(model, faces):
    training = FineTuning(model, faces, replace(TINY, game=0.0, learning_rate=1e-3), CPU)
    losses = [training.play()[0].item() for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10]), losses


def run(folder, faces, out, images=16, **options):
    fine_tune(load_model(folder), faces, out, TINY, images=images, device=CPU, checkpoint_minutes=0, **options)


def test_a_run_leaves_a_model_with_its_encoder(folder, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "LOG_EVERY", 2)
    out, killed, before = tmp_path / "out", tmp_path / "killed", read_config(folder).describe()
    run(folder, faces, out, cooldown=8)
    model = load_model(out)
    described = model.config.training
    assert described.pop("seconds") >= 0
    assert described == {
        "origin": "",
        "width": 4,
        "batch": 4,
        "learning_rate": 1e-4,
        "game": 0.03,
        "ema": 0.995,
        "misaligned": False,
        "stretch": 1.15,
        "precision": "fp32",
        "seed": 5,
        "images": 16,
        "cooldown": 8,
        "faces": 16,
        "before": {"seed": 3},
    }
    assert model.config.encoder == {"stretch": 1.15}
    assert model.config.framing == CELEBA_108
    log = [json.loads(line) for line in (out / "training" / "log.jsonl").read_text().splitlines()]
    assert [line["images"] for line in log] == [8, 16]
    # killed at any time, it goes on to the same weights
    run(folder, faces, killed, images=8)
    run(folder, faces, killed, cooldown=8)
    assert read_config(killed).sha256 == model.config.sha256
    assert read_config(folder).describe() == before


def test_what_is_written_are_averages_and_a_stretched_encoder(model, faces, tmp_path):
    training = FineTuning(model, faces, replace(TINY, ema=0.5, learning_rate=0.01), CPU)
    after = []
    for _ in range(2):
        training.play()
        after.append((weights(training.G), weights(training.encoder)))
    training.save(tmp_path / "out", {})
    written = load_model(tmp_path / "out")
    (g1, e1), (g2, e2) = after
    for found, one, two in zip(written.generator.parameters(), g1, g2, strict=True):
        # kept in half precision
        assert_close(found, (one + two) / 2, rtol=1e-2, atol=1e-3)
    last = 1.15 * (e1[-1] + e2[-1]) / 2
    assert_close(list(written.encoder.parameters())[-1], last, rtol=1e-2, atol=1e-3)


def test_a_model_from_elsewhere_is_not_overwritten(folder, faces, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    with pytest.raises(InputError, match="got a model alone"):
        run(folder, faces, other)


def test_a_model_without_an_encoder(model, faces):
    with pytest.raises(InputError, match="expected a model with an encoder, got one without"):
        FineTuning(replace(model, encoder=None), faces, TINY, CPU)


def test_fewer_faces_than_a_batch(model, faces):
    with pytest.raises(InputError, match="data: expected at least one batch, 4 faces, got 3"):
        FineTuning(model, faces[:3], TINY, CPU)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 0},
        {"learning_rate": 0.0},
        {"game": -1},
        {"ema": 1},
        {"stretch": 0},
        {"precision": "fp16"},
        {"seed": -1},
    ],
    ids=str,
)
def test_a_config_checks_itself(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: expected"):
        FineTuningConfig(origin="", width=4, **wrong)
