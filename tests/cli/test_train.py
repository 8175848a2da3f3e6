"""Commands that make a model and measure it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from rich.console import Console

from faceinpaint_fast import masks
from faceinpaint_fast.cli import train
from faceinpaint_fast.faces import load_faces
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.images import read_image, write_image
from faceinpaint_fast.models import load_model, read_config, save_measured, save_model
from faceinpaint_fast.training import calibration, encoder, frechet, run
from faceinpaint_fast.training import game as dcgan

TINY = ["--width", "2", "--batch", "4", "--device", "cpu"]


def test_train_then_calibrate_then_inpaint(
    faceinpaint, refused, faces, picture, face, tmp_path, out, monkeypatch, restored
):
    monkeypatch.setattr(dcgan, "GRID", 2)
    model = tmp_path / "new" / "model"
    status, said, err = faceinpaint("train", faces, "--out", model, *TINY, "--images", 16, "--precision", "fp32")
    assert (status, err) == (0, "")
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
    assert (status, err) == (0, "")
    described = json.loads(said)
    assert (described["images"], described["samples"]) == (3, 5)
    assert read_config(model).calibration == described
    assert load_model(model).config.normalization.c_max == described["c_max"]
    assert read_image(plot).shape == (400, 1100, 3)

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


def test_train_passes_every_option_on(faceinpaint, faces, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(dcgan, "train", lambda *args, **options: calls.append((args, options)))
    write_image(tmp_path / "large" / "a.png", np.zeros((109, 120, 3), np.uint8))
    status, _, _ = faceinpaint(
        *("train", faces, tmp_path / "large", "--out", tmp_path / "model", "--images", 100, "--width", 3, "--batch", 5),
        *("--learning-rate", 0.01, "--ema", 0.5, "--precision", "bf16", "--crop", 64, "--checkpoint-minutes", 7),
        *("--seed", 9, "--device", "cpu"),
    )
    assert status == 0
    ((given, out, config), options) = calls[0]
    assert given.shape == (9, 64, 64, 3)
    assert out == tmp_path / "model"
    assert config == dcgan.TrainConfig(width=3, batch=5, learning_rate=0.01, ema=0.5, precision="bf16", seed=9)
    assert (options["images"], options["checkpoint_minutes"], options["device"].type) == (100, 7.0, "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "9"], "data: expected at least one batch, 9 faces, got 8"),
        (["--ema", "1"], "learning_rate, beta1, ema: expected"),
        (["--precision", "fp16"], "precision: expected fp32 or bf16"),
        (["--crop", "65"], "0.png: expected at least the 65x65 to be cropped, got 64x64"),
        (["--device", "gpu"], "device: expected auto or a device at hand"),
    ],
)
def test_train_refuses_what_does_not_fit(refused, faces, tmp_path, options, message):
    assert message in refused("train", faces, "--out", tmp_path / "model", *TINY, "--images", "8", *options)


def test_train_calibrate_and_frechet_refuse_data_that_are_none(refused, model, faces, tmp_path):
    (tmp_path / "empty").mkdir()
    (faces / "3.png").write_bytes(b"broken")
    for source, message in (
        (tmp_path / "nowhere", "nowhere: expected a folder of images or a tar file"),
        (tmp_path / "empty", "data: expected images in"),
        (faces, "3.png: expected an image file"),
    ):
        assert message in refused("train", source, "--out", tmp_path / "new", *TINY)
        assert message in refused("calibrate", model, source)
        assert message in refused("frechet", model, source)


def test_train_on_a_full_disk_is_one_line(faceinpaint, faces, tmp_path, monkeypatch):
    def no_space(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    status, out, err = faceinpaint("train", faces, "--out", tmp_path / "model", *TINY, "--images", 4)
    assert (status, out) == (2, "")
    assert "No space left on device" in err
    assert err.count("\n") == 1


def test_calibrate_refuses_weights_that_were_replaced_meanwhile(refused, faces, model, discriminator, monkeypatch):
    """A training run that goes on in the same folder."""

    def replace_then_calibrate(generator, *args, **options):
        found = calibrate(generator, *args, **options)
        generator.layers[12].bias.data += 1
        save_model(model, generator, discriminator, framing=CELEBA_108, training={})
        return found

    calibrate = calibration.calibrate
    monkeypatch.setattr(calibration, "calibrate", replace_then_calibrate)
    assert "expected the weights that were measured" in refused("calibrate", model, faces, "--samples", "3")
    assert load_model(model).config.normalization is None


@pytest.mark.parametrize("command", ["calibrate", "train"])
def test_a_plot_without_matplotlib(refused, faces, model, tmp_path, monkeypatch, command):
    monkeypatch.setattr(train, "find_spec", lambda _: None)
    line = {"calibrate": [model, faces], "train": [faces, "--out", tmp_path / "new", *TINY]}[command]
    err = refused(command, *line, "--plot", tmp_path / "a.png")
    assert "expected matplotlib" in err
    assert "faceinpaint_fast[plots]" in err


@pytest.mark.parametrize("with_faces", [True, False], ids=["faces", "samples"])
def test_train_encoder_gives_a_model_its_guess(faceinpaint, faces, model, with_faces):
    assert load_model(model).encoder is None
    line = ["train-encoder", model, *([faces] if with_faces else []), "--images", 8, "--batch", 4, "--width", 2]
    status, said, err = faceinpaint(*line)
    assert (status, err) == (0, "")
    assert said == f"{model}: with an encoder that has seen 8 images\n"
    assert load_model(model).encoder is not None
    described = read_config(model).encoder
    assert (described["images"], described["cooldown"]) == (8, 4)
    assert (described["faces"] is not None) == with_faces


def test_train_encoder_passes_every_option_on(faceinpaint, faces, model, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(encoder, "train_encoder", lambda *args, **options: calls.append((args, options)))
    write_image(tmp_path / "large" / "a.png", np.zeros((109, 120, 3), np.uint8))
    status, _, _ = faceinpaint(
        *("train-encoder", model, faces, tmp_path / "large", "--images", 100, "--width", 3, "--batch", 5, "--seed", 9),
        *("--learning-rate", 0.01, "--precision", "bf16", "--crop", 64, "--checkpoint-minutes", 7, "--cooldown", 40),
        *("--device", "cpu"),
    )
    assert status == 0
    ((folder, loaded, shown, config), options) = calls[0]
    assert folder == model
    assert loaded.config == read_config(model)
    assert len(shown) == len(load_faces([faces])) + 1
    assert config == encoder.EncoderConfig(width=3, batch=5, learning_rate=0.01, precision="bf16", seed=9)
    assert callable(options.pop("on_progress"))
    assert options == {"images": 100, "cooldown": 40, "device": torch.device("cpu"), "checkpoint_minutes": 7}


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


def test_frechet_is_kept_beside_what_calibration_found(faceinpaint, faces, model, monkeypatch):
    monkeypatch.setattr(frechet, "LEAST", 3)
    assert faceinpaint("calibrate", model, faces, "--samples", 3)[0] == 0
    before = read_config(model)
    line = ["frechet", model, faces, "--images", 6, "--samples", 7, "--crop", 60, "--seed", 4, "--device", "cpu"]
    status, said, err = faceinpaint(*line)
    assert (status, err) == (0, "")
    found = json.loads(said)
    assert read_config(model) == before | {"frechet": found}
    loaded, cropped = load_model(model), load_faces([faces], crop=60, limit=6)
    assert found == frechet.frechet(loaded.generator, cropped, samples=7, seed=4, device=torch.device("cpu"))
    assert faceinpaint("calibrate", model, faces, "--samples", 3)[0] == 0
    assert read_config(model) == before | {"frechet": found}


def test_what_another_command_finds_out_meanwhile_is_kept(faceinpaint, faces, model, monkeypatch):
    def measure(*_, **__):
        save_measured(model, load_model(model), "calibration", {"meanwhile": 1} | bounds)
        return {"hog": 0.5}

    monkeypatch.setattr(frechet, "frechet", measure)
    assert faceinpaint("frechet", model, faces)[0] == 0
    assert read_config(model).calibration == {"meanwhile": 1}
    assert read_config(model).frechet == {"hog": 0.5}


def test_frechet_takes_all_faces_by_default(faceinpaint, faces, model, monkeypatch):
    monkeypatch.setattr(frechet, "LEAST", 3)
    assert json.loads(faceinpaint("frechet", model, faces, "--samples", 4)[1])["images"] == 8


def test_frechet_refuses_too_few_faces(refused, faces, model):
    assert "expected >= 386 faces and >= 193 samples, got 8 and 10000" in refused("frechet", model, faces)
