"""Commands that restore: what they write and print, and what they refuse."""

from __future__ import annotations

import dataclasses
import io
import re
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from skimage import data

from faceinpaint_fast import InpaintConfig, Inpainter, InputError, masks
from faceinpaint_fast.cli.main import main
from faceinpaint_fast.images import read_grey, read_image, write_image
from faceinpaint_fast.pictures import demonstration as demo
from faceinpaint_fast.pictures.contact_sheet import contact_sheet

cv2 = pytest.importorskip("cv2")


def test_inpaint_restores_a_face(faceinpaint, picture, face, model, out, tmp_path, restored):
    hole = masks.rectangle((64, 64), top=20, left=10, height=30, width=15)
    write_image(tmp_path / "hole.png", hole * np.uint8(255))
    asked = "inpaint", picture, tmp_path / "hole.png", "-o", out, "--model", model, "--iterations", 3, "--device", "cpu"
    status, said, err = faceinpaint(*asked)
    assert (status, err) == (0, f"faceinpaint: {tmp_path}/hole.png: 11.0% of the picture to fill, 450 of 4096 pixels\n")
    expected = restored(model, face, hole)
    found = read_image(out)
    assert_array_equal(found, expected.image)
    assert_array_equal(found[~hole], face[~hole])
    assert (found[hole] != face[hole]).any()
    line = re.escape(f"{out}: 11.0% of the picture filled, 1 face, ") + r"\d+\.\d s\n"
    assert re.fullmatch(line, said)
    _, more, _ = faceinpaint(*asked, "--verbose")
    losses = "  ".join(f"{name} {loss:.4f}" for name, loss in expected.losses.items())
    assert re.fullmatch(line + re.escape(f"{losses}\n"), more)
    assert [path.name for path in out.parent.iterdir()] == ["face.png"]


@pytest.mark.parametrize("name", ["centre", "left", "free-form", "drop-80"])
def test_inpaint_draws_a_hole_by_its_name(faceinpaint, picture, face, model, out, name, restored):
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


def test_inpaint_as_the_paper_has_it(faceinpaint, picture, face, model, out, restored):
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
    # the model has no encoder: the default is to search z alone
    assert configs == [InpaintConfig.over_z(), paper, dataclasses.replace(paper, iterations=7)]


def test_the_seed_changes_the_result(faceinpaint, picture, face, model, out, restored):
    results = []
    for seed in (1, 1, 2):
        faceinpaint("inpaint", picture, "centre", "-o", out, "--model", model, "--iterations", 3, "--seed", seed)
        results.append(read_image(out))
    assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()
    assert_array_equal(results[2], restored(model, face, masks.centre((64, 64)), seed=2).image)


def test_save_steps_writes_the_panels_of_figure_6(faceinpaint, picture, face, model, out, tmp_path, restored):
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


def test_an_empty_hole_is_refused_unless_forced(faceinpaint, refused, picture, face, model, out, tmp_path):
    write_image(tmp_path / "hole.png", np.zeros((64, 64), np.uint8))
    asked = "inpaint", picture, tmp_path / "hole.png", "-o", out, "--model", model, "--iterations", 1
    assert refused(*asked).endswith("got one level, 0: 0.0% of the picture to fill, 0 of 4096 pixels; --force to go on")
    status, said, err = faceinpaint(*asked, "--force")
    assert status == 0
    assert said.startswith(f"{out}: ")
    assert "faceinpaint: hole: expected a missing pixel, got none: that image comes back as it is\n" in err
    assert_array_equal(read_image(out), face)


def test_a_full_hole_is_refused(refused, picture, model, out, tmp_path):
    write_image(tmp_path / "hole.png", np.full((64, 64), 255, np.uint8))
    for hole, options in ((tmp_path / "hole.png", ["--force"]), ("drop-100", []), ("drop-0", ["--invert"])):
        err = refused("inpaint", picture, hole, "-o", out, "--model", model, *options)
        assert "hole: expected at least one known pixel" in err


