"""Holes: the convention (white = fill), reading them, and drawing each kind."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from faceinpaint_fast import masks
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108

PATTERN = np.array([[True, False, False], [False, True, True]])

# (dtype, what is known, what is missing): the last known level and the first missing one
CONVENTION = [
    (np.bool_, False, True),
    (np.uint8, 0, 1),
    (np.uint8, 127, 128),
    (np.uint8, 0, 255),
    (np.float16, 0.4995, 0.5),
    (np.float32, np.nextafter(np.float32(0.5), np.float32(0)), 0.5),
    (np.float64, np.nextafter(0.5, 0), 1.0),
]


@pytest.mark.parametrize(("dtype", "known", "missing"), CONVENTION)
def test_the_convention(dtype, known, missing):
    levels = np.where(PATTERN, np.array(missing, dtype), np.array(known, dtype))
    assert levels.dtype == dtype
    found = masks.as_hole(levels)
    assert found.dtype == np.bool_
    assert_array_equal(found, PATTERN)


def test_uint8_ones_are_known_beside_a_larger_level():
    assert_array_equal(masks.as_hole(np.array([0, 1, 2, 128, 200], np.uint8)), [False, False, False, True, True])


def test_uint8_zeros_are_known():
    assert not masks.as_hole(np.zeros((2, 3), np.uint8)).any()


@pytest.mark.parametrize("last", [0, 1, 2, 255])
@pytest.mark.parametrize("place", [0, 1, 7, 8, 9, 23])
def test_a_level_anywhere_decides_what_uint8_holes_mean(last, place, monkeypatch):
    # eight pixels of one image, four of each of two
    monkeypatch.setattr(masks, "READ_AT_ONCE", 8)
    hole = np.zeros((4, 6), np.uint8)
    hole.flat[:2] = 1
    hole.flat[place] = last
    expected = hole >= (1 if hole.max() == 1 else 128)
    assert_array_equal(masks.as_hole(hole), expected)
    ones = np.eye(4, 6, dtype=np.uint8)
    assert_array_equal(masks.as_hole(np.stack([hole, ones])), np.stack([expected, ones > 0]))
    assert_array_equal(masks.as_hole(np.stack([ones, hole])), np.stack([ones > 0, expected]))


@pytest.mark.parametrize(
    ("hole", "what"),
    [
        (np.array([[0.0, np.nan]]), "NaN"),
        (np.array([[0.0, 255.0]]), "0 to 255"),
        (np.array([[-0.25, 1.0]]), r"-0\.25 to 1"),
        (np.array([[0.0, 1.000001]]), r"0 to 1\.000001"),
        (np.array([[-np.inf, np.inf]], np.float16), "-inf to inf"),
        (np.array([[1.0, np.nan]], np.float32), "NaN"),
        (np.array([[0, 1]], np.int64), "int64"),
        (np.array([[0, 1]], np.uint16), "uint16"),
        (np.array([[0, 1j]]), "complex128"),
        (np.array([["a"]]), "<U1"),
    ],
    ids=str,
)
def test_any_other_hole_is_refused(hole, what):
    with pytest.raises(InputError, match=f"masque: expected .*got {what}"):
        masks.as_hole(hole, "masque")


def noisy(hole, quality):
    """Grey levels of a hole after a JPEG file of that quality."""
    file = BytesIO()
    Image.fromarray(hole * np.uint8(255)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("levels", [(0, 255), (0, 1), (0, 76), (38, 113), (254, 255)])
def test_a_picture_of_two_levels_is_cut_between_them(levels):
    picture = np.where(PATTERN, *np.array(levels[::-1], np.uint8)[:, None, None]).astype(np.uint8)
    assert_array_equal(masks.cut(picture), PATTERN)
    assert masks.doubt(picture) is None


@pytest.mark.parametrize("name", ["centre", "left", "free-form", "drop-30"])
def test_a_hole_survives_a_jpeg_and_another_size(name):
    hole = masks.draw(name, (64, 64), 3)
    for quality in (95, 30):
        assert masks.doubt(noisy(hole, quality)) is None
    assert_array_equal(masks.cut(noisy(hole, 95)), hole)
    if name != "drop-30":
        smooth = np.asarray(Image.fromarray(hole * np.uint8(255)).resize((150, 150), Image.Resampling.BICUBIC))
        assert masks.doubt(smooth) is None
        assert masks.cut(smooth).mean() == pytest.approx(hole.mean(), abs=0.01)


def test_a_picture_of_one_level_is_a_doubtful_hole():
    assert masks.doubt(np.zeros((4, 4), np.uint8)) == "one level, 0"
    assert masks.doubt(np.arange(16, dtype=np.uint8).reshape(4, 4)) == "levels from 0 to 15 alone"


def test_a_third_level_is_doubtful():
    """The background, two classes of a segmentation, and the edges that a smaller size gives them."""
    picture = np.zeros((64, 64), np.uint8)
    picture[10:30, 10:30], picture[40:60, 40:60] = 255, 113
    assert masks.doubt(picture) == "a third level, 113, between 0 and 255"
    smaller = np.asarray(Image.fromarray(picture).resize((48, 48), Image.Resampling.BILINEAR))
    assert "a third level" in masks.doubt(smaller)


def test_a_photograph_is_doubtful():
    ramp = np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(64, axis=0)
    assert masks.doubt(ramp) == "75% of the pixels between its darkest level, 0, and its lightest, 255"
    photograph = np.asarray(Image.fromarray(astronaut(CELEBA_108, 64)).convert("L"))
    assert masks.doubt(photograph) is not None


def test_what_is_more_than_half_transparent_is_missing():
    assert_array_equal(masks.of_transparency(np.array([[0, 127, 128, 255]], np.uint8)), [[True, True, False, False]])


@pytest.mark.parametrize("colour", ["red", "#ff0000", "#f00", "rgb(255, 0, 0)"])
def test_what_was_painted_in_a_colour_is_missing(colour):
    picture = np.full((16, 16, 3), (200, 150, 120), np.uint8)
    picture[4:8, 4:8] = 255, 0, 0
    picture[6, 8] = 240, 40, 40  # the brush's edge
    expected = np.zeros((16, 16), bool)
    expected[3:9, 3:9] = expected[5:8, 7:10] = True
    assert_array_equal(masks.of_colour(picture, colour), expected)


def test_what_is_no_colour_is_refused():
    with pytest.raises(InputError, match="colour: expected a name or #rrggbb, got 'skin'"):
        masks.of_colour(np.zeros((4, 4, 3), np.uint8), "skin")


def test_centre():
    found = masks.centre((64, 64))
    assert found.dtype == np.bool_
    assert found[16:48, 16:48].all()
    assert found.sum() == 32 * 32
    assert masks.centre((64, 64), 10)[27:37, 27:37].all()
    assert masks.centre((64, 64), 10).sum() == 100
    # half the shorter side
    assert_array_equal(np.argwhere(masks.centre((4, 10))), [[1, 4], [1, 5], [2, 4], [2, 5]])
    assert masks.centre((5, 5), 5).all()


@pytest.mark.parametrize("size", [0, -1, 65])
def test_centre_must_fit(size):
    with pytest.raises(InputError, match="rectangle: expected one within 64x64"):
        masks.centre((64, 64), size)


@pytest.mark.parametrize("shape", [(6, 8), (7, 9)])
def test_halves(shape):
    height, width = shape
    left, right, top, bottom = (masks.half(shape, side) for side in ("left", "right", "top", "bottom"))
    assert left[:, : width // 2].all()
    assert left.sum() == height * (width // 2)
    assert_array_equal(right, left[:, ::-1])
    assert top[: height // 2].all()
    assert top.sum() == width * (height // 2)
    assert_array_equal(bottom, top[::-1])


def test_half_of_an_unknown_side():
    with pytest.raises(InputError, match=r"side: expected one of .*got 'middle'"):
        masks.half((64, 64), "middle")


def test_rectangle():
    found = masks.rectangle((6, 8), top=1, left=2, height=3, width=4)
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:6] = True
    assert_array_equal(found, expected)
    assert masks.rectangle((6, 8), top=0, left=0, height=6, width=8).all()


@pytest.mark.parametrize(
    "change", [{"top": -1}, {"left": -1}, {"height": 6}, {"width": 7}, {"height": 0}, {"width": 0}]
)
def test_rectangle_must_lie_within(change):
    with pytest.raises(InputError, match="rectangle: expected one within 6x8, got rows"):
        masks.rectangle((6, 8), **({"top": 1, "left": 2, "height": 3, "width": 4} | change))


@pytest.mark.parametrize(("fraction", "count"), [(0, 0), (0.2, 819), (0.8, 3277), (1, 4096), (1e-4, 0)])
def test_random_pixels_are_as_many_as_asked_for(fraction, count):
    assert masks.random_pixels((64, 64), fraction).sum() == count


def test_random_pixels_depend_on_the_seed_alone():
    one, again, other = (masks.random_pixels((64, 64), 0.5, seed) for seed in (3, 3, 4))
    assert_array_equal(one, again)
    assert (one != other).mean() == pytest.approx(0.5, abs=0.05)


def test_random_pixels_have_the_same_chance_everywhere():
    often = np.mean([masks.random_pixels((8, 8), 0.25, seed) for seed in range(400)], axis=0)
    # 400 draws at 0.25: a standard deviation of 0.022
    assert abs(often - 0.25).max() < 0.1


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_random_pixels_of_an_impossible_fraction(fraction):
    with pytest.raises(InputError, match="fraction: expected 0 to 1"):
        masks.random_pixels((64, 64), fraction)


SHAPES = [(64, 64), (256, 256), (64, 160), (160, 64)]


@pytest.mark.parametrize("shape", SHAPES)
def test_free_form_covers_a_sane_part_of_any_image(shape):
    shares = np.array([masks.free_form(shape, seed).mean() for seed in range(50)])
    # four strokes of 3 to 6 steps, a fifth of the shorter side long and a twelfth wide, that may overlap
    square = min(shape) / max(shape)
    assert (shares > 0.08 * square).all()
    assert (shares < 0.3).all()
    assert 0.15 * square < shares.mean() < 0.25


def test_free_form_depends_on_the_seed_alone():
    one, again, other = (masks.free_form((64, 64), seed) for seed in (3, 3, 4))
    assert one.dtype == np.bool_
    assert_array_equal(one, again)
    assert (one != other).mean() > 0.05


def test_free_form_grows_with_the_image():
    """The same strokes on an image four times as large, but for the rounding of their width and ends."""
    for seed in range(10):
        small, large = masks.free_form((64, 64), seed), masks.free_form((256, 256), seed)
        enlarged = small.repeat(4, axis=0).repeat(4, axis=1)
        assert (enlarged & large).sum() / (enlarged | large).sum() > 0.75


def test_free_form_is_strokes_not_dust():
    """A missing pixel's neighbour below is missing too, but for the lower edge of the strokes."""
    hole = masks.free_form((128, 128), 1)
    assert (hole[:-1] & hole[1:]).sum() > 0.9 * hole[:-1].sum()


