"""The command line: what each command does, and that an error of the user's is one line and exit status 2."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import struct
import subprocess
import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from rich.console import Console
from skimage import data, transform

from faceinpaint_fast import InpaintConfig, Inpainter, InputError, Normalization, masks
from faceinpaint_fast.cli import main as cli
from faceinpaint_fast.evaluation import methods, results, tables
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.evaluation.protocol import seed_of
from faceinpaint_fast.faces import load_faces
from faceinpaint_fast.images import read_grey, read_image, write_image
from faceinpaint_fast.models import load_model, read_config, save_model, write_config
from faceinpaint_fast.pictures import demonstration as demo
from faceinpaint_fast.pictures.contact_sheet import contact_sheet
from faceinpaint_fast.training import calibration, encoder, frechet, run
from faceinpaint_fast.training import game as dcgan

COMMANDS = ("inpaint", "demo", "train", "calibrate", "frechet", "evaluate", "parity", "export", "doctor")


@pytest.fixture
def faceinpaint(monkeypatch, capsys):
    """Run the command line: (exit status, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["faceinpaint", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        return exit_.value.code or 0, out, err

    return run


@pytest.fixture
def refused(faceinpaint, tmp_path):
    """Run a command line that must be refused, with nothing written: the one line on stderr."""

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        status, out, err = faceinpaint(*arguments)
        assert status == 2
        assert out == ""
        assert err.startswith("faceinpaint: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


@pytest.fixture
def model(tmp_path, generator, discriminator):
    """A model folder with the tests' small networks."""
    save_model(tmp_path / "model", generator, discriminator, width=4, training={"images": 640})
    return tmp_path / "model"


@pytest.fixture(scope="module")
def face():
    """A photograph of a face: (64, 64, 3) uint8."""
    cut = transform.resize(data.astronaut()[0:200, 120:320], (64, 64), anti_aliasing=True)
    return np.round(cut * 255).astype(np.uint8)


@pytest.fixture
def picture(tmp_path, face):
    write_image(tmp_path / "face.png", face)
    return tmp_path / "face.png"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "restored" / "face.png"


def restored(model, face, hole, *, seed=0, config=InpaintConfig(), iterations=3):  # noqa: B008 - frozen
    """The same by the Python interface."""
    inpainter = Inpainter.from_pretrained(model, config=dataclasses.replace(config, iterations=iterations))
    return inpainter(face, hole, seed=seed)


# ----------------------------------------------------------------------------------------------------------- the frame


def test_help_does_not_wait_for_torch():
    script = """
import sys
from faceinpaint_fast.cli import main as cli
sys.argv = ["faceinpaint", "--help"]
try:
    cli.main()
except SystemExit as exit:
    assert not exit.code, exit.code
slow = {"torch", "scipy", "skimage", "cupy", "triton", "matplotlib"} & set(sys.modules)
assert not slow, slow
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for command in COMMANDS:
        assert command in done.stdout
    assert done.stderr == ""


def test_help_is_what_a_bare_command_says(faceinpaint):
    status, out, err = faceinpaint()
    assert (status, err) == (0, "")
    assert all(command in out for command in COMMANDS)
    assert faceinpaint("--help") == (0, out, "")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("inpaint", ["--out", "--seed", "--iterations", "--config", "--model", "--device", "--invert", "--save-steps"]),
        ("demo", ["--out", "--seed", "--iterations", "--model", "--device"]),
        ("train", ["--out", "--images", "--width", "--batch", "--ema", "--precision", "--seed", "--device", "--plot"]),
        ("calibrate", ["--images", "--samples", "--plot", "--seed", "--device"]),
        ("frechet", ["--images", "--samples", "--crop", "--seed", "--device"]),
        (
            "evaluate",
            [
                "--out",
                "--masks",
                "--methods",
                "--faces",
                "--seed",
                "--batch",
                "--model",
                "--device",
                "--precision",
                "--set",
                "--as",
                "--table1",
                "--update",
                "--figures",
            ],
        ),
        ("train-encoder", ["--images", "--cooldown", "--width", "--batch", "--learning-rate", "--precision", "--crop"]),
        ("parity", ["--device", "--model", "--seed", "--out"]),
        ("doctor", ["--model"]),
    ],
)
def test_each_command_has_help(faceinpaint, monkeypatch, command, options):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, err = faceinpaint(command, "--help")
    assert (status, err) == (0, "")
    assert [option for option in options if option not in out] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["restore"], "No such command 'restore'."),
        (["inpaint"], "Missing argument"),
        (["inpaint", "a.png", "centre"], "Missing option '--out'"),
        (["inpaint", "a.png", "centre", "-o", "b.png", "--fast"], "No such option: --fast"),
        (["inpaint", "a.png", "centre", "-o", "b.png", "--config", "best"], "'best' is not one of"),
        (["inpaint", "a.png", "centre", "-o", "b.png", "--iterations", "many"], "--iterations"),
        (["inpaint", "a.png", "centre", "-o", "b.png", "--seed", "-1"], "--seed"),
        (["inpaint", "a.png", "centre", "-o", "b.png", "--seed", str(2**64)], "--seed"),
        (["train", "--out", "model"], "Missing argument"),
        (["train", "data", "--out", "model", "--images", "0"], "--images"),
        (["calibrate", "model", "data", "--samples", "0"], "--samples"),
        (["frechet", "model", "data", "--images", "0"], "--images"),
        (["evaluate", "data", "--out", "a", "--batch", "0"], "--batch"),
        (["evaluate", "data", "--out", "a", "--faces", "0"], "--faces"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_one_line(refused, arguments, message):
    assert message in refused(*arguments)


def test_debug_shows_the_traceback_from_anywhere(monkeypatch):
    line = ["inpaint", "nowhere.png", "centre", "-o", "a.png"]
    for place in range(len(line) + 1):
        monkeypatch.setattr(sys, "argv", ["faceinpaint", *line[:place], "--debug", *line[place:]])
        with pytest.raises(InputError, match=r"nowhere\.png: expected an image file"):
            cli.main()


def test_an_error_of_the_programs_own_is_one_line_that_says_so(monkeypatch, capsys, picture, model, out):
    def fail(*_, **__):
        raise AttributeError("a bug")

    monkeypatch.setattr(Inpainter, "__call__", fail)
    monkeypatch.setattr(sys, "argv", ["faceinpaint", "inpaint", str(picture), "centre", "-o", str(out)])
    monkeypatch.setattr("faceinpaint_fast.models.SHIPPED", model)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    message = "faceinpaint: unforeseen AttributeError, please report it with what --debug shows: a bug\n"
    assert capsys.readouterr().err == message


def test_ctrl_c_is_no_traceback(monkeypatch, faceinpaint, picture, model, out):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Inpainter, "__call__", interrupt)
    assert faceinpaint("inpaint", picture, "centre", "-o", out, "--model", model) == (130, "", "")
    assert not out.exists()


def broken_tiff(path):
    """A TIFF of which Pillow not only raises an error, but also logs one and warns."""
    write_image(path, np.zeros((64, 64, 3), np.uint8))
    whole = path.read_bytes()
    tag, short, many = 277, 3, 61  # samples per pixel
    assert whole.count(struct.pack("<HHI", tag, short, 1)) == 1
    path.write_bytes(
        whole.replace(struct.pack("<HHIH", tag, short, 1, 3), struct.pack("<HHIH", tag, short, 1, many)).replace(
            # a resolution that lies beyond the end of the file
            struct.pack("<HHI", 284, short, 1),
            struct.pack("<HHI", 284, short, 10**6),
        )
    )


def test_a_real_process_prints_one_line_or_a_traceback(tmp_path):
    path, out = tmp_path / "broken.tif", tmp_path / "out.png"
    broken_tiff(path)
    command = [sys.executable, "-m", "faceinpaint_fast.cli.main", "inpaint", str(path), "centre", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"faceinpaint: {path}: expected an image file that can be read whole, got: ")
    assert done.stderr.count("\n") == 1
    done = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "InputError" in done.stderr.splitlines()[-1]
    assert not out.exists()


# ------------------------------------------------------------------------------------------------------------- inpaint


def test_inpaint_restores_a_face(faceinpaint, picture, face, model, out, tmp_path):
    hole = masks.rectangle((64, 64), top=20, left=10, height=30, width=15)
    write_image(tmp_path / "hole.png", hole * np.uint8(255))
    status, said, err = faceinpaint(
        "inpaint", picture, tmp_path / "hole.png", "-o", out, "--model", model, "--iterations", 3, "--device", "cpu"
    )
    assert (status, err) == (0, "")
    expected = restored(model, face, hole)
    found = read_image(out)
    assert_array_equal(found, expected.image)
    assert_array_equal(found[~hole], face[~hole])
    assert (found[hole] != face[hole]).any()
    assert said == f"{out}: " + "  ".join(f"{name} {loss:.4f}" for name, loss in expected.losses.items()) + "\n"
    assert [path.name for path in out.parent.iterdir()] == ["face.png"]


@pytest.mark.parametrize("name", ["centre", "left", "free-form", "drop-80"])
def test_inpaint_draws_a_hole_by_its_name(faceinpaint, picture, face, model, out, name):
    status, _, _ = faceinpaint(
        "inpaint", picture, name, "-o", out, "--model", model, "--iterations", 1, "--seed", 4, "--device", "cpu"
    )
    assert status == 0
    hole = masks.draw(name, (64, 64), 4)
    assert_array_equal(read_image(out), restored(model, face, hole, seed=4, iterations=1).image)


@pytest.mark.parametrize("name", ["hole.png", "left"])
def test_inpaint_inverts_any_hole(faceinpaint, picture, face, model, out, tmp_path, name):
    hole = masks.draw("left", (64, 64))
    write_image(tmp_path / "hole.png", hole * np.uint8(255))
    given = tmp_path / name if name == "hole.png" else name
    status, _, _ = faceinpaint("inpaint", picture, given, "-o", out, "--model", model, "--iterations", 1, "--invert")
    assert status == 0
    changed = (read_image(out) != face).any(axis=-1)
    assert not changed[hole].any()
    assert changed[~hole].mean() > 0.5


def test_inpaint_as_the_paper_has_it(faceinpaint, picture, face, model, out):
    status, _, _ = faceinpaint("inpaint", picture, "centre", "-o", out, "--model", model, "--config", "paper",
                               "--iterations", 3)  # fmt: skip
    assert status == 0
    hole = masks.centre((64, 64))
    assert_array_equal(read_image(out), restored(model, face, hole, config=InpaintConfig.paper()).image)
    assert (read_image(out) != restored(model, face, hole).image).any()


def test_inpaint_takes_the_configs_iterations_unless_told(faceinpaint, monkeypatch, picture, model, out):
    configs = []

    def remember(inpainter, *_, **__):
        configs.append(inpainter.config)
        raise InputError("enough")

    monkeypatch.setattr(Inpainter, "__call__", remember)
    for options in ([], ["--config", "paper"], ["--config", "paper", "--iterations", 7]):
        faceinpaint("inpaint", picture, "centre", "-o", out, "--model", model, *options)
    paper = InpaintConfig.paper()
    assert configs == [InpaintConfig(), paper, InpaintConfig.paper(iterations=7)]


def test_inpaint_with_the_paper_calibrated(faceinpaint, picture, face, model, out):
    """The bounds that the model's folder has; without any it says what to do."""
    line = ["inpaint", picture, "centre", "-o", out, "--model", model, "--config", "paper-calibrated"]
    status, _, error = faceinpaint(*line, "--iterations", 3)
    assert status == 2
    assert "normalization: expected bounds that faceinpaint calibrate found for the model, got none" in error
    bounds = {"s_min": 0.1, "s_max": 0.9, "c_min": 100.0, "c_max": 5000.0}
    write_config(model, read_config(model) | {"calibration": bounds})
    assert faceinpaint(*line, "--iterations", 3)[0] == 0
    config = InpaintConfig.paper(normalization=Normalization(**bounds), iterations=3)
    assert_array_equal(read_image(out), restored(model, face, masks.centre((64, 64)), config=config).image)


def test_the_seed_changes_the_result(faceinpaint, picture, face, model, out):
    results = []
    for seed in (1, 1, 2):
        faceinpaint("inpaint", picture, "centre", "-o", out, "--model", model, "--iterations", 3, "--seed", seed)
        results.append(read_image(out))
    assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()
    assert_array_equal(results[2], restored(model, face, masks.centre((64, 64)), seed=2).image)


def test_save_steps_writes_the_panels_of_figure_6(faceinpaint, picture, face, model, out, tmp_path):
    hole = masks.centre((64, 64))
    steps = tmp_path / "deep" / "steps"
    faceinpaint("inpaint", picture, "centre", "-o", out, "--model", model, "--iterations", 3, "--save-steps", steps)
    assert sorted(path.name for path in steps.iterdir()) == [
        "divergence.png",
        "generated.png",
        "gradients.png",
        "weights.png",
    ]
    assert_array_equal(read_image(steps / "generated.png"), restored(model, face, hole).generated)
    weights = read_grey(steps / "weights.png")
    # black where no missing pixel is within reach, white where all are missing
    assert weights[0, 0] == 0
    assert weights[32, 32] == 255
    assert 0 < weights[16, 32] < 255
    for name in ("gradients", "divergence"):
        panel = read_grey(steps / f"{name}.png")
        assert panel.shape == (64, 64)
        assert panel.std() > 5


def test_an_empty_hole_returns_the_input_and_says_so(faceinpaint, picture, face, model, out, tmp_path):
    write_image(tmp_path / "hole.png", np.zeros((64, 64), np.uint8))
    status, said, err = faceinpaint(
        "inpaint", picture, tmp_path / "hole.png", "-o", out, "--model", model, "--iterations", 1
    )
    assert status == 0
    assert said.startswith(f"{out}: ")
    assert err == "faceinpaint: hole: expected a missing pixel, got none: that image comes back as it is\n"
    assert_array_equal(read_image(out), face)


def test_a_full_hole_is_refused(refused, picture, model, out, tmp_path):
    write_image(tmp_path / "hole.png", np.full((64, 64), 255, np.uint8))
    for hole, options in ((tmp_path / "hole.png", []), ("drop-100", []), ("drop-0", ["--invert"])):
        err = refused("inpaint", picture, hole, "-o", out, "--model", model, *options)
        assert "hole: expected at least one known pixel" in err


@pytest.mark.parametrize(
    ("size", "message"),
    [((64, 60), "images: expected 64x64 pixels"), ((128, 128), "images: expected 64x64 pixels")],
)
def test_a_picture_of_another_size_is_refused(refused, model, out, tmp_path, size, message):
    write_image(tmp_path / "face.png", np.zeros((*size, 3), np.uint8))
    assert message in refused("inpaint", tmp_path / "face.png", "centre", "-o", out, "--model", model)


def test_a_hole_of_another_size_is_refused(refused, picture, model, out, tmp_path):
    write_image(tmp_path / "hole.png", np.eye(32, dtype=np.uint8) * 255)
    err = refused("inpaint", picture, tmp_path / "hole.png", "-o", out, "--model", model)
    assert "hole: expected shape (64, 64), got (32, 32)" in err


def bad_files(tmp_path):
    """What is no picture, and why."""
    folder = tmp_path / "folder.png"
    folder.mkdir()
    text, truncated, nan = tmp_path / "text.png", tmp_path / "truncated.png", tmp_path / "nan.tif"
    text.write_text("not a picture")
    write_image(truncated, data.astronaut()[:64, :64])
    truncated.write_bytes(truncated.read_bytes()[:500])
    Image.fromarray(np.full((64, 64), np.nan, np.float32)).save(nan)
    yield tmp_path / "missing.png", "no such file"
    yield folder, "directory"
    yield text, "cannot identify image file"
    yield truncated, "read whole"
    yield nan, "grey levels outside 0 to 1"


def test_what_is_no_picture_is_refused(refused, picture, model, out, tmp_path):
    for path, message in bad_files(tmp_path):
        for image, hole in ((path, "centre"), (picture, path)):
            err = refused("inpaint", image, hole, "-o", out, "--model", model)
            assert err.startswith(f"faceinpaint: {path}: expected an image file")
            assert message in err


def test_an_unknown_hole_is_refused(refused, picture, model, out):
    assert "hole: expected centre" in refused("inpaint", picture, "middle", "-o", out, "--model", model)


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--iterations", "0"], "iterations: expected"), (["--device", "gpu"], "device: expected auto or a device")],
)
def test_options_that_do_not_fit_are_refused(refused, picture, model, out, options, message):
    assert message in refused("inpaint", picture, "centre", "-o", out, "--model", model, *options)


def test_an_unwritable_place_is_refused_before_any_work(refused, picture, model, tmp_path):
    """Before so much as the model is looked at, which is not even there."""
    (tmp_path / "in the way").write_text("a file")
    (tmp_path / "folder.png").mkdir()
    here = ["inpaint", picture, "centre", "--model", tmp_path / "nowhere"]
    for place, message in (
        (tmp_path / "in the way" / "a.png", "expected a place that can be written to"),
        (tmp_path / "folder.png", "expected a file to write to, got a folder"),
        (tmp_path / "a.docx", "expected an extension among"),
    ):
        assert message in refused(*here, "-o", place)
        assert message in refused("demo", "--model", tmp_path / "nowhere", "-o", place)
        assert message in refused("calibrate", model, tmp_path / "nowhere", "--plot", place)
        assert message in refused("train", tmp_path / "nowhere", "--out", tmp_path / "new", "--plot", place)
    good = tmp_path / "a.png"
    assert "expected a place" in refused(*here, "-o", good, "--save-steps", tmp_path / "in the way" / "steps")
    assert "expected a place" in refused("train", tmp_path / "nowhere", "--out", tmp_path / "in the way")
    assert "expected a place" in refused("calibrate", tmp_path / "in the way", tmp_path / "nowhere")
    assert "expected a place" in refused("frechet", tmp_path / "in the way", tmp_path / "nowhere")


def test_a_damaged_model_is_refused(refused, picture, model, out):
    weights = model / "discriminator.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    for command in (["inpaint", picture, "centre", "-o", out], ["demo", "-o", out], ["doctor"]):
        assert f"{weights}: expected SHA-256" in refused(*command, "--model", model)
    assert "expected SHA-256" in refused("calibrate", model, picture.parent)
    assert "expected SHA-256" in refused("frechet", model, picture.parent)
    weights.write_bytes(whole)
    # torch's own message takes several lines
    (model / "config.json").write_text(json.dumps(read_config(model) | {"width": 5}))
    assert "size mismatch" in refused("inpaint", picture, "centre", "-o", out, "--model", model)
    (model / "config.json").write_text("{}")
    assert "expected a model's description" in refused("inpaint", picture, "centre", "-o", out, "--model", model)


# ------------------------------------------------------------------------------------------------- train and calibrate


@pytest.fixture
def faces(tmp_path, face):
    """A folder of eight faces, each a little lighter than the one before."""
    for i in range(8):
        write_image(tmp_path / "faces" / f"{i}.png", np.minimum(face.astype(int) + 8 * i, 255).astype(np.uint8))
    return tmp_path / "faces"


TINY = ["--width", "2", "--batch", "4", "--device", "cpu"]


def test_train_then_calibrate_then_inpaint(faceinpaint, refused, faces, picture, face, tmp_path, out, monkeypatch):
    monkeypatch.setattr(dcgan, "GRID", 2)
    model = tmp_path / "new" / "model"
    status, said, err = faceinpaint("train", faces, "--out", model, *TINY, "--images", 16, "--precision", "fp32")
    assert (status, err) == (0, "")
    assert said.startswith(f"{model}: a model that has seen 16 images")
    training = load_model(model).config["training"]
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
    assert read_config(model)["calibration"] == described
    assert load_model(model).normalization.c_max == described["c_max"]
    assert read_image(plot).shape == (400, 1100, 3)

    status, _, err = faceinpaint("inpaint", picture, "centre", "-o", out, "--model", model, "--iterations", 2)
    assert (status, err) == (0, "")
    assert_array_equal(read_image(out), restored(model, face, masks.centre((64, 64)), iterations=2).image)

    status, _, _ = faceinpaint("train", faces, "--out", model, *TINY, "--images", 24, "--precision", "fp32")
    assert status == 0
    assert load_model(model).normalization is None
    assert load_model(model).config["training"]["images"] == 24


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
        assert load_model(tmp_path / best).config["training"]["precision"] == best


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
        save_model(model, generator, discriminator, width=4, training={})
        return found

    calibrate = calibration.calibrate
    monkeypatch.setattr(calibration, "calibrate", replace_then_calibrate)
    assert "expected the weights that were measured" in refused("calibrate", model, faces, "--samples", "3")
    assert load_model(model).normalization is None


@pytest.mark.parametrize("command", ["calibrate", "train"])
def test_a_plot_without_matplotlib(refused, faces, model, tmp_path, monkeypatch, command):
    monkeypatch.setattr(cli, "find_spec", lambda _: None)
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
    described = read_config(model)["encoder"]
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
        write_config(model, read_config(model) | {"calibration": {"meanwhile": 1}})
        return {"hog": 0.5}

    monkeypatch.setattr(frechet, "frechet", measure)
    assert faceinpaint("frechet", model, faces)[0] == 0
    assert read_config(model)["calibration"] == {"meanwhile": 1}
    assert read_config(model)["frechet"] == {"hog": 0.5}


def test_frechet_takes_all_faces_by_default(faceinpaint, faces, model, monkeypatch):
    monkeypatch.setattr(frechet, "LEAST", 3)
    assert json.loads(faceinpaint("frechet", model, faces, "--samples", 4)[1])["images"] == 8


def test_frechet_refuses_too_few_faces(refused, faces, model):
    assert "expected >= 386 faces and >= 193 samples, got 8 and 10000" in refused("frechet", model, faces)


# ------------------------------------------------------------------------------------------------------------ evaluate


@pytest.fixture
def grey(monkeypatch):
    """In the place of the rival `harmonic`: grey in the hole.  A list of the number of faces of each call."""
    calls = []

    def harmonic(images, holes):
        calls.append(len(images))
        return np.where(holes[..., None], 0.5, images)

    monkeypatch.setitem(sys.modules, "faceinpaint_fast.evaluation.rivals.harmonic", SimpleNamespace(harmonic=harmonic))
    return calls


@pytest.fixture
def two_sets(faces, tmp_path):
    """A folder of eight faces and a shard of two of them."""
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name in ("4.png", "5.png"):
            tar.add(faces / name, name)
    return faces, tmp_path / "shard.tar"


def test_evaluate_from_faces_to_tables(faceinpaint, two_sets, model, grey, tmp_path):
    out, readme = tmp_path / "out", tmp_path / "README.md"
    readme.write_text("<!-- evaluate: quality shard -->\n<!-- end -->\n<!-- evaluate: table1 -->\n<!-- end -->\n")
    line = ["evaluate", *two_sets, "--out", out, "--masks", "drop-80,left", "--masks", "left", "--faces", 3,
            "--batch", 2, "--seed", 4, "--methods", "harmonic", "--methods", "default", "--precision", "bf16",
            "--model", model, "--device", "cpu", "--update", readme]  # fmt: skip
    status, said, err = faceinpaint(*line, "--table1")
    assert (status, err) == (0, "")
    # two masks, three faces and two
    assert grey == [2, 1, 2, 1, 2, 2]
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.jsonl")) == [
        "faces/default.jsonl",
        "faces/harmonic.jsonl",
        "shard/default.jsonl",
        "shard/harmonic.jsonl",
    ]
    header, records = results.read(out / "shard" / "default.jsonl")
    assert header["config"] == dataclasses.asdict(InpaintConfig(precision="bf16")) | {"z_max": "inf", "encoder": None}
    assert (header["seed"], header["batch"], header["machine"]["torch"]) == (4, 2, torch.__version__)
    assert [(record["mask"], record["face"]) for record in records] == [
        *(("drop-80", 0), ("drop-80", 1), ("left", 0), ("left", 1))
    ]
    # by the Python interface
    seeds = [seed_of(4, face) for face in (0, 1)]
    truths = load_faces([two_sets[1]])
    holes = np.stack([masks.draw("drop-80", (64, 64), seed) for seed in seeds])
    inpainter = Inpainter.from_pretrained(model, config=InpaintConfig(precision="bf16"), device="cpu")
    expected = inpainter(truths / 255, holes, seed=seeds).image
    for record, image, truth, hole in zip(records[:2], expected, truths, holes, strict=True):
        figures = quality(np.round(255 * image) / 255, truth / 255, hole)
        assert record["hole_psnr"] == pytest.approx(figures.hole_psnr, abs=0.006)

    made = tables.report(results.read_all(out))
    assert said.count("| mask |") == 8
    for name in ("quality faces", "differences faces", "detail faces", "quality shard", "table1"):
        assert made[name] in said
    assert readme.read_text() == (
        f"<!-- evaluate: quality shard -->\n\n{made['quality shard']}\n\n<!-- end -->\n"
        f"<!-- evaluate: table1 -->\n\n{made['table1']}\n\n<!-- end -->\n"
    )

    grey.clear()
    assert faceinpaint(*line, "--table1") == (0, said, "")
    assert faceinpaint("evaluate", "--out", out, "--table1") == (0, said, "")
    assert "Table 1" not in faceinpaint("evaluate", "--out", out)[1]
    assert grey == []


def test_evaluate_under_a_name_with_other_settings(faceinpaint, faces, model, tmp_path):
    line = ["evaluate", faces, "--out", tmp_path / "out", "--masks", "left", "--faces", 1, "--model", model,
            "--methods", "default", "--device", "cpu"]  # fmt: skip
    assert faceinpaint(*line, "--set", "iterations=2")[0] == 0
    assert faceinpaint(*line, "--set", "iterations=3", "--set", "blend=none", "--as", "stitched")[0] == 0
    folder = tmp_path / "out" / faces.name
    names = [results.read(folder / f"{name}.jsonl")[0]["config"] for name in ("default", "stitched")]
    assert [(config["iterations"], config["blend"]) for config in names] == [(2, "tension"), (3, "none")]
    assert "| stitched |" in faceinpaint("evaluate", "--out", tmp_path / "out")[1]


def test_evaluate_draws_the_figures(faceinpaint, two_sets, model, tmp_path, monkeypatch):
    quick = functools.partial(calibration.calibrate, samples=4)
    monkeypatch.setattr(calibration, "calibrate", quick)
    line = ["evaluate", "--model", model, "--methods", "default", "--set", "iterations=2", "--device", "cpu"]
    folder = tmp_path / "figures"
    status, said, err = faceinpaint(*line, "--figures", folder)
    assert (status, said, err) == (0, f"{folder}: figures 1, 5, 6, 7, 8, 9, 10, 11\n", "")
    assert [path.name for path in sorted(folder.iterdir())] == [f"fig{i:02d}.png" for i in (1, *range(5, 12))]
    status, said, err = faceinpaint(*line, *two_sets, "--figures", folder)
    assert (status, err) == (0, "")
    assert said == f"{folder}: figures 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13\n"
    assert {"fig04.png", "fig12.png", "fig13.png"} < {path.name for path in folder.iterdir()}
    # four faces of the folder, two of the shard
    heights = [read_image(folder / f"fig{i}.png").shape for i in (12, 13)]
    assert heights[0] != heights[1]


def test_evaluate_wants_to_know_what_for(refused, faces):
    assert "evaluate: expected --out for results, or --figures, got neither" in refused("evaluate", faces)


def test_evaluate_shows_how_far_it_is(faceinpaint, faces, grey, tmp_path, monkeypatch):
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "120")
    status, _, err = faceinpaint(
        "evaluate", faces, "--out", tmp_path / "out", "--methods", "harmonic", "--masks", "left"
    )
    assert status == 0
    assert "faces harmonic left" in err
    assert "8/8" in err
    assert grey == [8]


