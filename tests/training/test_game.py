"""Training: the game, and a run that survives any kill bit for bit."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.testing import assert_close

from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.framing import CELEBA_148
from faceinpaint_fast.images import read_image
from faceinpaint_fast.models import load_model
from faceinpaint_fast.training import game as dcgan
from faceinpaint_fast.training import run as run_module
from faceinpaint_fast.training.game import Game, TrainConfig, train

CPU = torch.device("cpu")
TINY = TrainConfig(width=2, batch=4, seed=5)


@pytest.fixture(autouse=True)
def _often_and_little(monkeypatch):
    monkeypatch.setattr(run_module, "LOG_EVERY", 2)
    monkeypatch.setattr(dcgan, "GRID", 2)


# ----------------------------------------------------------------------------------------------------------- the game


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
        {"batch": 0},
        {"seed": -1},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"beta1": 1.0},
        {"ema": 1.0},
        {"ema": -0.1},
        {"precision": "fp16"},
    ],
    ids=str,
)
def test_a_config_checks_itself(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*: expected"):
        TrainConfig(**wrong)


def test_fewer_faces_than_a_batch(faces):
    with pytest.raises(InputError, match="data: expected at least one batch, 4 faces, got 3"):
        Game(faces[:3], TINY, CPU)


def test_best_precision_of_the_cpu():
    assert run_module.best_precision(CPU) == ("bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32")


# ------------------------------------------------------------------------------------------------------------ the run


def run(faces, out, images=32, config=TINY, **options):
    """Eight steps by default, two epochs: four lines of the log, a checkpoint after each."""
    train(faces, out, config, images=images, device=CPU, **({"checkpoint_minutes": 0} | options))
    return out


def result(out):
    """All that a run leaves behind but the time it took."""
    state = torch.load(out / "training" / "state.pt", weights_only=True)
    state.pop("seconds")
    config = json.loads((out / "config.json").read_text())
    config["training"].pop("seconds")
    return {
        "weights": {path.name: path.read_bytes() for path in out.glob("*.safetensors")},
        "samples": {path.name: path.read_bytes() for path in (out / "training" / "samples").iterdir()},
        "log": [{key: line[key] for key in ("images", "loss_d", "loss_g")} for line in log(out)],
        "config": config,
        "state": state,
    }


def log(out):
    return [json.loads(line) for line in (out / "training" / "log.jsonl").read_text().splitlines()]


def same(one, other):
    """Nested dicts, lists, numbers, bytes and tensors, bit for bit; NaN equals nothing here."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert same(one[key], other[key]), key


