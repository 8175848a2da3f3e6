"""A contact sheet: pictures enlarged, framed and labelled."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast.pictures.contact_sheet import FRAME, LABEL, MARGIN, PAGE, SHOWN, contact_sheet


def test_a_contact_sheet_has_labels(rng):
    picture = rng.integers(0, 255, (8, 8, 3), np.uint8)
    with_names = contact_sheet(["one", "two"], {"row": [picture, picture]})
    without = contact_sheet(["", ""], {"": [picture, picture]})
    assert with_names.shape == without.shape
    assert (with_names != without).any()


@pytest.mark.parametrize(("size", "scale"), [(32, 6), (64, 3), (100, 1), (128, 1), (256, 1)])
def test_pictures_of_any_size_are_shown_about_as_large(rng, size, scale):
    picture = rng.integers(0, 255, (size, size, 3), np.uint8)
    sheet = contact_sheet(["one"], {"row": [picture]})
    assert sheet.shape == (28 + 28 + scale * size + 12, 12 + scale * size + 12, 3)
    enlarged = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    assert_array_equal(sheet[56 : 56 + scale * size, 12 : 12 + scale * size], enlarged)


def test_rows_of_a_sheet_go_on_beside_the_others(rng):
    pictures = list(rng.integers(0, 255, (3, 64, 64, 3), np.uint8))
    sheet = contact_sheet(
        ["column"], dict(zip("abc", ([picture] for picture in pictures), strict=True)), title="title", deep=2
    )
    for place, picture in zip(((0, 0), (1, 0), (0, 1)), pictures, strict=True):
        top, left = 3 * LABEL + (LABEL + SHOWN + MARGIN) * place[0], MARGIN + (SHOWN + 2 * MARGIN) * place[1]
        enlarged = picture.repeat(3, axis=0).repeat(3, axis=1)
        assert_array_equal(sheet[top : top + SHOWN, left : left + SHOWN], enlarged)
    # each is framed by a line, and both blocks have the column's name above them
    assert (sheet[3 * LABEL - 1, MARGIN - 1 : MARGIN + 193] == FRAME).all()
    assert (sheet[3 * LABEL - 1 : 3 * LABEL + 193, MARGIN + 192] == FRAME).all()
    block = sheet.shape[1] // 2
    assert_array_equal(sheet[LABEL : 2 * LABEL, :block], sheet[LABEL : 2 * LABEL, block:])
    assert (sheet[LABEL : 2 * LABEL] < 128).any()
    assert (sheet[:LABEL] < 128).any()


def test_captions_stand_below_their_pictures(rng):
    picture = rng.integers(0, 255, (64, 64, 3), np.uint8)
    captions = {"a": ["", "24.5 dB"], "b": ["", ""]}
    sheet = contact_sheet(["", ""], {"a": [picture, picture], "b": [picture, picture]}, captions=captions)
    line = LABEL + SHOWN + LABEL
    assert sheet.shape == (LABEL + 2 * line, MARGIN + 2 * (SHOWN + MARGIN), 3)
    written = []
    for row in range(2):
        below = sheet[(row + 1) * line + 1 : (row + 1) * line + LABEL]
        written += [bool((below[:, MARGIN + i * (SHOWN + MARGIN) :][:, :SHOWN] < 128).any()) for i in range(2)]
    assert written == [False, True, False, False]


@pytest.mark.parametrize(("columns", "scale"), [(4, 3), (5, 2), (6, 2), (7, 1), (40, 1)])
def test_a_sheet_is_no_wider_than_a_page_if_that_can_be(columns, scale):
    picture = np.zeros((64, 64, 3), np.uint8)
    sheet = contact_sheet([""] * columns, {"": [picture] * columns})
    assert sheet.shape[1] == MARGIN + (64 * scale + MARGIN) * columns
    assert sheet.shape[1] <= PAGE or columns == 40
    assert contact_sheet([""], {"": [picture]}, shown=130).shape[1] == 2 * MARGIN + 128
