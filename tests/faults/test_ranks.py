"""Several processes that train together, in float32, and ended one way or another."""

from __future__ import annotations

import json
import os
import signal

import pytest
import torch

from faceinpaint_fast.images import write_image
from faceinpaint_fast.models import load_model
from faceinpaint_fast.training import game
from faceinpaint_fast.training.augmentation import augmented
from tests.training.together import (
    STEPS,
    apart,
    begun_with,
    command_by_two,
    log,
    losses,
    one_line_a_step,
    play,
    run_all,
    run_by_two,
    started_by,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, draw_face, lively):
    folder = begun_with(tmp_path_factory, draw_face, lively)
    for ran in (run_all, run_by_two):
        ran(folder, ["game", "samples"])
    return folder


def test_they_are_as_far_from_one_as_another_order_of_the_same_sums(folder, monkeypatch):
    """Adam and the game make much of little: of a first step's last bits a hundredth comes in 50."""
    # each batch from back to front
    real, latent = game.batch_of_step, game.Game._latent
    monkeypatch.setattr(game, "batch_of_step", lambda *given: real(*given).flip(0))
    monkeypatch.setattr(game.Game, "_latent", lambda *given: latent(*given).flip(0))
    monkeypatch.setattr(game, "augmented", lambda x, draws: augmented(x, draws.flip(0)))
    with one_line_a_step():
        play(folder, folder / "reordered")
    one, two, reordered = (losses(folder / name) for name in ("1/game", "2/game", "reordered"))
    assert one.shape == (STEPS, 2)
    for other in (two, reordered):
        assert apart(other[:1], one[:1]) < 1e-6
    print(f"two processes: {apart(two, one):.1e}, another order: {apart(reordered, one):.1e}")
    assert 0 < apart(two, one) < 5 * apart(reordered, one)


def test_an_encoder_learns_of_the_model_s_samples(folder):
    one, two = (losses(folder / number / "samples") for number in "12")
    assert one.shape == (STEPS, 1)
    assert apart(two[:1], one[:1]) < 1e-6
    assert apart(two, one) < 0.01


def test_the_first_alone_writes(folder):
    """Of two the log has each step once, as of one, and there is one model, one lock that is let go."""
    for name in "12":
        out = folder / name / "game"
        assert [line["images"] for line in log(out)] == list(range(8, 401, 8))
        assert load_model(out).config.training["images"] == 400
        assert {path.name for path in (out / "training").iterdir()} == {"log.jsonl", "state.pt", "samples"}
        assert [path.name for path in (out / "training" / "samples").iterdir()] == ["000000400.png"]


@pytest.fixture
def faces(tmp_path, draw_face):
    for number in range(8):
        write_image(tmp_path / "faces" / f"{number}.png", draw_face(number, 32))


@pytest.mark.usefixtures("faces")
def test_when_the_first_is_killed_the_other_says_so(tmp_path):
    with command_by_two(tmp_path) as (agent, _):
        os.kill(started_by(agent.pid)[0], signal.SIGKILL)
        _, said = agent.communicate(timeout=30)
    assert "faceinpaint: the processes of the training: expected all 2 to go on, one has ended" in said


@pytest.mark.usefixtures("faces")
def test_a_signal_to_any_ends_all_with_one_checkpoint(tmp_path):
    with command_by_two(tmp_path) as (agent, out):
        os.kill(started_by(agent.pid)[1], signal.SIGTERM)
        _, said = agent.communicate(timeout=30)
    assert "training: another process was told to end, a checkpoint is made; the same command goes on" in said
    assert "expected all 2 to go on" not in said
    trained = json.loads((out / "config.json").read_text())["training"]["images"]
    assert 8 * torch.load(out / "training" / "state.pt", weights_only=True)["step"] == trained > 0
