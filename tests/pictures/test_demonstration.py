"""The demonstration: the method restores a real face under holes as users have them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import Inpainter, poisson_blend
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108, CELEBA_148, Framing
from faceinpaint_fast.pictures.demonstration import HOLES, ROWS, corner, demo_sheet, eye, restore_holes, scratches


@pytest.fixture(scope="module")
def face():
    return astronaut(CELEBA_108, 64)


@pytest.fixture(scope="module")
def found(face):
    return restore_holes(Inpainter.from_pretrained(device="cpu"), face)


@pytest.mark.parametrize("framing", [CELEBA_108, CELEBA_148], ids=str)
@pytest.mark.parametrize("size", [32, 64, 128])
def test_holes_lie_where_their_names_say(framing, size):
    holes = {name: draw(size, framing, 0) for name, draw in HOLES.items()}
    for name, hole in holes.items():
        assert hole.shape == (size, size)
        assert hole.dtype == np.bool_
        # none is half of a face
        assert 0.02 < hole.mean() < 0.3, name
    points = framing.points_in(size).round().astype(int)
    covered = [bool(eye(size, framing, 0)[y, x]) for x, y in points]
    # of the eyes, the nose and the mouth one eye alone
    assert covered == [False, True, False, False, False]
    assert [corner(size, framing, 0)[i, j] for i in (0, -1) for j in (0, -1)] == [False, False, False, True]
    # scratches are thin
    missing = scratches(size, framing, 0)
    runs = np.lib.stride_tricks.sliding_window_view(missing, 1 + size // 16, axis=1).all(axis=-1)
    assert runs.mean() < 0.1 * missing.mean()


def test_holes_follow_the_seed_and_a_framing_without_points():
    for name in ("a scribble", "scratches"):
        assert (HOLES[name](64, CELEBA_108, 0) != HOLES[name](64, CELEBA_108, 1)).any()
    assert_array_equal(eye(64, Framing.parse("0,0,50"), 0), eye(64, CELEBA_108, 0))


def test_large_holes_are_restored_with_more_structure_than_a_smooth_fill_has(face, found):
    assert [each.name for each in found] == list(HOLES)
    for each in found:
        assert_array_equal(each.inpainting.image[~each.hole], face[~each.hole])
        smooth = quality(poisson_blend(face, np.zeros_like(face), each.hole) / 255, face / 255, each.hole)
        # of what lies beyond the face there are many, so one that is plausible need not be near the original
        if each.name != "a corner torn off":
            assert each.quality.hole_ssim > smooth.hole_ssim
        if each.name == "an eye covered":
            assert each.quality.hole_ssim > smooth.hole_ssim + 0.2


def test_the_sheet_shows_every_hole(face, found):
    sheet = demo_sheet(face, found)
    height, width = 28 + (28 + 3 * 64 + 12) * len(ROWS), 12 + (3 * 64 + 12) * len(HOLES)
    assert sheet.shape == (height, width, 3)
    # enlarged threefold; the last row is the original, below every hole
    for row, pictures in enumerate(
        (
            [np.where(each.hole[..., None], 255, face) for each in found],
            [each.inpainting.image for each in found],
            [face] * len(found),
        )
    ):
        top = 28 + (28 + 3 * 64 + 12) * row + 28
        for i, picture in enumerate(pictures):
            left = 12 + (3 * 64 + 12) * i
            enlarged = picture.repeat(3, axis=0).repeat(3, axis=1)
            assert_array_equal(sheet[top : top + 192, left : left + 192], enlarged)