def test_evaluate_says_what_is_left_out(faceinpaint, faces, tmp_path, monkeypatch):
    def stop(names, **_):
        raise InputError(f"asked for {names}")

    monkeypatch.setattr(methods, "find_spec", lambda _: None)
    monkeypatch.setattr(methods, "build", stop)
    _, _, err = faceinpaint("evaluate", faces, "--out", tmp_path / "out")
    note, asked = err.splitlines()
    assert note == "faceinpaint: Telea is left out: it needs the library cv2"
    assert asked == f"faceinpaint: asked for {[name for name in methods.METHODS if name != 'Telea']}"


def test_ctrl_c_costs_evaluate_one_batch(faceinpaint, faces, tmp_path, monkeypatch, grey):
    line = ["evaluate", faces, "--out", tmp_path / "out", "--methods", "harmonic", "--masks", "left", "--batch", 3]
    module = sys.modules["faceinpaint_fast.evaluation.rivals.harmonic"]

    def interrupted(images, holes):
        if len(grey) == 2:
            raise KeyboardInterrupt
        return whole(images, holes)

    whole = module.harmonic
    monkeypatch.setattr(module, "harmonic", interrupted)
    assert faceinpaint(*line) == (130, "", "")
    assert len(results.read(tmp_path / "out" / "faces" / "harmonic.jsonl")[1]) == 6
    monkeypatch.setattr(module, "harmonic", whole)
    assert faceinpaint(*line)[0] == 0
    assert grey == [3, 3, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--masks", "left,middle"], "hole: expected centre"),
        (["--masks", "drop-100"], "masks: expected a hole with missing and with known pixels"),
        (["--methods", "harmonic,best"], "methods: expected some of"),
        (["--methods", "default", "--precision", "fp16"], "precision: expected"),
        (["--device", "gpu"], "device: expected auto or a device at hand"),
        (["--model", "nowhere"], "nowhere: expected a model folder"),
        (["--set", "iterations"], "--set: expected FIELD=VALUE"),
        (["--set", "steps=3"], "set: expected one of iterations"),
        (["--as", "a/b"], "--as: expected a name, and one method"),
        (["--as", "both", "--methods", "TV"], "--as: expected a name, and one method"),
        (["--update", "nowhere.md"], "nowhere.md: expected a text file to update"),
        (["nowhere"], "nowhere: expected a folder of images or a tar file"),
        (["--out", "face.png"], "face.png/faces/harmonic.jsonl: expected a place that can be written to"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_evaluate_refuses_what_does_not_fit(refused, faces, picture, grey, options, message, monkeypatch):
    monkeypatch.chdir(picture.parent)
    err = refused("evaluate", faces, "--out", "out", "--methods", "harmonic", *options)
    assert message in err
    assert grey == []


def test_evaluate_refuses_results_of_another_seed(refused, faceinpaint, faces, grey, tmp_path):
    line = ["evaluate", faces, "--out", tmp_path / "out", "--methods", "harmonic", "--masks", "left"]
    assert faceinpaint(*line)[0] == 0
    assert "expected results with seed 1, got 0; choose another --out, or delete the file" in refused(
        *line, "--seed", 1
    )
    assert grey == [8]


def test_evaluate_reports_nothing_of_nothing(refused, tmp_path):
    assert "out: expected results of faceinpaint evaluate, got none" in refused("evaluate", "--out", tmp_path / "out")


def test_evaluate_without_table_1(faceinpaint, faces, grey, tmp_path):
    out, readme = tmp_path / "out", tmp_path / "README.md"
    readme.write_text("<!-- evaluate: table1 -->\nold\n<!-- end -->\n")
    line = ["evaluate", faces, "--out", out, "--methods", "harmonic", "--masks", "left", "--faces", 1]
    for option, message in (
        (["--table1"], "--table1: expected results of DIP, paper, paper-calibrated, default with pixels dropped in"),
        (
            ["--update", readme],
            "README.md: expected one of the tables summary faces, quality faces, detail faces, got 'table1'",
        ),
    ):
        status, _, err = faceinpaint(*line, *option)
        assert status == 2
        assert message in err
    assert "old" in readme.read_text()
    assert grey == [1]


# ----------------------------------------------------------------------------------------------------- demo and doctor


def test_demo_writes_a_contact_sheet_and_prints_figures(faceinpaint, model, out, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    status, said, err = faceinpaint("demo", "--model", model, "--iterations", 2, "-o", out, "--device", "cpu")
    assert (status, err) == (0, "")
    blank = np.zeros((64, 64, 3), np.uint8)
    expected = contact_sheet(demo.COLUMNS, {name: [blank] * len(demo.COLUMNS) for name in demo.HOLES})
    sheet = read_image(out)
    assert sheet.shape == expected.shape
    assert sheet.std() > 20
    for word in (*demo.HOLES, "PSNR", "SSIM", "seconds", "dB", str(out)):
        assert word in said.replace("\n", ""), word


def test_demo_follows_the_seed(faceinpaint, model, tmp_path):
    sheets = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        faceinpaint("demo", "--model", model, "--iterations", 1, "-o", tmp_path / f"{name}.png", "--seed", seed)
        sheets.append(read_image(tmp_path / f"{name}.png"))
    assert_array_equal(sheets[0], sheets[1])
    assert (sheets[0] != sheets[2]).any()


def test_doctor_tells_versions_and_sha256(faceinpaint, model):
    status, said, err = faceinpaint("doctor", "--model", model)
    assert (status, err) == (0, "")
    findings = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert findings["python"] == ".".join(map(str, sys.version_info[:3]))
    assert findings["torch"] == torch.__version__
    assert findings["numpy"] == np.__version__
    assert f"{torch.get_num_threads()} threads" in findings["processor"]
    assert "640 images seen" in findings["model"]
    for name in ("generator", "discriminator"):
        digest = hashlib.sha256((model / f"{name}.safetensors").read_bytes()).hexdigest()
        assert findings[name] == f"sha256 {digest}"


def test_doctor_of_a_model_without_a_past(faceinpaint, model):
    for training in ({}, None, "long"):
        config = read_config(model) | {"training": training}
        (model / "config.json").write_text(json.dumps(config))
        status, said, _ = faceinpaint("doctor", "--model", model)
        assert status == 0
        assert "? images seen" in said


def test_bench_shows_and_writes_what_it_measured(faceinpaint, tmp_path, monkeypatch):
    from faceinpaint_fast.benchmarks import search as comparisons
    from faceinpaint_fast.benchmarks.comparison import Row

    quick = Row(what="this", rival="that", ours=lambda: None, theirs=lambda: None, at_least=None)
    monkeypatch.setattr(comparisons, "comparisons", lambda _: {"quick": lambda: quick})
    out = tmp_path / "new" / "table.md"
    status, said, _ = faceinpaint("bench", "--device", "cpu", "--out", out)
    assert status == 0
    assert "| this |" in out.read_text()
    assert "this" in said


def test_parity_shows_and_writes_what_it_found(faceinpaint, model, tmp_path, monkeypatch):
    from faceinpaint_fast.parity import functions as checks
    from faceinpaint_fast.parity.report import Check

    asked = []

    def quick(*arguments):
        asked.append(arguments)
        yield Check("this", (2, 3), "float32", 3e-7, 1e-5)

    monkeypatch.setattr(checks, "checks", quick)
    out = tmp_path / "new" / "table.md"
    status, said, err = faceinpaint("parity", "--device", "cpu", "--model", model, "--seed", 5, "--out", out)
    assert (status, err) == (0, "")
    assert [line.split() for line in said.splitlines()[1:]] == [
        ["this", "2x3", "float32", "3.0e-07", "1.0e-05", "pass"],
        ["1", "rows", "on", "cpu,", "0", "failed"],
    ]
    assert "| this | 2x3 | float32 | 3.0e-07 | 1.0e-05 | pass |" in out.read_text()
    assert f"- torch: {torch.__version__}" in out.read_text()
    ((loaded, device, seed),) = asked
    assert loaded.config == read_config(model)
    assert (device, seed) == (torch.device("cpu"), 5)


def test_parity_refuses_before_any_work(refused, model, tmp_path):
    assert "expected a file to write to, got a folder" in refused("parity", "--model", model, "--out", tmp_path)
    assert "expected a model folder" in refused("parity", "--model", tmp_path, "--out", tmp_path / "table.md")
    assert "device: expected auto or" in refused("parity", "--model", model, "--device", "abacus")


def test_a_broken_kernel_fails_parity(faceinpaint, model, tmp_path, monkeypatch):
    from faceinpaint_fast import _cpu
    from faceinpaint_fast.parity import functions as checks

    monkeypatch.setattr(checks, "checks", lambda _, device, __: checks.weights(device))
    assert faceinpaint("parity", "--device", "cpu", "--model", model)[0] == 0
    kernel = _cpu.weight_map

    def broken(*arguments, out, **options):
        kernel(*arguments, out=out, **options)
        out *= 1.001

    monkeypatch.setattr(_cpu, "weight_map", broken)
    out = tmp_path / "table.md"
    status, said, err = faceinpaint("parity", "--device", "cpu", "--model", model, "--out", out)
    # a result, not a mistake in the line: the table is whole
    assert (status, err) == (1, "")
    rows = said.splitlines()[1:-1]
    assert all(row.endswith("FAIL") for row in rows)
    assert said.splitlines()[-1] == f"{len(rows)} rows on cpu, {len(rows)} failed"
    assert out.read_text().count("FAIL") == len(rows)
