"""The command line as a whole: help, errors of the user's as one line and exit status 2, and what nothing survives."""

from __future__ import annotations

import importlib.metadata
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

import faceinpaint_fast
from faceinpaint_fast import Inpainter, InputError
from faceinpaint_fast.cli.main import main
from faceinpaint_fast.images import write_image
from faceinpaint_fast.models import read_config

COMMANDS = ("inpaint", "serve", "demo", "train", "calibrate", "frechet", "evaluate", "parity", "export", "doctor")


def test_help_does_not_wait_for_torch():
    script = """
import sys
from faceinpaint_fast.cli.main import main
sys.argv = ["faceinpaint", "--help"]
try:
    main()
except SystemExit as exit:
    assert not exit.code, exit.code
slow = {"torch", "scipy", "skimage", "cupy", "triton", "matplotlib", "fastapi", "uvicorn"} & set(sys.modules)
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


def test_the_version_is_told_and_has_one_source(faceinpaint):
    assert faceinpaint("--version") == (0, f"faceinpaint {faceinpaint_fast.__version__}\n", "")
    assert importlib.metadata.version("faceinpaint_fast") == faceinpaint_fast.__version__


@pytest.mark.parametrize("module", ["faceinpaint_fast", "faceinpaint_fast.cli"])
def test_python_runs_the_package_as_the_command(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"faceinpaint {faceinpaint_fast.__version__}\n"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("inpaint", ["--out", "--seed", "--iterations", "--config", "--model", "--device", "--invert", "--save-steps"]),
        ("serve", ["--host", "--port", "--token", "--workers", "--batch", "--window", "--queue", "--deadline"]),
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
        ("fine-tune", ["--out", "--images", "--cooldown", "--game", "--ema", "--misaligned", "--crop", "--device"]),
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
            main()


def test_an_error_of_the_programs_own_is_one_line_that_says_so(monkeypatch, capsys, picture, model, out):
    def fail(*_, **__):
        raise AttributeError("a bug")

    monkeypatch.setattr(Inpainter, "__call__", fail)
    monkeypatch.setattr(sys, "argv", ["faceinpaint", "inpaint", str(picture), "centre", "-o", str(out)])
    monkeypatch.setattr("faceinpaint_fast.models.SHIPPED", model.parent)
    monkeypatch.setattr("faceinpaint_fast.models.DEFAULT", model.name)
    with pytest.raises(SystemExit) as end:
        main()
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
    command = [sys.executable, "-m", "faceinpaint_fast", "inpaint", str(path), "centre", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"faceinpaint: {path}: expected an image file that can be read whole, got ")
    assert done.stderr.count("\n") == 1
    done = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "InputError" in done.stderr.splitlines()[-1]
    assert not out.exists()


@pytest.mark.parametrize(
    "terminal",
    [
        {"PYTHONIOENCODING": "cp1252:strict"},
        {"PYTHONIOENCODING": "utf-8:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_a_terminal_need_not_have_every_sign(tmp_path, terminal):
    """Neither for a file's name, of which a byte is no UTF-8, nor for the ± of a table."""
    script = """
from pathlib import Path
import numpy as np
from faceinpaint_fast.cli import console
from faceinpaint_fast.cli.main import app, main
from faceinpaint_fast.images import write_image
@app.command()
def say(path: Path):
    write_image(path, np.zeros((2, 2, 3), np.uint8))
    print(f"{path}: 1 ± 2 µs")
    console.print_table("± µ", ["ж"], [["±"]])
    console.print_markdown("| ± |\\n| --- |\\n| ж |\\n")
    console.remark("± ж")
    with console.counting_bar() as bar:
        bar.advance(bar.add_task("±", total=1))
main()
"""
    (tmp_path / "say.py").write_text(script, encoding="utf-8")
    name = os.fsencode(tmp_path) + "/я ± \U0001f600".encode() + b"\xff.png"
    command = [sys.executable, tmp_path / "say.py", "say", name]
    done = subprocess.run(command, capture_output=True, env=os.environ | terminal, check=False)
    assert (done.returncode, b"faceinpaint: " in done.stderr, b"Error" in done.stderr) == (0, True, False)
    assert os.path.exists(name)  # noqa: PTH110 - bytes
    assert b": 1 " in done.stdout


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
    assert "expected a model folder" in refused("calibrate", tmp_path / "in the way", tmp_path / "nowhere")
    assert "expected a model folder" in refused("frechet", tmp_path / "in the way", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (["bench", "--out", "new/PLACE"], "table.md"),
        (["parity", "--model", "nowhere", "--out", "new/PLACE"], "table.md"),
        (["evaluate", "nowhere", "--model", "nowhere", "--out", "PLACE"], "results"),
        (["evaluate", "--model", "nowhere", "--out", "results", "--figures", "PLACE"], "figures"),
        (["evaluate", "--model", "nowhere", "--figures", "new", "--update", "new/PLACE"], "README.md"),
        (["evaluate", "--model", "nowhere", "--figures", "new/PLACE"], "fig14.png"),
        (["export", "model", "--out", "new/PLACE"], "model.pt2"),
        (["demo", "--model", "nowhere", "--out", "new/PLACE"], "demo.png"),
        (["train", "nowhere", "--out", "new/PLACE"], "generator.safetensors"),
        (["train-encoder", "new/PLACE"], "encoder.safetensors"),
        (["fine-tune", "nowhere", "nowhere", "--out", "new/PLACE"], "encoder.safetensors"),
        (["inpaint", "face.png", "centre", "--model", "nowhere", "--out", "new/PLACE"], "face.png"),
        (["inpaint", "nowhere", "centre", "-o", "a.png", "--save-steps", "new/PLACE"], "divergence.png"),
    ],
    ids=lambda value: "-".join(value[:1]) if isinstance(value, list) else value,
)
@pytest.mark.usefixtures("model")
def test_a_protected_file_is_refused_before_any_work(refused, tmp_path, monkeypatch, line, place):
    """Each command looks first at all that it will write: the model that it would load is not even there."""
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / "new", tmp_path):
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        path.write_text("<!-- evaluate: table1 -->\n<!-- end -->\n")
        path.chmod(0o444)
    # of a folder that is to be written into, the file in it
    inside = place.endswith((".safetensors", "fig14.png", "divergence.png"))
    told = [part.replace("PLACE", "" if inside else place) for part in line]
    assert f"{place}" in (message := refused(*told))
    assert "expected a place that can be written to" in message