@pytest.mark.parametrize("size", [(64, 60), (128, 128)])
def test_an_aligned_face_of_another_size_is_refused(refused, model, out, tmp_path, size):
    write_image(tmp_path / "face.png", np.zeros((*size, 3), np.uint8))
    err = refused("inpaint", tmp_path / "face.png", "centre", "-o", out, "--model", model, "--aligned")
    assert "images: expected 64x64 pixels" in err


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
    yield text, "got none of a known format"
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
    [(["--iterations", "-1"], "iterations: expected"), (["--device", "gpu"], "device: expected auto or a device")],
)
def test_options_that_do_not_fit_are_refused(refused, picture, model, out, options, message):
    assert message in refused("inpaint", picture, "centre", "-o", out, "--model", model, *options)


def on_stdin(monkeypatch, path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))


def test_a_pipe_takes_a_picture_and_gives_it_back(monkeypatch, capsysbinary, picture, face, model, restored):
    """The picture alone is on stdout; what is said of it goes to stderr."""
    line = ["faceinpaint", "inpaint", "-", "centre", "-o", "-", "--model", str(model), "--iterations", "1"]
    on_stdin(monkeypatch, picture)
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    out, err = capsysbinary.readouterr()
    expected = restored(model, face, masks.centre((64, 64)), iterations=1)
    assert_array_equal(read_image(io.BytesIO(out)), expected.image)
    assert err.splitlines()[-1].startswith(b"faceinpaint: -: 25.0% of the picture filled, 1 face, ")


def test_a_hole_may_come_from_a_pipe(faceinpaint, refused, monkeypatch, picture, face, model, out, tmp_path):
    write_image(tmp_path / "hole.png", masks.centre((64, 64)) * np.uint8(255))
    on_stdin(monkeypatch, tmp_path / "hole.png")
    assert faceinpaint("inpaint", picture, "-", "-o", out, "--model", model, "--iterations", 1)[0] == 0
    assert_array_equal((read_image(out) != face).any(axis=-1) | masks.centre((64, 64)), masks.centre((64, 64)))
    assert "-: expected a picture or a hole on stdin, got both" in refused(
        "inpaint", "-", "-", "-o", tmp_path / "b.png"
    )
    on_stdin(monkeypatch, model / "config.json")
    line = ["--model", model, "-o", tmp_path / "b.png"]
    assert "stdin: expected an image file" in refused("inpaint", "-", "centre", *line)


def test_no_picture_goes_to_a_terminal(refused, monkeypatch, picture, model):
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True, raising=False)
    assert "-: expected stdout to be a file or a pipe, got a terminal" in refused(
        "inpaint", picture, "centre", "-o", "-", "--model", model
    )


@pytest.mark.parametrize("kind", ["grey", "grey16", "rgb16", "rgba"])
def test_a_picture_keeps_its_kind(faceinpaint, face, model, out, tmp_path, kind):
    hole, grey = masks.centre((64, 64)), face[..., 1]
    fine = face.astype(np.uint16) * 256 + np.arange(64, dtype=np.uint16)[:, None]
    before = {
        "grey": grey,
        "grey16": fine[..., 1],
        "rgb16": fine,
        "rgba": np.dstack([face, np.where(hole, 255, 10 + grey // 2).astype(np.uint8)]),
    }[kind]
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), before if before.ndim == 2 else before[..., [2, 1, 0, 3][: before.shape[-1]]])
    steps = tmp_path / "steps"
    line = ["inpaint", path, "centre", "-o", out, "--model", model, "--iterations", 1, "--save-steps", steps]
    status, _, err = faceinpaint(*line)
    assert (status, err) == (0, "")
    after = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    after = after if after.ndim == 2 else after[..., [2, 1, 0, 3][: after.shape[-1]]]
    assert (after.dtype, after.shape) == (before.dtype, before.shape)
    assert_array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).mean() > 0.5
    assert read_image(steps / "generated.png").std() > 5


