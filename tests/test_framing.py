"""Which square of a picture a model draws."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import CELEBA_108, CELEBA_148, Framing


def test_the_named_squares_are_centred():
    for framing in (CELEBA_108, CELEBA_148):
        width, height = framing.picture
        assert (framing.x, framing.y) == ((width - framing.side) / 2, (height - framing.side) / 2)
        assert Framing.parse(framing.name) is framing


def test_three_numbers_are_a_square_of_any_picture(rng):
    framing = Framing.parse("3,5,20")
    assert framing == Framing("3,5,20", 3, 5, 20)
    for height, width in ((25, 23), (60, 40)):
        picture = rng.integers(0, 256, (height, width, 3), np.uint8)
        assert_array_equal(framing.cut(picture, 20), picture[5:25, 3:23])
    with pytest.raises(
        InputError, match="image: expected 20x20 or at least 23x25 pixels to be cut to 3,5,20, got 22x25"
    ):
        framing.cut(np.zeros((25, 22, 3), np.uint8), 20)
    with pytest.raises(InputError, match="framing: expected one that says where the eyes lie, got 3,5,20"):
        framing.points_in(64)


@pytest.mark.parametrize("text", ["celeba-109", "", "1,2", "1,2,3,4", "a,b,c", "1.5,2,3", "108"])
def test_anything_else_is_no_crop(text):
    with pytest.raises(InputError, match=f"crop: expected celeba-108, celeba-148 or x,y,side in pixels, got '{text}'"):
        Framing.parse(text)


@pytest.mark.parametrize("text", ["-1,0,9", "0,-1,9", "0,0,0"])
def test_a_square_has_a_place_and_a_side(text):
    with pytest.raises(InputError, match="framing: expected whole x, y >= 0 and side >= 1"):
        Framing.parse(text)


def test_a_framing_does_not_contradict_itself():
    with pytest.raises(InputError, match="framing: expected a square within 20x30 pixels, got mine"):
        Framing("mine", 5, 5, 16, (20, 30))
    with pytest.raises(InputError, match="framing: expected five points or none, got 1"):
        Framing("mine", 5, 5, 10, (20, 30), ((1.0, 2.0),))


def test_a_named_square_is_of_pictures_of_one_size(draw_face):
    picture = np.zeros((218, 178, 3), np.uint8)
    picture[55:163, 35:143] = draw_face(0, 108)
    assert_array_equal(CELEBA_108.cut(picture, 108), draw_face(0, 108))
    small = np.asarray(Image.fromarray(draw_face(0, 108)).resize((64, 64), Image.Resampling.LANCZOS))
    assert_array_equal(CELEBA_108.cut(picture, 64), small)
    assert CELEBA_148.cut(picture, 200).shape == (200, 200, 3)
    with pytest.raises(
        InputError, match="image: expected 108x108 or 178x218 pixels to be cut to celeba-108, got 218x218"
    ):
        CELEBA_108.cut(np.zeros((218, 218, 3), np.uint8), 64)


def test_points_lie_where_the_square_has_them():
    """A dot at each point of the picture is at the framing's points once the square is cut and drawn larger."""
    picture = np.zeros((218, 178, 3), np.uint8)
    columns, rows = np.round(CELEBA_148.points).astype(int).T
    picture[rows, columns] = 255
    size = 4 * CELEBA_148.side
    cut = CELEBA_148.cut(picture, size).max(axis=-1)
    for (x, y), row, column in zip(CELEBA_148.points_in(size), rows, columns, strict=True):
        inside = cut[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9]
        assert inside.max() > 200, (row, column)
    assert_allclose(CELEBA_108.points_in(54)[0], ((69.35 - 35) / 2, (111.3 - 55) / 2))


@pytest.mark.parametrize("framing", [CELEBA_108, CELEBA_148, Framing.parse("3,5,20")], ids=lambda framing: framing.name)
def test_a_framing_survives_json(framing):
    assert Framing.of(json.loads(json.dumps(dataclasses.asdict(framing)))) == framing


@pytest.mark.parametrize(
    "change",
    [{"x": 35.0}, {"side": "108"}, {"side": True}, {"picture": [178, 218.0]}, {"points": [[1.0, 2.0]]}],
    ids=str,
)
def test_a_description_of_no_framing_is_refused(change):
    with pytest.raises(InputError, match="framing: expected"):
        Framing.of(dataclasses.asdict(CELEBA_108) | change)
