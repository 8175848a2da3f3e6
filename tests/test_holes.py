"""Which hole a damaged picture has, and which is doubted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from faceinpaint_fast import masks
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.holes import is_said, read_hole
from faceinpaint_fast.picture_file import PictureFile

HOLE = masks.free_form((64, 64), 1)


@pytest.fixture
def drawn():
    """A face with red strokes where the hole is."""
    return np.where(HOLE[..., None], np.array([255, 0, 0], np.uint8), astronaut(CELEBA_108, 64))


@pytest.fixture
def asked(tmp_path, drawn):
    """What is taken for the hole of that name, in the drawn picture."""
    Image.fromarray(drawn).save(tmp_path / "drawn.png")

    def ask(hole, *, invert=False, force=False):
        picture = PictureFile.read(tmp_path / "drawn.png")
        return read_hole(str(hole), picture, 0, invert=invert, force=force)

    return ask


def saved(path, picture):
    Image.fromarray(picture).save(path)
    return path


def test_says_how_much_is_missing(asked, tmp_path):
    hole, found = asked(saved(tmp_path / "hole.png", HOLE * np.uint8(255)))
    assert_array_equal(hole, HOLE)
    assert found == f"{tmp_path}/hole.png: {HOLE.mean():.1%} of the picture to fill, {HOLE.sum()} of 4096 pixels"


def test_a_folder_of_a_hole_s_name_hides_it_not(asked, tmp_path, monkeypatch):
    (tmp_path / "left").mkdir()
    monkeypatch.chdir(tmp_path)
    assert_array_equal(asked("left")[0], masks.half((64, 64), "left"))


@pytest.mark.parametrize("path", ["holes.gif", "holes/centre", "./middle"])
def test_what_looks_like_a_path_is_one(path, asked):
    with pytest.raises(InputError, match=f"{path}: expected an image file, got nothing: no such file"):
        asked(path)


def test_red_on_black_is_a_hole(asked, tmp_path):
    red = HOLE[..., None] * np.array([200, 0, 0], np.uint8)
    assert_array_equal(asked(saved(tmp_path / "hole.png", red))[0], HOLE)


def test_a_palette_of_three_colours_is_doubted(asked, tmp_path):
    classes = HOLE.astype(np.uint8)
    classes[:8, :8] = 2
    picture = Image.fromarray(classes, "P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 224, 224, 192])
    picture.save(tmp_path / "classes.png")
    with pytest.raises(InputError, match=r"a third level, 38, between 0 and .*% of the picture to fill.*--force"):
        asked(tmp_path / "classes.png")
    assert asked(tmp_path / "classes.png", force=True)[0].sum() == 64


@pytest.mark.parametrize("name", ["drawn.png", "transparent.png"])
def test_the_damaged_picture_is_no_hole(name, asked, drawn, tmp_path):
    opaque = np.where(HOLE, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([drawn, opaque])).save(tmp_path / "transparent.png")
    with pytest.raises(InputError, match=r"expected a hole in two colours, got .* between .*--force"):
        asked(tmp_path / name)


def test_black_strokes_on_white_are_more_than_half(asked, tmp_path):
    path = saved(tmp_path / "hole.png", ~HOLE * np.uint8(255))
    with pytest.raises(InputError, match="got more than half of it"):
        asked(path)
    assert_array_equal(asked(path, invert=True)[0], HOLE)


def test_black_strokes_on_nothing_are_one_level(asked, tmp_path):
    black = np.zeros((64, 64, 4), np.uint8)
    black[HOLE, 3] = 255
    with pytest.raises(InputError, match=r"got one level, 0: 0\.0% of the picture"):
        asked(saved(tmp_path / "hole.png", black))


def test_a_hole_in_the_picture_s_own_transparency(drawn, tmp_path):
    opaque = np.where(HOLE, 0, 255).astype(np.uint8)
    picture = PictureFile.read(saved(tmp_path / "face.png", np.dstack([drawn, opaque])))
    assert_array_equal(read_hole("alpha", picture, 0, invert=False, force=False)[0], HOLE)


def test_alpha_of_a_picture_without_any(asked):
    with pytest.raises(InputError, match="alpha: expected a picture with transparency, got an opaque one"):
        asked("alpha")


@pytest.mark.parametrize("name", ["colour:#ff0000", "color:red"])
def test_a_hole_painted_over_the_picture(name, asked):
    hole, _ = asked(name)
    assert hole[HOLE].all()
    # and a pixel around
    assert hole.mean() < 2 * HOLE.mean()


def test_a_colour_that_is_nowhere_is_no_hole(asked):
    with pytest.raises(InputError, match="got no missing pixel"):
        asked("colour:lime")


def test_a_name_may_ask_for_more_than_half(asked):
    assert asked("drop-80")[0].mean() == pytest.approx(0.8, abs=0.001)


def test_a_hole_drawn_at_random_is_the_seed_s(drawn, tmp_path):
    picture = PictureFile.read(saved(tmp_path / "face.png", drawn))
    first, again, other = (read_hole("random:0.4", picture, seed)[0] for seed in (3, 3, 4))
    assert first.sum() == round(0.4 * 64 * 64)
    assert_array_equal(first, again)
    assert (first != other).any()


def test_the_picture_of_a_hole_may_come_from_elsewhere(drawn, tmp_path):
    """Whatever it is called: a name has no picture."""
    picture = PictureFile.read(saved(tmp_path / "face.png", drawn))
    with saved(tmp_path / "hole.png", HOLE * np.uint8(255)).open("rb") as file:
        hole, found = read_hole("centre", picture, 0, source=file)
    assert_array_equal(hole, HOLE)
    assert found.startswith("centre: ")


@pytest.mark.parametrize("name", ["centre", "random:0.4", "drop-40", "alpha", "colour:red", "color:#ff0000"])
def test_what_is_said_is_no_path(name):
    assert is_said(name)
    assert not is_said(f"{name}.png") or ":" in name
    assert not is_said(f"./{name}")


@pytest.mark.parametrize("name", ["colour:", "alphas", "holes", "holes/a.png", "random:"])
def test_what_is_not_said_may_be_one(name):
    assert not is_said(name)
