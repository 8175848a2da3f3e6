"""A training run: its log, its checkpoints, and that it survives any kill bit for bit."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
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


def test_best_precision_of_the_cpu():
    assert run_module.best_precision(CPU) == ("bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32")


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
        "augment": False,
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
    run(faces, out, images=21)
    assert files(out) == before
    assert_same(result(run(faces, out)), uninterrupted)


def test_a_finished_run_that_is_asked_for_something_else_says_what_differs(faces, tmp_path):
    out = run(faces, tmp_path / "model", images=24)
    before = files(out)
    for asked, change, message in (
        (
            faces[:15],
            {},
            r"training: expected the faces it was begun with, 16 with SHA-256 \w{64}, got 15 with SHA-256",
        ),
        (faces[::-1], {}, r"expected the faces it was begun with, 16 with SHA-256 \w{64}, got 16 with SHA-256"),
        (faces, {"images": 20}, r"^images: expected at least the 24 that .*training has seen, got 20$"),
        (faces, {"cooldown": 8}, r"^cooldown: expected 0, as the run in .*training ended, or more images, got 8$"),
    ):
        with pytest.raises(InputError, match=message):
            run(asked, out, **({"images": 24} | change))
    # nor does an unfinished one go on with other faces
    with pytest.raises(InputError, match="expected the faces it was begun with"):
        run(faces[:15], out, images=32)
    assert files(out) == before


def test_a_state_of_before_it_said_as_much_goes_on(faces, tmp_path, uninterrupted):
    out = run(faces, tmp_path / "model", images=16)
    path = out / "training" / "state.pt"
    state = torch.load(path, weights_only=True)
    for name in ("faces", "cooldown", "since", "losses"):
        del state[name]
    torch.save(state, path)
    assert_same(result(run(faces, out)), uninterrupted)


@pytest.mark.parametrize("images", [4, 12, 28])
def test_a_run_that_is_stopped_between_steps_goes_on_as_if_it_had_not_been(faces, tmp_path, uninterrupted, images):
    """It makes a checkpoint there, in the middle of a line of the log."""
    seen = []
    out = run(faces, tmp_path / "model", checkpoint_minutes=60, on_step=seen.append, stopped=lambda: seen[-1] == images)
    assert seen[-1] == images
    assert load_model(out).config.training["images"] == images
    assert [line["images"] for line in run_module.log_lines(out / "training" / "log.jsonl")] == list(
        range(8, images, 8)
    )
    run(faces, out, on_step=seen.append)
    assert seen == list(range(4, 33, 4))
    found = result(out)
    assert_same(
        {name: found[name] for name in ("weights", "log", "config", "state")},
        {name: uninterrupted[name] for name in ("weights", "log", "config", "state")},
    )


def test_a_model_that_came_from_elsewhere_is_not_overwritten(faces, tmp_path):
    out = run(faces, tmp_path / "model", images=16)
    shutil.rmtree(out / "training")
    before = files(out)
    with pytest.raises(InputError, match=r"model: expected a folder without a model, .* got a model alone; --from "):
        run(faces, out, images=24)
    assert files(out) == before
    assert not (out / "training").exists()


def test_a_run_that_is_killed_at_its_first_checkpoint_goes_on(faces, tmp_path, uninterrupted, monkeypatch):
    """The model is there by then, and of this run."""

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(dcgan, "write_image", killed)
        with pytest.raises(Killed):
            run(faces, tmp_path / "model")
    assert (tmp_path / "model" / "config.json").exists()
    assert_same(result(run(faces, tmp_path / "model")), uninterrupted)


def test_one_process_at_a_time_has_a_run(faces, tmp_path, uninterrupted):
    def intrude(_):
        with pytest.raises(InputError, match=rf"model/training: expected .* held by process {os.getpid()} on "):
            run(faces, tmp_path / "model")

    run(faces, tmp_path / "model", on_progress=intrude)
    assert_same(result(tmp_path / "model"), uninterrupted)
    assert not (tmp_path / "model" / "training" / "lock").exists()


def test_what_a_killed_writer_left_is_swept(faces, tmp_path):
    out = tmp_path / "model"
    places = [out, out / "training", out / "training" / "samples"]
    for place in places:
        place.mkdir(exist_ok=True)
        (place / ".config.json.123.partial").touch()
        (place / "mine.partial").touch()
    run(faces, out, images=4)
    assert [[path.name for path in place.glob("*.partial")] for place in places] == [["mine.partial"]] * 3


@pytest.fixture
def hardly_any_room():
    """No file grows beyond a few bytes: the system refuses to write, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextmanager
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def test_what_the_system_says_of_a_full_disk_is_told(faces, tmp_path, hardly_any_room):
    """torch hides it: unexpected pos 64 vs 0."""
    with hardly_any_room(), pytest.raises(OSError, match=r"File too large: '.*new/training/state\.pt'"):
        run(faces, tmp_path / "new")
    assert files(tmp_path / "new") == {}
    out = run(faces, tmp_path / "model", images=16)
    before = files(out)
    with hardly_any_room(), pytest.raises(OSError, match=r"File too large: '.*model/generator\.safetensors'"):
        run(faces, out)
    found = files(out)
    assert found.pop(Path("training/log.jsonl")).startswith(before.pop(Path("training/log.jsonl")))
    assert found == before


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


@pytest.mark.parametrize(
    "wrong", [{"images": 0}, {"images": 1.5}, {"cooldown": -1}, {"checkpoint_minutes": float("nan")}], ids=str
)
def test_what_is_asked_of_a_run_is_checked_before_anything_is_written(faces, tmp_path, wrong):
    """With NaN minutes between checkpoints there would never be one."""
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: expected"):
        run(faces, tmp_path / "model", **wrong)
    assert not (tmp_path / "model").exists()


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
