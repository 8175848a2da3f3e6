"""Commands that make a model and measure it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from rich.console import Console

from faceinpaint_fast import masks
from faceinpaint_fast.cli import judge, train
from faceinpaint_fast.evaluation import protocol
from faceinpaint_fast.faces import load_faces
from faceinpaint_fast.framing import CELEBA_108, CELEBA_148
from faceinpaint_fast.images import read_image, write_image
from faceinpaint_fast.models import load_model, read_config, save_encoder, save_measured, save_model
from faceinpaint_fast.networks.dcgan import DCGANEncoder
from faceinpaint_fast.training import calibration, encoder, fine_tuning, frechet, run
from faceinpaint_fast.training import game as dcgan

BOUNDS = {"s_min": 0.1, "s_max": 0.8, "c_min": 700.0, "c_max": 5000.0}
TINY = ["--width", "2", "--batch", "4", "--device", "cpu"]


def test_train_then_calibrate_then_inpaint(
    faceinpaint, refused, faces, taken, picture, face, tmp_path, out, monkeypatch, restored
):
    monkeypatch.setattr(dcgan, "GRID", 2)
    model = tmp_path / "new" / "model"
    status, said, err = faceinpaint("train", faces, "--out", model, *TINY, "--images", 16, "--precision", "fp32")
    log = f"faceinpaint: {model}/training/log.jsonl: the losses, a line every 50 steps\n"
    shown = r"faceinpaint: training 100\.0 %, \d+ images/s  loss_d \d\.\d+  loss_g \d\.\d+, 0:00:00 left\n"
    assert status == 0
    assert re.fullmatch(re.escape(taken + log) + shown, err)
    assert said.startswith(f"{model}: a model that has seen 16 images")
    training = load_model(model).config.training
    assert {key: training[key] for key in ("width", "batch", "images", "faces", "precision")} == {
        "width": 2,
        "batch": 4,
        "images": 16,
        "faces": 8,
        "precision": "fp32",
    }
    # the samples are of noise that has hardly learnt anything; that a seed decides is shown in test_training.py
    assert len(list((model / "training" / "samples").iterdir())) == 1

    err = refused("train", faces, "--out", model, *TINY, "--width", 3, "--images", 24, "--precision", "fp32")
    assert "expected the config it was begun with" in err

    plot = tmp_path / "plots" / "fig4.png"
    status, said, err = faceinpaint("calibrate", model, faces, "--images", 3, "--samples", 5, "--plot", plot)
    assert (status, err) == (0, taken)
    described = json.loads(said)
    assert (described["images"], described["samples"]) == (3, 5)
    assert read_config(model).calibration == described
    assert load_model(model).config.normalization.c_max == described["c_max"]
    assert read_image(plot).shape == (450, 1100, 3)

    status, _, err = faceinpaint("inpaint", picture, "centre", "-o", out, "--model", model, "--iterations", 2)
    assert (status, err) == (0, "")
    assert_array_equal(read_image(out), restored(model, face, masks.centre((64, 64)), iterations=2).image)

    status, _, _ = faceinpaint("train", faces, "--out", model, *TINY, "--images", 24, "--precision", "fp32")
    assert status == 0
    assert load_model(model).config.normalization is None
    assert load_model(model).config.training["images"] == 24


def test_train_shows_how_fast_it_is_and_how_long_it_takes(faceinpaint, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(dcgan, "GRID", 2)
    monkeypatch.setattr(run, "LOG_EVERY", 1)
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "120")
    status, _, err = faceinpaint("train", faces, "--out", tmp_path / "model", *TINY, "--images", 12)
    assert status == 0
    assert "images/s" in err
    assert "12/12" in err
    assert "0:00:00" in err


def test_train_takes_what_the_device_has(faceinpaint, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(dcgan, "GRID", 2)
    for best in ("fp32", "bf16"):
        monkeypatch.setattr(run, "best_precision", lambda _, best=best: best)
        assert faceinpaint("train", faces, "--out", tmp_path / best, *TINY, "--images", 4)[0] == 0
        assert load_model(tmp_path / best).config.training["precision"] == best


def test_train_passes_every_option_on(faceinpaint, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(dcgan, "train", lambda *args, **options: calls.append((args, options)))
    write_image(tmp_path / "large" / "a.png", np.zeros((218, 178, 3), np.uint8))
    write_image(tmp_path / "large" / "b.png", np.zeros((32, 32, 3), np.uint8))
    status, _, err = faceinpaint(
        *("train", tmp_path / "large", "--out", tmp_path / "model", "--images", 100, "--width", 3, "--batch", 5),
        *("--learning-rate", 0.01, "--ema", 0.5, "--precision", "bf16", "--checkpoint-minutes", 7),
        *("--size", 32, "--crop", "celeba-148", "--seed", 9, "--device", "cpu"),
    )
    done = "178x218 pixels, of which the square of 148 pixels at (15, 35) is drawn with 32x32"
    assert (status, err) == (0, f"faceinpaint: {tmp_path}/large/a.png: {done}\n")
    ((given, out, config), options) = calls[0]
    assert given.shape == (2, 32, 32, 3)
    assert out == tmp_path / "model"
    assert config == dcgan.TrainConfig(
        size=32, framing=CELEBA_148, width=3, batch=5, learning_rate=0.01, ema=0.5, precision="bf16", seed=9
    )
    assert (options["images"], options["checkpoint_minutes"], options["device"].type) == (100, 7.0, "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "9"], "data: expected at least one batch, 9 faces, got 8"),
        (["--width", "5000"], "width: expected an integer >= 1 and <= 4096, got 5000"),
        (["--learning-rate", "inf"], "learning_rate: expected a finite number > 0, got inf"),
        (["--checkpoint-minutes", "nan"], "'--checkpoint-minutes'"),
        (["--ema", "1"], "ema: expected a number >= 0, < 1, got 1.0"),
        (["--precision", "fp16"], "precision: expected one of ('fp32', 'bf16'), got 'fp16'"),
        (["--crop", "65"], "crop: expected celeba-108, celeba-148 or x,y,side in pixels, got '65'"),
        (["--size", "128"], "0.png: expected 128x128 pixels, or 108x108 or 178x218 to be cut to celeba-108, got 64x64"),
        (["--size", "48"], "size: expected one of 32, 64, 128, 256, got 48"),
        (["--device", "gpu"], "device: expected auto or a device at hand"),
    ],
)
def test_train_refuses_what_does_not_fit(refused, faces, tmp_path, options, message):
    assert message in refused("train", faces, "--out", tmp_path / "model", *TINY, "--images", "8", *options)


def test_train_calibrate_and_frechet_refuse_data_that_are_none(refused, model, faces, tmp_path):
    (tmp_path / "empty").mkdir()
    (faces / "3.png").write_bytes(b"broken")
    for source, message in (
        (tmp_path / "nowhere", "nowhere: expected a folder of images, an image or a whole tar file"),
        (tmp_path / "empty", "data: expected images in"),
        (faces, "3.png: expected an image file"),
    ):
        assert message in refused("train", source, "--out", tmp_path / "new", *TINY)
        assert message in refused("calibrate", model, source)
        assert message in refused("frechet", model, source)


@pytest.mark.parametrize("command", ["train", "train-encoder", "fine-tune", "calibrate", "frechet", "evaluate"])
def test_every_reader_of_faces_skips_what_fails_if_asked(
    faceinpaint, refused, faces, model, tmp_path, monkeypatch, command
):
    """All that fail are told at once; warnings of metadata as remarks."""
    given, found = [], SimpleNamespace(describe=dict)

    def remember(data, answer=None):
        given.append(data)
        return answer

    monkeypatch.setattr(dcgan, "train", lambda data, *_, **__: remember(data))
    monkeypatch.setattr(encoder, "train_encoder", lambda _, __, data, *___, **____: remember(data))
    monkeypatch.setattr(fine_tuning, "fine_tune", lambda _, data, *__, **___: remember(data))
    monkeypatch.setattr(calibration, "calibrate", lambda _, data, **__: remember(data, found))
    monkeypatch.setattr(frechet, "frechet", lambda _, data, **__: remember(data, {}))
    monkeypatch.setattr(protocol, "evaluate", lambda _, __, data, *___, **____: remember(data["faces"]))
    monkeypatch.setattr(judge, "_report", lambda *_, **__: None)
    for name in ("3.png", "5.png"):
        (faces / name).write_bytes(b"broken")
    (faces / "notes.txt").write_text("words")
    image = Image.open(faces / "1.png")
    image.save(faces / "1.webp", lossless=True, exif=b"no EXIF")
    (faces / "1.png").unlink()
    line = {
        "train": [faces, "--out", tmp_path / "new"],
        "fine-tune": [model, faces, "--out", tmp_path / "new"],
        "evaluate": [faces, "--out", tmp_path / "out", "--model", model, "--methods", "harmonic"],
    }.get(command, [model, faces])
    message = refused(command, *line)
    assert "got 2 that fail: " in message
    assert "3.png: expected an image file" in message
    assert "5.png: expected an image file" in message
    status, _, err = faceinpaint(command, *line, "--on-error", "skip")
    assert status == 0
    assert len(given[0]) == 6
    assert f"faceinpaint: skipped 2 pictures: {faces}/3.png: " in err
    assert "faceinpaint: passed over, since no pictures: 1 .txt\n" in err
    assert f"faceinpaint: {faces}/1.webp: its EXIF cannot be read" in err


def test_train_on_a_full_disk_is_one_line(faceinpaint, faces, taken, tmp_path, monkeypatch):
    def no_space(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    status, out, err = faceinpaint("train", faces, "--out", tmp_path / "model", *TINY, "--images", 4)
    assert (status, out) == (2, "")
    assert err.startswith(taken)
    assert "No space left on device" in err
    assert err.count("\n") == 2


def test_calibrate_refuses_weights_that_were_replaced_meanwhile(faceinpaint, faces, model, discriminator, monkeypatch):
    """A training run that goes on in the same folder."""

    def replace_then_calibrate(generator, *args, **options):
        found = calibrate(generator, *args, **options)
        generator.layers[12].bias.data += 1
        save_model(model, generator, discriminator, framing=CELEBA_108, training={})
        return found

    calibrate = calibration.calibrate
    monkeypatch.setattr(calibration, "calibrate", replace_then_calibrate)
    status, said, err = faceinpaint("calibrate", model, faces, "--samples", "3")
    assert status == 2
    # what was found of the old ones is shown all the same
    assert json.loads(said)["samples"] == 3
    assert "expected the weights that were measured" in err
    assert load_model(model).config.normalization is None


@pytest.mark.parametrize("command", ["calibrate", "train"])
def test_a_plot_without_matplotlib(refused, faces, model, tmp_path, monkeypatch, command):
    monkeypatch.setattr(train, "find_spec", lambda _: None)
    line = {"calibrate": [model, faces], "train": [faces, "--out", tmp_path / "new", *TINY]}[command]
    err = refused(command, *line, "--plot", tmp_path / "a.png")
    assert "expected matplotlib" in err
    assert "faceinpaint_fast[plots]" in err


@pytest.mark.parametrize("with_faces", [True, False], ids=["faces", "samples"])
def test_train_encoder_gives_a_model_its_guess(faceinpaint, faces, taken, model, with_faces):
    assert load_model(model).encoder is None
    line = ["train-encoder", model, *([faces] if with_faces else []), "--images", 8, "--batch", 4, "--width", 2]
    status, said, err = faceinpaint(*line)
    assert status == 0
    assert err.startswith((taken if with_faces else "") + f"faceinpaint: {model}/training/encoder/log.jsonl: ")
    assert said == f"{model}: with an encoder that has seen 8 images\n"
    assert load_model(model).encoder is not None
    described = read_config(model).encoder
    assert (described["images"], described["cooldown"]) == (8, 4)
    assert (described["faces"] is not None) == with_faces


def test_train_encoder_passes_every_option_on(faceinpaint, faces, model, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(encoder, "train_encoder", lambda *args, **options: calls.append((args, options)))
    write_image(tmp_path / "large" / "a.png", np.zeros((80, 120, 3), np.uint8))
    status, _, _ = faceinpaint(
        *("train-encoder", model, faces, tmp_path / "large", "--images", 100, "--width", 3, "--batch", 5, "--seed", 9),
        *("--learning-rate", 0.01, "--precision", "bf16", "--checkpoint-minutes", 7, "--cooldown", 40),
        *("--size", 64, "--crop", "1,0,80", "--device", "cpu"),
    )
    assert status == 0
    ((folder, loaded, shown, config), options) = calls[0]
    assert folder == model
    assert loaded.config == read_config(model)
    assert shown.shape == (9, 64, 64, 3)
    assert config == encoder.EncoderConfig(width=3, batch=5, learning_rate=0.01, precision="bf16", seed=9)
    assert all(callable(options.pop(name)) for name in ("on_progress", "on_step", "stopped"))
    assert options == {
        "begin": None,
        "images": 100,
        "cooldown": 40,
        "device": torch.device("cpu"),
        "checkpoint_minutes": 7,
    }


def test_fine_tune_makes_a_model_of_a_model(faceinpaint, refused, faces, taken, model, tmp_path):
    new, line = tmp_path / "new", ["--images", 8, "--batch", 4, "--device", "cpu", "--precision", "fp32"]
    assert "expected a model with an encoder, got one without" in refused(
        "fine-tune", model, faces, "--out", new, *line
    )
    save_encoder(model, load_model(model), DCGANEncoder(width=2), training={})
    assert "got a model alone; --from" in refused("fine-tune", model, faces, "--out", model, *line)
    status, said, err = faceinpaint("fine-tune", model, faces, "--out", new, *line)
    assert status == 0, err
    assert taken in err
    assert said == f"{new}: a model that has seen 8 images; next: faceinpaint calibrate {new} HELD_OUT\n"
    described, given = read_config(new), read_config(model)
    assert (described.training["images"], described.training["cooldown"]) == (8, 4)
    assert described.training["origin"] == given.sha256["generator"]
    assert not set(given.sha256.values()) & set(load_model(new).config.sha256.values())


def test_fine_tune_passes_every_option_on(faceinpaint, faces, model, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(fine_tuning, "fine_tune", lambda *args, **options: calls.append((args, options)))
    status, _, _ = faceinpaint(
        *("fine-tune", model, faces, "--out", tmp_path / "new", "--images", 100, "--cooldown", 0, "--batch", 5),
        *("--learning-rate", 0.01, "--game", 0.5, "--ema", 0.9, "--precision", "bf16", "--misaligned", "--seed", 9),
        *("--checkpoint-minutes", 7, "--device", "cpu"),
    )
    assert status == 0
    ((begin, shown, out, config), options) = calls[0]
    assert begin.config == read_config(model)
    assert (shown.shape, out) == ((8, 64, 64, 3), tmp_path / "new")
    asked = {"batch": 5, "learning_rate": 0.01, "game": 0.5, "ema": 0.9, "precision": "bf16", "misaligned": True}
    begun = {"origin": begin.config.sha256["generator"], "width": 4}
    assert config == fine_tuning.FineTuningConfig(**begun, **asked, seed=9)
    assert all(callable(options.pop(name)) for name in ("on_progress", "on_step", "stopped"))
    assert options == {"images": 100, "cooldown": 0, "device": torch.device("cpu"), "checkpoint_minutes": 7}


def test_train_draws_its_losses_now_and_whenever_it_is_asked(faceinpaint, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(dcgan, "GRID", 2)
    monkeypatch.setattr(run, "LOG_EVERY", 1)
    plot = tmp_path / "plots" / "losses.png"
    line = ["train", faces, "--out", tmp_path / "model", *TINY, "--plot", plot, "--images"]
    assert faceinpaint(*line, 12)[0] == 0
    short = read_image(plot)
    plot.unlink()
    assert faceinpaint(*line, 12)[0] == 0
    assert_array_equal(read_image(plot), short)
    assert faceinpaint(*line, 24)[0] == 0
    assert (read_image(plot) != short).any()


def test_frechet_is_kept_beside_what_calibration_found(faceinpaint, faces, taken, model, monkeypatch):
    monkeypatch.setattr(frechet, "LEAST", 3)
    assert faceinpaint("calibrate", model, faces, "--samples", 3)[0] == 0
    before = read_config(model)
    line = ["frechet", model, faces, "--images", 6, "--samples", 7, "--seed", 4, "--device", "cpu"]
    status, said, err = faceinpaint(*line)
    assert (status, err) == (0, taken)
    found = json.loads(said)
    assert read_config(model) == dataclasses.replace(before, frechet=found)
    loaded, cropped = load_model(model), load_faces([faces], size=64, framing=CELEBA_108, limit=6)
    assert found == frechet.frechet(loaded.generator, cropped, samples=7, seed=4, device=torch.device("cpu"))
    assert faceinpaint("calibrate", model, faces, "--samples", 3)[0] == 0
    assert read_config(model) == dataclasses.replace(before, frechet=found)


def test_what_another_command_finds_out_meanwhile_is_kept(faceinpaint, faces, model, monkeypatch):
    def measure(*_, **__):
        save_measured(model, load_model(model), "calibration", BOUNDS)
        return {"hog": 0.5}

    monkeypatch.setattr(frechet, "frechet", measure)
    assert faceinpaint("frechet", model, faces)[0] == 0
    assert read_config(model).calibration == BOUNDS
    assert read_config(model).frechet == {"hog": 0.5}


def test_frechet_takes_all_faces_by_default(faceinpaint, faces, model, monkeypatch):
    monkeypatch.setattr(frechet, "LEAST", 3)
    assert json.loads(faceinpaint("frechet", model, faces, "--samples", 4)[1])["images"] == 8


def test_frechet_refuses_too_few_faces(refused, faces, model):
    assert "expected >= 386 faces and >= 193 samples, got 8 and 10000" in refused("frechet", model, faces)


@pytest.mark.parametrize("command", ["train-encoder", "calibrate", "frechet"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "32"], "--size: expected the model's, 64, got 32"),
        (["--crop", "celeba-148"], "--crop: expected the model's, celeba-108, or x,y,side, got celeba-148"),
        (["--crop", "face"], "crop: expected celeba-108, celeba-148 or x,y,side in pixels, got 'face'"),
        ([], "0.png: expected 64x64 pixels, or 108x108 or 178x218 to be cut to celeba-108, got 100x90"),
        (
            ["--crop", "0,0,91"],
            "0.png: expected 64x64 pixels, or 91x91 or at least 91x91 to be cut to 0,0,91, got 100x90",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_refused(refused, model, tmp_path, command, options, message):
    write_image(tmp_path / "odd" / "0.png", np.zeros((90, 100, 3), np.uint8))
    assert message in refused(command, model, tmp_path / "odd", *options)


def test_pictures_are_cut_to_the_model_s_framing(faceinpaint, celeba, model, monkeypatch):
    given = []
    measured = SimpleNamespace(describe=lambda: BOUNDS)
    monkeypatch.setattr(calibration, "calibrate", lambda _, faces, **__: given.append(faces) or measured)
    status, _, err = faceinpaint("calibrate", model, celeba)
    done = "178x218 pixels, of which the square of 108 pixels at (35, 55) is drawn with 64x64"
    assert (status, err) == (0, f"faceinpaint: {celeba}/0.png: {done}\n")
    assert faceinpaint("calibrate", model, celeba, "--size", 64, "--crop", "celeba-108")[0] == 0
    assert faceinpaint("calibrate", model, celeba, "--crop", "35,55,108")[0] == 0
    assert given[0].shape == (2, 64, 64, 3)
    assert_array_equal(given[0], given[1])
    assert_array_equal(given[0], given[2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_signal_makes_a_checkpoint_and_the_same_command_goes_on(faceinpaint, faces, tmp_path, monkeypatch, number):
    monkeypatch.setattr(dcgan, "GRID", 2)
    line = ["train", faces, "--out", tmp_path / "model", *TINY, "--images", 20, "--precision", "fp32"]
    play = dcgan.Game.play

    def interrupted(game, rate):
        if game.step == 2:
            os.kill(os.getpid(), number)
        return play(game, rate)

    with monkeypatch.context() as patch:
        patch.setattr(dcgan.Game, "play", interrupted)
        status, said, err = faceinpaint(*line)
    assert (status, said) == (128 + number, "")
    left = f"{tmp_path}/model/training: {number.name}, a checkpoint is made; the same command goes on"
    assert f"faceinpaint: {left}\n" in err
    assert "training 60.0 %" in err
    assert load_model(tmp_path / "model").config.training["images"] == 12
    assert faceinpaint(*line)[0] == 0
    assert load_model(tmp_path / "model").config.training["images"] == 20


def test_a_signal_while_faces_are_read_ends_it_at_once(faceinpaint, faces, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("faceinpaint_fast.faces.read_image", interrupted)
    assert faceinpaint("train", faces, "--out", tmp_path / "model", *TINY)[0] == 143
    assert faceinpaint("train-encoder", tmp_path / "model", faces)[0] == 2


def test_a_model_that_was_handed_over_is_kept_and_a_new_run_begins_with_it(
    refused, faceinpaint, faces, model, tmp_path
):
    new = tmp_path / "new" / "model"
    # before any face is read
    assert "got a model alone; --from" in refused("train", tmp_path / "nowhere", "--out", model)
    assert "got a model alone; --from" in refused("train", faces, "--out", model, "--width", 4, "--batch", 4)
    for asked, message in (
        (["--width", 3], "--width: expected that of --from, 4, got 3"),
        (["--size", 32], "--size: expected the model's, 64, got 32"),
        (["--crop", "celeba-148"], "--crop: expected the model's, celeba-108, or x,y,side, got celeba-148"),
    ):
        assert message in refused("train", faces, "--out", new, "--from", model, *asked)
    line = [faces, "--batch", 4, "--images", 8, "--device", "cpu"]
    assert faceinpaint("train", *line, "--out", new, "--from", model)[0] == 0
    made, given = read_config(new), read_config(model)
    assert (made.width, made.training["origin"]) == (4, given.sha256["generator"])
    # an encoder likewise, which lies in its model's folder
    assert faceinpaint("train-encoder", new, *line, "--width", 2)[0] == 0
    shutil.rmtree(new / "training" / "encoder")
    assert "got an encoder alone; --from" in refused("train-encoder", new, *line)
    assert "--width: expected that of --from, 2, got 3" in refused(
        "train-encoder", new, *line, "--from", new, "--width", 3
    )
    before = read_config(new)
    assert faceinpaint("train-encoder", new, *line, "--from", new)[0] == 0
    after = read_config(new)
    assert (after.encoder_width, after.encoder["origin"]) == (2, before.sha256["encoder"])


@pytest.mark.parametrize("command", ["calibrate", "frechet"])
def test_a_model_that_cannot_be_written_to_is_measured(faceinpaint, faces, taken, model, monkeypatch, command):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(frechet, "LEAST", 3)
    monkeypatch.setattr("faceinpaint_fast.files.check_place", refuse)
    monkeypatch.setattr("faceinpaint_fast.models.write_atomically", refuse)
    before = read_config(model)
    status, said, err = faceinpaint(command, model, faces, "--samples", 3)
    assert status == 0
    assert json.loads(said)["samples"] == 3
    assert err == f"{taken}faceinpaint: {model}: nothing was stored there: [Errno 30] Read-only file system\n"
    assert read_config(model) == before