@pytest.fixture(scope="module")
def uninterrupted(faces, tmp_path_factory):
    """What a run leaves that nobody stops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "LOG_EVERY", 2)
        patch.setattr(dcgan, "GRID", 2)
        return result(run(faces, tmp_path_factory.mktemp("uninterrupted") / "model"))


class Killed(BaseException):
    """Nothing in the package may catch this."""


def kill_at(images):
    def on_progress(progress):
        if progress.images == images:
            raise Killed

    return on_progress


def test_a_run_leaves_a_model_a_log_and_samples(faces, tmp_path, uninterrupted):
    heard = []
    out = run(faces, tmp_path / "new" / "model", on_progress=heard.append)
    assert_same(result(out), uninterrupted)
    lines = log(out)
    assert [line["images"] for line in lines] == [8, 16, 24, 32]
    assert [{"images": each.images, "seconds": each.seconds} | each.losses for each in heard] == lines
    assert all(0 < line["loss_d"] < 10 and 0 < line["loss_g"] < 10 for line in lines)
    assert all(one["seconds"] < other["seconds"] for one, other in itertools.pairwise(lines))
    assert sorted(path.name for path in (out / "training" / "samples").iterdir()) == [
        f"{images:09d}.png" for images in (8, 16, 24, 32)
    ]
    assert read_image(out / "training" / "samples" / "000000032.png").shape == (128, 128, 3)
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json",
        "discriminator.safetensors",
        "generator.safetensors",
        "training",
    ]
    training = load_model(out).config.training
    assert training.pop("seconds") >= 0
    assert training == {
        "width": 2,
        "batch": 4,
        "learning_rate": 2e-4,
        "beta1": 0.5,
        "ema": 0.999,
        "precision": "fp32",
        "seed": 5,
        "images": 32,
        "cooldown": 0,
        "faces": 16,
    }


def test_a_line_of_the_log_is_the_mean_since_the_line_before(faces, uninterrupted):
    game = Game(faces, TINY, CPU)
    steps = np.array([game.play().tolist() for _ in range(4)])
    for line, pair in zip(uninterrupted["log"], (steps[:2], steps[2:]), strict=False):
        assert_allclose([line["loss_d"], line["loss_g"]], pair.mean(axis=0), rtol=1e-6)


def test_what_is_kept_is_the_averaged_generator(faces, tmp_path):
    game = Game(faces, TINY, CPU)
    for _ in range(8):
        game.play()
    kept = load_model(run(faces, tmp_path / "model", checkpoint_minutes=60))
    for name, tensor in game.averaged_generator().state_dict().items():
        assert_close(kept.generator.state_dict()[name], tensor.half().to(tensor.dtype) if tensor.ndim == 4 else tensor)
    assert not torch.equal(kept.generator.state_dict()["layers.12.bias"], game.G.layers[12].bias)


def test_another_seed_is_another_run(faces, tmp_path, uninterrupted):
    other = result(run(faces, tmp_path / "model", config=TrainConfig(width=2, batch=4, seed=6)))
    assert other["weights"]["generator.safetensors"] != uninterrupted["weights"]["generator.safetensors"]
    assert other["log"] != uninterrupted["log"]


@pytest.mark.parametrize(("seconds", "images"), [(119, [32]), (121, [16, 32])])
def test_checkpoints_come_by_the_clock(faces, tmp_path, monkeypatch, seconds, images):
    """Two minutes have passed, or not quite, when the second line of the log is written."""
    clock = [1000.0]
    monkeypatch.setattr(run_module.time, "monotonic", lambda: clock[0])

    def on_progress(progress):
        if progress.images == 16:
            clock[0] += seconds

    out = run(faces, tmp_path / "model", checkpoint_minutes=2, on_progress=on_progress)
    samples = sorted(path.name for path in (out / "training" / "samples").iterdir())
    assert samples == [f"{count:09d}.png" for count in images]
    assert [line["seconds"] for line in log(out)] == [0, 0, seconds, seconds]


@pytest.mark.parametrize("images", [8, 16, 32])
def test_a_run_that_was_killed_and_resumed_equals_one_that_was_not(faces, tmp_path, uninterrupted, images):
    """on_progress is called when a line of the log is written and its checkpoint is not: the most there is to undo."""
    with pytest.raises(Killed):
        run(faces, tmp_path / "model", on_progress=kill_at(images))
    assert log(tmp_path / "model")[-1]["images"] == images
    assert_same(result(run(faces, tmp_path / "model")), uninterrupted)


def test_a_run_killed_again_and_again(faces, tmp_path, uninterrupted):
    for images in (16, 16, 24):
        with pytest.raises(Killed):
            run(faces, tmp_path / "model", on_progress=kill_at(images))
    assert_same(result(run(faces, tmp_path / "model")), uninterrupted)


@pytest.mark.parametrize(
    ("module", "victim"), [(dcgan, "save_model"), (dcgan, "write_image"), (run_module, "write_atomically")]
)
def test_a_run_killed_while_it_saves(faces, tmp_path, uninterrupted, monkeypatch, module, victim):
    """Before the model is written, before its samples, before the state."""
    saves = []
    original = getattr(module, victim)

    def killed_the_third_time(*args, **options):
        saves.append(args)
        if len(saves) == 3:
            raise Killed
        return original(*args, **options)

    monkeypatch.setattr(module, victim, killed_the_third_time)
    with pytest.raises(Killed):
        run(faces, tmp_path / "model")
    monkeypatch.setattr(module, victim, original)
    assert_same(result(run(faces, tmp_path / "model")), uninterrupted)


@pytest.mark.parametrize("torn", ["{", '{"images": 24, "seconds": 1.0, "loss_d": 1.0, "loss_g": 1.0'])
def test_a_torn_line_of_the_log_is_survived(faces, tmp_path, uninterrupted, torn):
    out = run(faces, tmp_path / "model", images=16)
    with (out / "training" / "log.jsonl").open("a") as file:
        file.write(torn)
    assert_same(result(run(faces, out)), uninterrupted)


def test_a_log_that_is_gone_begins_again(faces, tmp_path, uninterrupted):
    out = run(faces, tmp_path / "model", images=16)
    (out / "training" / "log.jsonl").unlink()
    run(faces, out)
    assert result(out)["log"] == uninterrupted["log"][2:]


def test_seconds_go_on_where_they_stopped(faces, tmp_path):
    out = run(faces, tmp_path / "model", images=16)
    state = torch.load(out / "training" / "state.pt", weights_only=True)
    torch.save(state | {"seconds": 1000.0}, out / "training" / "state.pt")
    run(faces, out, images=24)
    assert 1000 < log(out)[-1]["seconds"] < 1100
    assert 1000 <= load_model(out).config.training["seconds"] < 1100


def test_a_finished_run_may_be_prolonged_and_is_left_alone_otherwise(faces, tmp_path, uninterrupted):
    out = run(faces, tmp_path / "model", images=24)
    before = files(out)
    run(faces, out, images=24)
    run(faces, out, images=1)
    assert files(out) == before
    assert_same(result(run(faces, out)), uninterrupted)


def test_over_the_cooldown_the_learning_rate_falls_to_0(faces, tmp_path, monkeypatch):
    rates, play = [], Game.play
    monkeypatch.setattr(Game, "play", lambda game, rate: rates.append(rate) or play(game, rate))
    out = run(faces, tmp_path / "model", images=40, cooldown=16)
    assert rates == [1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert load_model(out).config.training["cooldown"] == 16
    state = torch.load(out / "training" / "state.pt", weights_only=True)
    for adam in ("adam_G", "adam_D"):
        assert state[adam]["param_groups"][0]["lr"] == 0.25 * state["config"]["learning_rate"]


def test_a_run_may_be_cooled_down_from_any_checkpoint(faces, tmp_path, uninterrupted):
    whole = result(run(faces, tmp_path / "whole", images=40, cooldown=16))
    assert not same(whole["weights"], uninterrupted["weights"])
    out = run(faces, tmp_path / "model", images=16)
    with pytest.raises(Killed):
        run(faces, out, images=40, cooldown=16, on_progress=kill_at(32))
    assert_same(result(run(faces, out, images=40, cooldown=16)), whole)


def test_the_last_batch_is_whole(faces, tmp_path):
    out = run(faces, tmp_path / "model", images=17)
    assert load_model(out).config.training["images"] == 20
    assert [line["images"] for line in log(out)] == [8, 16, 20]


def test_a_log_without_a_checkpoint_belongs_to_a_run_that_is_lost(faces, tmp_path, uninterrupted):
    with pytest.raises(Killed):
        run(faces, tmp_path / "model", on_progress=kill_at(16), checkpoint_minutes=60)
    assert len(log(tmp_path / "model")) == 2
    assert_same(result(run(faces, tmp_path / "model")), uninterrupted)


def files(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_resuming_with_another_config_is_refused(faces, tmp_path):
    out = run(faces, tmp_path / "model", images=16)
    before = files(out)
    for change, message in (
        ({"seed": 6}, "seed=5, got seed=6"),
        ({"width": 3, "seed": 7}, "width=2, seed=5, got width=3, seed=7"),
        ({"framing": CELEBA_148}, "framing=celeba-108, got framing=celeba-148"),
    ):
        with pytest.raises(InputError, match=rf"training: expected the config it was begun with, {message}$"):
            run(faces, out, config=dataclasses.replace(TINY, **change))
    assert files(out) == before


def test_a_run_of_before_there_were_sizes_goes_on(faces, tmp_path, uninterrupted):
    out = run(faces, tmp_path / "model", images=16)
    path = out / "training" / "state.pt"
    state = torch.load(path, weights_only=True)
    del state["config"]["size"], state["config"]["framing"]
    torch.save(state, path)
    found = result(run(faces, out))
    assert_same(found["weights"], uninterrupted["weights"])
    # and no other size or framing
    torch.save(state, path)
    with pytest.raises(InputError, match="framing=celeba-108, got framing=celeba-148"):
        run(faces, out, config=dataclasses.replace(TINY, framing=CELEBA_148))
    with pytest.raises(InputError, match="size=64, got size=32"):
        run(faces[:, ::2, ::2].copy(), out, config=dataclasses.replace(TINY, size=32))


def test_faces_of_another_size_are_refused(faces):
    with pytest.raises(InputError, match="data: expected faces of 32x32 pixels, got 64x64"):
        Game(faces, dataclasses.replace(TINY, size=32), CPU)


class Malicious:
    """Unpickled, this makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_corrupt_state_is_a_model_error_and_is_never_run(faces, tmp_path):
    out = run(faces, tmp_path / "model", images=16)
    path = out / "training" / "state.pt"
    whole, state = path.read_bytes(), torch.load(path, weights_only=True)
    incomplete = {key: value for key, value in state.items() if key != "adam_D"}
    resized = state | {"G": {key: value[:1] for key, value in state["G"].items() if value.ndim}}
    evil = state | {"more": Malicious(tmp_path / "executed")}
    for broken in (b"", b"state", whole[: len(whole) // 2], {}, [1], incomplete, resized, evil):
        if isinstance(broken, bytes):
            path.write_bytes(broken)
        else:
            torch.save(broken, path)
        before = files(out)
        with pytest.raises(ModelError, match=r"state\.pt: expected the state of a training run, got: "):
            run(faces, out)
        assert files(out) == before
    assert not (tmp_path / "executed").exists()


def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(faces, tmp_path, monkeypatch):
    out = run(faces, tmp_path / "model", images=16)
    before = files(out)
    play = Game.play
    monkeypatch.setattr(Game, "play", lambda game, rate: play(game, rate) + (math.nan if game.step == 5 else 0))
    with pytest.raises(ModelError, match=r"expected finite losses, got .*nan.*the last checkpoint is kept"):
        run(faces, out)
    assert files(out) == before


def test_weights_that_are_not_finite_are_no_checkpoint(faces, tmp_path, monkeypatch):
    """The loss of a step is that of the weights before it: it may be the last one that is finite."""
    out = run(faces, tmp_path / "model", images=16)
    before = files(out)
    play = Game.play

    def explode(game, rate):
        losses = play(game, rate)
        if game.step == 6:
            next(game.D.parameters()).data.fill_(math.inf)
        return losses

    monkeypatch.setattr(Game, "play", explode)
    with pytest.raises(ModelError, match="expected a discriminator with finite weights"):
        run(faces, out)
    log_line = Path("training/log.jsonl")
    assert {name: data for name, data in files(out).items() if name != log_line} == {
        name: data for name, data in before.items() if name != log_line
    }


def test_a_run_that_diverges_says_so(faces, tmp_path):
    wild = TrainConfig(width=2, batch=4, learning_rate=1e30)
    with pytest.raises(ModelError, match="finite"):
        run(faces, tmp_path / "model", config=wild)
    assert not (tmp_path / "model" / "config.json").exists()


def test_bf16_runs(faces, tmp_path, uninterrupted):
    config = TrainConfig(width=2, batch=4, seed=5, precision="bf16")
    out = run(faces, tmp_path / "model", config=config)
    lines = result(out)["log"]
    assert lines != uninterrupted["log"]
    # eight bits of mantissa, in the first line where the runs have not yet drifted apart
    for name in ("loss_d", "loss_g"):
        assert lines[0][name] == pytest.approx(uninterrupted["log"][0][name], rel=0.02)
    assert all(tensor.dtype != torch.bfloat16 for tensor in load_model(out).generator.state_dict().values())


FOREVER = """
import sys
from pathlib import Path
import numpy as np, torch
from faceinpaint_fast.training import game as dcgan
from faceinpaint_fast.training import run as run_module

torch.set_num_threads(1)
run_module.LOG_EVERY, dcgan.GRID = 2, 2
config = dcgan.TrainConfig(width=2, batch=4, seed=5)
dcgan.train(
    np.load(sys.argv[1]), Path(sys.argv[2]), config, images=10**9, device=torch.device("cpu"), checkpoint_minutes=0
)
"""


def test_a_run_survives_sigkill(faces, tmp_path):
    """The real thing: another process, killed at a moment that nobody chose."""
    np.save(tmp_path / "faces.npy", faces)
    out = tmp_path / "model"
    with subprocess.Popen([sys.executable, "-c", FOREVER, str(tmp_path / "faces.npy"), str(out)]) as process:
        try:
            deadline = time.monotonic() + 120
            while not (out / "training" / "samples" / "000000016.png").exists():
                assert process.poll() is None, "the run ended by itself"
                assert time.monotonic() < deadline, "the run does not get on"
                time.sleep(0.01)
        finally:
            process.kill()
    assert process.returncode == -9
    reached = 4 * torch.load(out / "training" / "state.pt", weights_only=True)["step"]
    assert reached >= 8
    images = reached + 16
    assert_same(result(run(faces, out, images)), result(run(faces, tmp_path / "whole", images)))
