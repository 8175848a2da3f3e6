"""The game of D and G: what it is shown, its losses, its average."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.testing import assert_close

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import CELEBA_148
from faceinpaint_fast.models import load_model, save_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from faceinpaint_fast.training import game as dcgan
from faceinpaint_fast.training import run as run_module
from faceinpaint_fast.training.game import Game, TrainConfig, train

CPU = torch.device("cpu")
TINY = TrainConfig(width=2, batch=4, seed=5)


@pytest.fixture(autouse=True)
def _often_and_little(monkeypatch):
    monkeypatch.setattr(run_module, "LOG_EVERY", 2)
    monkeypatch.setattr(dcgan, "GRID", 2)


def real_batches(faces, config, steps):
    """What D is shown as real in each of so many steps: (steps, batch, 64, 64, 3) uint8."""
    game, shown = Game(faces, config, CPU), []
    game.D.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0].detach().clone()))
    for _ in range(steps):
        game.play()
    # D sees the real faces, the fake ones, and the fake ones again for G's sake
    real = torch.stack(shown[::3]).permute(0, 1, 3, 4, 2)
    return ((real + 1) * 127.5).round().byte().numpy()


def seen(batch, faces):
    """For each face of a batch its number, negative and less by one if mirrored."""
    numbers = []
    for face in batch:
        straight = (faces == face).all(axis=(1, 2, 3))
        mirrored = (faces[:, :, ::-1] == face).all(axis=(1, 2, 3))
        assert straight.sum() + mirrored.sum() == 1
        numbers.append(int(straight.argmax()) if straight.any() else -1 - int(mirrored.argmax()))
    return numbers


def test_an_epoch_shows_every_face_once_in_an_order_of_its_own(faces):
    numbers = np.array([seen(batch, faces) for batch in real_batches(faces, TINY, 8)])
    numbers = np.where(numbers < 0, -1 - numbers, numbers).reshape(2, 16)
    assert_array_equal(np.sort(numbers), [np.arange(16)] * 2)
    assert (numbers[0] != numbers[1]).any()
    assert (numbers[0] != np.arange(16)).any()


def test_about_half_of_the_faces_are_mirrored(faces):
    numbers = np.array([seen(batch, faces) for batch in real_batches(faces, TINY, 32)])
    # 128 tosses of a coin: 64 and a standard deviation of 5.7
    assert 40 < (numbers < 0).sum() < 88


def test_faces_that_fill_no_batch_wait_for_another_epoch(faces):
    numbers = np.array([seen(batch, faces[:6]) for batch in real_batches(faces[:6], TINY, 12)])
    numbers = np.where(numbers < 0, -1 - numbers, numbers)
    assert all(len(set(epoch)) == 4 for epoch in numbers)
    assert set(numbers.ravel()) == set(range(6))


def test_a_step_is_equation_1(faces):
    """The losses of the first step, by the definition, from the networks as they were."""
    game = Game(faces, TINY, CPU)
    inputs, logits = [], []

    def listen(_, given, found):
        inputs.append(given[0].detach().clone())
        logits.append(found.detach().double())

    game.D.register_forward_hook(listen)
    before = [parameter.clone() for parameter in game.D.parameters()]
    loss_d, loss_g = game.play().tolist()
    real, fake, again = (torch.sigmoid(logit) for logit in logits)
    assert loss_d == pytest.approx(-(real.log() + (1 - fake).log()).mean().item(), rel=1e-5)
    # G ascends log D(G(z)), judged by the D that has just learnt
    assert loss_g == pytest.approx(-again.log().mean().item(), rel=1e-5)
    assert_close(inputs[1], inputs[2])
    assert inputs[0].min() >= -1
    assert inputs[0].max() <= 1
    # Adam's first step is the learning rate, whatever the gradient: D learnt once, not from G's loss as well
    steps = torch.cat([(old - new).abs().flatten() for old, new in zip(before, game.D.parameters(), strict=True)])
    assert steps.max().item() == pytest.approx(2e-4, rel=1e-3)


def test_d_learns_to_tell_and_g_to_please(faces):
    """Light faces against a G that starts grey: D's loss falls from 2 log 2, and G's samples grow lighter.

    Of twelve seeds the worst had D's loss down to a fifth of where it was, and samples lighter by 17 grey levels.
    """
    light = np.maximum(faces, 200)
    config = TrainConfig(width=2, batch=4, learning_rate=2e-3, ema=0.5, seed=5)
    game = Game(light, config, CPU)
    grey = game.sample_grid(game.averaged_generator()).mean()
    losses = np.array([game.play().tolist() for _ in range(60)])
    assert losses[0, 0] == pytest.approx(2 * math.log(2), rel=0.1)
    assert losses[10:20, 0].mean() < 0.5 * losses[0, 0]
    assert game.sample_grid(game.averaged_generator()).mean() > grey + 8


def test_the_optimisers_are_the_configs(faces):
    game = Game(faces, TrainConfig(width=2, batch=4, learning_rate=0.01, beta1=0.25), CPU)
    for adam in (game.adam_G, game.adam_D):
        assert {(group["lr"], group["betas"]) for group in adam.param_groups} == {(0.01, (0.25, 0.999))}


def test_the_average_is_the_average(faces):
    """An exponential moving average of G's weights, begun at the weights after the first step."""
    game = Game(faces, TrainConfig(width=2, batch=4, ema=0.75, learning_rate=1e-2), CPU)
    expected = None
    for _ in range(4):
        game.play()
        now = {name: parameter.detach().double().clone() for name, parameter in game.G.named_parameters()}
        expected = now if expected is None else {name: 0.75 * expected[name] + 0.25 * now[name] for name in now}
    averaged = dict(game.averaged_generator().named_parameters())
    for name, parameter in game.G.named_parameters():
        assert_close(averaged[name].double(), expected[name], rtol=1e-5, atol=1e-7)
        assert (averaged[name] - parameter).abs().max() > 1e-3, name