def test_more_strokes_cover_more():
    cover = [np.mean([masks.free_form((64, 64), seed, strokes=n).mean() for seed in range(20)]) for n in (1, 4, 12)]
    assert cover[0] < cover[1] < cover[2]
    with pytest.raises(InputError, match="strokes: expected an integer >= 1, got 0"):
        masks.free_form((64, 64), strokes=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (2, 3)])
def test_free_form_on_a_tiny_image(shape):
    assert masks.free_form(shape).shape == shape
    assert masks.free_form(shape).any()


def test_draw_by_name():
    shape = (64, 48)
    for name, expected in {
        "centre": masks.centre(shape),
        "left": masks.half(shape, "left"),
        "right": masks.half(shape, "right"),
        "top": masks.half(shape, "top"),
        "bottom": masks.half(shape, "bottom"),
        "eyes": masks.feature(shape, "eyes"),
        "mouth": masks.feature(shape, "mouth"),
        "free-form": masks.free_form(shape, 5),
        "drop-80": masks.random_pixels(shape, 0.8, 5),
        "drop-0": np.zeros(shape, bool),
        "drop-100": np.ones(shape, bool),
        "random:0.4": masks.random_pixels(shape, 0.4, 5),
        "random:.4": masks.random_pixels(shape, 0.4, 5),
        "random:1": np.ones(shape, bool),
    }.items():
        assert_array_equal(masks.draw(name, shape, 5), expected, err_msg=name)


