"""Holes of photographs, drawn in the frame of a face."""

from __future__ import annotations

import numpy as np
import pytest

from faceinpaint_fast.evaluation.photo_holes import HOLES, MEANS, MIDDLE, draw
from faceinpaint_fast.photo.frame import Frame, lattice

SHAPE = (300, 280)


def framed(scale, size=64):
    means = (MEANS + 0.5) * size / 64 - 0.5
    return Frame.of(MEANS * scale + 40, means, size)


# shares of the frame, but for strokes and scratches
SHARES = {
    "one eye": np.pi * 9 * 7 / 64**2,
    "both eyes": 45 * 14 / 64**2,
    "nose and mouth": 29 * 23 / 64**2,
    "left half": 0.5,
    "60 % dropped": 0.6,
}


@pytest.mark.parametrize("name", HOLES)
@pytest.mark.parametrize("scale", [1.5, 3])
def test_holes_lie_in_the_frame_and_grow_with_it(name, scale):
    frame = framed(scale)
    hole = draw(name, frame, SHAPE, 1)
    assert (hole.shape, hole.dtype) == (SHAPE, np.bool_)
    assert hole.any()
    assert not hole[frame.depth(lattice(SHAPE)) > 1].any()
    share = hole.sum() / (64 * scale) ** 2
    if name in SHARES:
        assert share == pytest.approx(SHARES[name], rel=0.05)


def test_features_are_where_they_are_called():
    frame = framed(3)
    eyes = np.round(frame.to_photo(MEANS)).astype(int)
    for name, hit in {"one eye": [0], "both eyes": [0, 1], "nose and mouth": [2, 3, 4], "left half": [0, 2, 3]}.items():
        hole = draw(name, frame, SHAPE, 0)
        assert [i for i, (x, y) in enumerate(eyes) if hole[y, x]] == hit


def test_a_thick_scratch_goes_over_an_eye_and_the_mouth_and_a_thin_one_is_within_it():
    frame = framed(3)
    thin, thick = (draw(name, frame, SHAPE, 5) for name in ("thin scratch", "thick scratch"))
    assert not (thin & ~thick).any()
    assert thick.sum() > 4 * thin.sum()
    at = frame.to_model(lattice(SHAPE)[thick].astype(float))
    for point in MEANS[[0, 4]]:
        assert np.linalg.norm(at - point, axis=-1).min() < 6


@pytest.mark.parametrize("name", ["thin scratch", "free-form", "60 % dropped"])
def test_a_seed_draws_the_same_again_and_another_another(name):
    first, again, other = (draw(name, framed(3), SHAPE, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_a_model_of_another_size_gets_the_same_holes():
    small, large = draw("one eye", framed(3), SHAPE, 0), draw("one eye", framed(3, 128), SHAPE, 0)
    assert (small == large).mean() > 0.999


def test_the_middle_is_the_frames():
    assert MIDDLE == 31.5