def test_the_averages_batch_statistics_are_its_own(faces, rng):
    """BatchNorm of the averaged weights with the statistics of the raw ones would draw another image."""
    game = Game(faces, TrainConfig(width=2, batch=16, ema=0.9, learning_rate=2e-2), CPU)
    for _ in range(10):
        game.play()
    G = game.averaged_generator()
    assert not G.training
    z = torch.from_numpy(rng.standard_normal((512, 100), dtype=np.float32))
    with torch.no_grad():
        for index in (1, 4, 7, 10):
            normalised = (G.layers[: index + 1](z[:, :, None, None]) - G.layers[index].bias[:, None, None]) / G.layers[
                index
            ].weight[:, None, None]
            # 20 batches of 16 codes estimate them: about 1 / sqrt(320) off
            assert normalised.mean(dim=(0, 2, 3)).abs().max() < 0.25
            assert (normalised.std(dim=(0, 2, 3)) - 1).abs().max() < 0.25


def test_the_sample_grid_shows_the_same_codes_every_time(faces):
    game = Game(faces, TINY, CPU)
    G = game.averaged_generator()
    grid = game.sample_grid(G)
    assert grid.shape == (128, 128, 3)
    assert grid.dtype == np.uint8
    assert_array_equal(grid, game.sample_grid(G))
    z = torch.from_numpy(np.random.default_rng((TINY.seed, 3)).standard_normal((4, 100), dtype=np.float32))
    with torch.no_grad():
        first, second, third, _ = ((G(z).permute(0, 2, 3, 1) + 1) * 127.5).numpy()
    # row by row
    assert_allclose(grid[:64, :64], first, atol=0.51)
    assert_allclose(grid[:64, 64:], second, atol=0.51)
    assert_allclose(grid[64:, :64], third, atol=0.51)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"width": 4097},  # which load_model would refuse
        {"batch": 0},
        {"batch": 2.5},
        {"seed": -1},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"learning_rate": "1"},
        {"beta1": 1.0},
        {"beta1": None},
        {"ema": 1.0},
        {"ema": -0.1},
        {"precision": "fp16"},
        {"precision": []},
    ],
    ids=str,
)
def test_a_config_checks_itself(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: expected"):
        TrainConfig(**wrong)


def test_fewer_faces_than_a_batch(faces):
    with pytest.raises(InputError, match="data: expected at least one batch, 4 faces, got 3"):
        Game(faces[:3], TINY, CPU)


def test_faces_of_another_size_are_refused(faces):
    with pytest.raises(InputError, match="data: expected faces of 32x32 pixels, got 64x64"):
        Game(faces, dataclasses.replace(TINY, size=32), CPU)


def test_a_run_may_begin_with_a_model_s_weights_for_other_faces(faces, tmp_path, lively):
    first = dataclasses.replace(TINY, framing=CELEBA_148)
    G, D = lively(DCGANGenerator(width=2, latent_size=7)), lively(DCGANDiscriminator(width=2))
    save_model(tmp_path / "first", G, D, framing=CELEBA_148, training={})
    begin = load_model(tmp_path / "first")
    options = {"images": 4, "device": CPU, "begin": begin}
    train(faces[:8], tmp_path / "next", first, **options)
    found = load_model(tmp_path / "next")
    assert found.config.training["origin"] == begin.config.sha256["generator"]
    assert found.config.latent_size == 7
    # a step of Adam away, float16 and the average aside; fresh weights are not
    for network in ("generator", "discriminator"):
        pairs = zip(getattr(found, network).parameters(), getattr(begin, network).parameters(), strict=True)
        assert all((one - other).abs().max() < 0.01 for one, other in pairs)
    assert found.config.sha256["discriminator"] != begin.config.sha256["discriminator"]
    # the same again is the same run, and another beginning is none of it
    train(faces[:8], tmp_path / "next", first, **options)
    with pytest.raises(InputError, match=r"expected the config it was begun with, origin=\w{64}, got origin=None"):
        train(faces[:8], tmp_path / "next", first, images=8, device=CPU)
    with pytest.raises(InputError, match=r"from: expected a model of .*'width': 3.*, got one of .*'width': 2"):
        train(faces, tmp_path / "wide", dataclasses.replace(first, width=3), **options)