@pytest.mark.parametrize("command", ["bench", "parity", "demo"])
def test_what_was_found_is_shown_although_it_cannot_be_written(faceinpaint, model, out, monkeypatch, command):
    from faceinpaint_fast.benchmarks import report as benchmark
    from faceinpaint_fast.benchmarks.comparison import Comparison
    from faceinpaint_fast.parity import report as parity

    def no_space(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    quick = Comparison(what="this", rival="that", ours=lambda: None, theirs=lambda: None, at_least=None)
    monkeypatch.setattr(benchmark, "comparisons", lambda _: {"quick": lambda: quick})
    monkeypatch.setattr(parity, "checks", lambda *_: [])
    line, shown = {
        "bench": (["--out", out], "what"),
        "parity": (["--model", model, "--out", out], "0 failed"),
        "demo": (["--model", model, "--iterations", 1, "--out", out], "dB"),
    }[command]
    status, said, err = faceinpaint(command, *line)
    assert (status, shown in said, "No space left on device" in err) == (2, True, True)


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
    (model / "config.json").write_text(json.dumps(read_config(model).describe() | {"width": 5}))
    assert "size mismatch" in refused("inpaint", picture, "centre", "-o", out, "--model", model)
    (model / "config.json").write_text("{}")
    assert "expected a model's description" in refused("inpaint", picture, "centre", "-o", out, "--model", model)


def test_a_command_that_there_is_not_is_no_slip_for_another(refused):
    assert "Did you mean" not in refused("batch")
