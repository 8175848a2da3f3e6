"""Pictures of what was done with a photograph."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from skimage import data

pytest.importorskip("cv2", reason="the extra photo is not installed")

from faceinpaint_fast import Inpainter
from faceinpaint_fast.faces import ASTRONAUT
from faceinpaint_fast.photo.restorer import Restorer
from faceinpaint_fast.pictures import photographs
from faceinpaint_fast.pictures.contact_sheet import SHOWN
from faceinpaint_fast.pictures.photo_steps import FACES, RESTORED, SHEET, STEPS, steps

POINTS = ASTRONAUT - (110, 0)


@pytest.fixture
def photo():
    return data.astronaut()[:260, 110:340].copy()


@pytest.fixture
def hole(photo):
    rows, columns = np.indices(photo.shape[:2])
    return np.hypot(columns - POINTS[0, 0], rows - POINTS[0, 1]) < 14


@pytest.fixture
def restorer(generator, discriminator):
    return Restorer(Inpainter(generator, discriminator, device="cpu"), detector=lambda _: [POINTS])


def test_a_picture_a_step_and_one_sheet(restorer, photo, hole):
    result = restorer(photo, hole, mirror="on")
    pictures = steps(photo, hole, result)
    named = [f"face-1-{name.replace(' ', '-')}" for name in STEPS]
    assert list(pictures) == [FACES, *named, SHEET]
    for name in named:
        assert pictures[name].shape[:2] == (SHOWN, SHOWN)
    assert (pictures["face-1-damaged"] == 255).all(axis=-1).mean() > 0.02
    assert (pictures["face-1-restored"] != pictures["face-1-blend-of-T"]).any()
    # trust lies in the hole alone
    trusted = pictures["face-1-trust"] > 0
    assert 0 < trusted.mean() < 0.1


def test_points_are_where_they_were_found(restorer, photo, hole):
    faces = steps(photo, hole, restorer(photo, hole))[FACES]
    x, y = np.round(POINTS[4]).astype(int)
    assert_array_equal(faces[y, x], RESTORED)
    assert faces.shape == photo.shape


def test_a_hole_that_touches_no_face_has_no_sheet(restorer, photo, hole):
    far = np.roll(hole, (140, 100), (0, 1))
    assert list(steps(photo, far, restorer(photo, far))) == [FACES]


def test_a_sheet_has_a_column_a_photograph(restorer, photo, tmp_path):
    from faceinpaint_fast.evaluation.photographs import found_in

    found = dict(enumerate(found_in(restorer, {"a": photo, "b": photo // 2})))
    sheet = photographs.sheet(restorer, found, "one eye")
    width, height = photographs.SHOWN
    assert sheet.shape[0] > 4 * height
    assert 2 * width < sheet.shape[1] < 3 * width
    photographs.write(tmp_path / "sheet.jpg", sheet)
    assert (tmp_path / "sheet.jpg").stat().st_size < sheet.size / 8


def test_a_strip_is_side_by_side(photo):
    strip = photographs.strip([photo, photo], gap=3)
    assert strip.shape == (260, 2 * 230 + 3, 3)
    assert_array_equal(strip[:, 233:], photo)