UNKNOWN = ["", "middle", "drop", "drop-", "drop-x", "drop--5", "drop-0.5", "80", "Left"]


@pytest.mark.parametrize("name", [*UNKNOWN, "random:", "random:x", "random:-1", "random:nan"])
def test_draw_an_unknown_name(name):
    with pytest.raises(InputError, match=f"hole: expected centre, .*drop-PERCENT or random:FRACTION, got '{name}'"):
        masks.draw(name, (64, 64))


@pytest.mark.parametrize("name", [*masks.KINDS.values(), "center", "right", "eyes", "mouth", "drop-0", "drop-100"])
def test_a_name_is_known(name):
    assert masks.is_name(name)
    assert not masks.is_name(name + ".png")


@pytest.mark.parametrize("size", [32, 64, 128])
def test_features_lie_where_the_framing_has_them(size):
    """Eyes, nose and corners of the mouth, (x, y), of CelebA's mean face: under one hole, none and the other."""
    points = CELEBA_108.points_in(size).round().astype(int)
    eyes, mouth = (masks.feature((size, size), name) for name in ("eyes", "mouth"))
    assert [eyes[y, x] for x, y in points] == [True, True, False, False, False]
    assert [mouth[y, x] for x, y in points] == [False, False, False, True, True]
    # 16 x 42 and 13 x 28 of 64 x 64
    assert [hole.mean() for hole in (eyes, mouth)] == pytest.approx([0.164, 0.089], abs=0.01)