def test_a_hole_cut_out_of_a_picture_is_filled_and_seen(faceinpaint, face, model, out, tmp_path):
    hole = masks.free_form((64, 64), 1)
    before = np.dstack([face, np.where(hole, 0, 255).astype(np.uint8)])
    Image.fromarray(before).save(tmp_path / "a.png")
    assert faceinpaint("inpaint", tmp_path / "a.png", "alpha", "-o", out, "--model", model, "--iterations", 1)[0] == 0
    with Image.open(out) as image:
        after = np.asarray(image)
    assert (after[..., 3] == 255).all()
    assert_array_equal(after[~hole], before[~hole])


def test_what_a_format_cannot_keep_is_said_in_one_line(faceinpaint, picture, face, model, tmp_path):
    out, hole = tmp_path / "a.jpg", masks.centre((64, 64))
    line = ["inpaint", picture, "centre", "-o", out, "--model", model, "--iterations", 1]
    status, said, err = faceinpaint(*line)
    assert status == 0
    assert said.startswith(f"{out}: ")
    assert err.count("\n") == 1
    assert f"faceinpaint: {out}: JPEG cannot keep known pixels" in err
    # of a photograph the best that JPEG can
    assert abs(read_image(out).astype(int) - face)[~hole].max() <= 3


def test_broken_metadata_are_a_remark(faceinpaint, face, model, out, tmp_path):
    Image.fromarray(face).save(tmp_path / "a.webp", lossless=True, exif=b"no EXIF")
    status, _, err = faceinpaint(
        "inpaint", tmp_path / "a.webp", "centre", "-o", out, "--model", model, "--iterations", 1
    )
    assert status == 0
    assert err == (f"faceinpaint: {tmp_path}/a.webp: its EXIF cannot be read: the pixels are taken as they are\n")


def test_demo_writes_a_contact_sheet_and_prints_figures(faceinpaint, model, out, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    status, said, _ = faceinpaint("demo", "--model", model, "--iterations", 2, "-o", out, "--device", "cpu")
    assert status == 0
    blank = np.zeros((64, 64, 3), np.uint8)
    rows = {name: [blank] * len(demo.HOLES) for name in demo.ROWS}
    expected = contact_sheet(list(demo.HOLES), rows)
    sheet = read_image(out)
    assert sheet.shape == expected.shape
    assert sheet.std() > 20
    for word in (*demo.HOLES, "PSNR", "SSIM", "seconds", "dB", str(out)):
        assert word in said.replace("\n", ""), word


def test_demo_restores_a_photograph_too(faceinpaint, model, out):
    pytest.importorskip("cv2", reason="the extra photo is not installed")
    status, said, err = faceinpaint("demo", "--model", model, "--iterations", 1, "-o", out, "--device", "cpu")
    assert (status, err) == (0, "")
    photo = out.with_stem(f"{out.stem}-photo")
    assert f"{photo}: a photograph, likewise" in said.replace("\n", " ")
    # side by side with a gap between
    strip = read_image(photo)
    damaged, restored, original = (strip[:, first : first + 512] for first in (0, 520, 1040))
    assert strip.shape == (512, 1552, 3)
    changed = (damaged != original).any(axis=-1)
    assert 500 < changed.sum() < 20_000
    assert (damaged[changed] == 255).all()
    assert (restored[changed] != 255).any(axis=-1).mean() > 0.9


def test_demo_follows_the_seed(faceinpaint, model, tmp_path):
    sheets = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        faceinpaint("demo", "--model", model, "--iterations", 1, "-o", tmp_path / f"{name}.png", "--seed", seed)
        sheets.append(read_image(tmp_path / f"{name}.png"))
    assert_array_equal(sheets[0], sheets[1])
    assert (sheets[0] != sheets[2]).any()


def test_a_step_does_not_replace_the_result(refused, picture, model, tmp_path):
    out = tmp_path / "steps" / "weights.png"
    line = refused("inpaint", picture, "centre", "-o", out, "--model", model, "--save-steps", tmp_path / "steps")
    assert "--save-steps: expected another folder, in this one weights.png would replace" in line
