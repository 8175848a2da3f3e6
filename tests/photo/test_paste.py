"""The hole of a photograph: its parts, how deep they are, and what fills them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.photo import paste
from faceinpaint_fast.photo.frame import Frame

MEANS = CELEBA_108.detected_in(64)


def framed(x, y, scale=1.0):
    return Frame.of(MEANS * scale + (x, y), MEANS, 64)


def test_parts_go_to_the_frames_that_they_reach_into():
    missing = np.zeros((100, 300), bool)
    missing[10:20, 10:20] = True  # in the first
    missing[40:50, 50:150] = True  # in both
    missing[70, 5] = missing[71, 6] = True  # in the first, whole by a corner
    missing[:, 290:] = True  # in none
    first, second = paste.parts_of(missing, [framed(0, 10), framed(120, 10)])
    assert_array_equal(np.flatnonzero(first.any(axis=0)), [5, 6, *range(10, 20), *range(50, 150)])
    assert_array_equal(np.flatnonzero(second.any(axis=0)), range(50, 150))
    assert not (first | second)[:, 290:].any()


@pytest.mark.parametrize("scale", [1.7, 3, 8])
def test_which_holes_are_thin(scale, rng):
    shape = (round(64 * scale), round(64 * scale))
    frame = framed(0, 0, scale)
    scattered = rng.random(shape) < 0.6
    line, strip = np.zeros((2, *shape), bool)
    line[round(20 * scale) : round(21.5 * scale)] = True
    strip[round(20 * scale) : round(25 * scale)] = True
    assert paste.is_thin(scattered, frame)
    assert paste.is_thin(line, frame)
    assert not paste.is_thin(strip, frame)
    # scattered pixels hide no eye
    assert not paste.is_thin(strip | scattered, frame)


def test_the_smooth_fill_is_the_same_at_any_size():
    """A slope that a hole interrupts, with as many pixels twice along each side."""
    fills = []
    for size in (60, 120):
        at = (np.indices((size, size))[1] + 0.5) / size
        photo = np.stack([np.sin(5 * at)] * 3, axis=-1).astype(np.float32) / 2 + 0.5
        missing = np.zeros((size, size), bool)
        missing[size // 4 : 3 * size // 4, size // 3 : 2 * size // 3] = True
        fills.append(paste.smooth(np.where(missing[..., None], 0, photo), missing))
    halved = fills[1].reshape(60, 2, 60, 2, 3).mean(axis=(1, 3))
    assert_allclose(halved, fills[0], atol=0.02)


def test_one_face_fills_its_part_alone(rng):
    smooth, part = rng.random((40, 50, 3), np.float32), rng.random((20, 20)) < 0.5
    window = slice(5, 25), slice(7, 27)
    restored = rng.random((20, 20, 3), np.float32)
    image = paste.composed(smooth, [(framed(0, 0, 0.6), window, part, restored)])
    expected = smooth.copy()
    expected[window][part] = restored[part]
    assert_allclose(image, expected, atol=1e-6)


def test_two_faces_share_a_part_by_its_depth_in_their_frames():
    missing = np.zeros((64, 160), bool)
    missing[20:40, 5:129] = True
    window = slice(0, 64), slice(0, 160)
    frames = framed(0, 0), framed(70, 0)
    black, white = np.zeros((64, 160, 3), np.float32), np.ones((64, 160, 3), np.float32)
    image = paste.composed(black, [(frames[0], window, missing, black), (frames[1], window, missing, white)])
    row = image[30, 5:129, 0]
    assert row[:25].max() < 0.02  # deep in the first
    assert row[-25:].min() > 0.98
    assert (np.diff(row) > -0.01).all()
    assert 0.3 < row[len(row) // 2] < 0.7
    assert np.abs(np.diff(row)).max() < 0.2  # no edge between them


def test_beyond_its_frame_a_face_soon_is_the_smooth_fill():
    window, part = (slice(0, 64), slice(0, 160)), np.zeros((64, 160), bool)
    part[30] = True
    black, white = np.zeros((64, 160, 3), np.float32), np.ones((64, 160, 3), np.float32)
    row = paste.composed(black, [(framed(0, 0), window, part, white)])[30, :, 0]
    assert_allclose(row[:64], 1)
    assert (np.diff(row[63:73]) < 0).all()
    assert_allclose(row[73:], 0)