def test_features_by_hand():
    hole = masks.feature((64, 64), "eyes")
    assert hole[26:42, 11:53].all()
    assert hole.sum() == 16 * 42
    with pytest.raises(InputError, match="feature: expected one of eyes, mouth, got 'nose'"):
        masks.feature((64, 64), "nose")


def test_center_is_centre():
    assert_array_equal(masks.draw("center", (9, 8)), masks.draw("centre", (9, 8)))


def test_draw_too_many_per_cent():
    for name in ("drop-101", "random:1.01"):
        with pytest.raises(
            InputError, match=f"hole: expected drop-0 to drop-100, or random:0 to random:1, got '{name}'"
        ):
            masks.draw(name, (64, 64))


def test_one_hole_of_each_kind():
    holes = [masks.draw(name, (64, 64)) for name in masks.KINDS.values()]
    assert [hole.mean() for hole in holes] == pytest.approx([0.25, 0.5, 0.2, 0.8], abs=0.1)


@pytest.mark.parametrize("shape", [(8,), (8, 8, 3), 8, None, (0, 8), (8, -1), (8.0, 8), "ab", (True, 8)], ids=repr)
@pytest.mark.parametrize(
    "drawn",
    [
        masks.centre,
        lambda shape: masks.half(shape, "left"),
        lambda shape: masks.rectangle(shape, top=0, left=0, height=1, width=1),
        lambda shape: masks.random_pixels(shape, 0.5),
        masks.free_form,
    ],
    ids=["centre", "half", "rectangle", "random_pixels", "free_form"],
)
def test_an_image_has_a_height_and_a_width(drawn, shape):
    with pytest.raises(InputError, match=r"^(shape|height|width): expected "):
        drawn(shape)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True], ids=repr)
@pytest.mark.parametrize("name", ["free-form", "drop-80"])
def test_a_seed_is_a_whole_number(name, seed):
    with pytest.raises(InputError, match=r"^seed: expected an integer >= 0, got "):
        masks.draw(name, (8, 8), seed)


def test_sizes_are_whole_numbers():
    with pytest.raises(InputError, match=r"^size: expected an integer, got 3\.5"):
        masks.centre((8, 8), 3.5)
    with pytest.raises(InputError, match=r"^top: expected an integer, got 1\.0"):
        masks.rectangle((8, 8), top=1.0, left=0, height=2, width=2)
    with pytest.raises(InputError, match=r"^strokes: expected an integer >= 1, got 1.5"):
        masks.free_form((8, 8), strokes=1.5)
    with pytest.raises(InputError, match=r"^fraction: expected 0 to 1, got 'half'"):
        masks.random_pixels((8, 8), "half")
    with pytest.raises(InputError, match=r"^hole: expected centre, .* got 3"):
        masks.draw(3, (8, 8))
    assert_array_equal(masks.centre((np.int64(8), 8), np.uint8(2)), masks.centre((8, 8), 2))


def test_floats_that_rounding_has_left_outside_are_holes():
    levels = np.where(PATTERN, np.float32(1.0000001), np.float32(-1e-7))
    assert_array_equal(masks.as_hole(levels), PATTERN)
