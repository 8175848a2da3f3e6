"""Where the model's square lies in a photograph, and what is drawn of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceinpaint_fast.framing import CELEBA_108, Framing
from faceinpaint_fast.photo.frame import Frame, lattice, window_around

MEANS = CELEBA_108.detected_in(64)


def turned(points, degrees, scale, shift):
    turn = np.exp(1j * np.radians(degrees)) * scale
    z = points @ (1, 1j) * turn + shift @ (1, 1j)
    return np.stack([z.real, z.imag], axis=-1)


@pytest.mark.parametrize("degrees", [0, 20, 180])
@pytest.mark.parametrize("scale", [0.4, 3.1])
def test_a_similarity_is_found_again(degrees, scale):
    points = turned(MEANS, degrees, scale, np.array([40.0, 7.0]))
    frame = Frame.of(points, MEANS, 64)
    assert_allclose(frame.to_model(points), MEANS, atol=1e-9)
    assert_allclose(frame.to_photo(MEANS), points, atol=1e-9)
    assert frame.scale == pytest.approx(scale)


def test_two_eyes_are_enough():
    points = turned(MEANS, 10, 2, np.array([9.0, 9.0]))
    assert_allclose(Frame.of(points[:2], MEANS[:2], 64).matrix, Frame.of(points, MEANS, 64).matrix, atol=1e-9)


def test_the_nearest_similarity_has_no_nearer_beside_it(rng):
    points = turned(MEANS, 10, 2, np.array([9.0, 9.0])) + rng.normal(0, 2, (5, 2))
    frame = Frame.of(points, MEANS, 64)
    error = ((frame.to_model(points) - MEANS) ** 2).sum()
    for _ in range(20):
        other = Frame.of(points + rng.normal(0, 0.3, (5, 2)), MEANS, 64)
        assert ((other.to_model(points) - MEANS) ** 2).sum() >= error


def test_a_moved_and_a_finer_frame_are_the_same_square():
    frame = Frame.of(turned(MEANS, 10, 2, np.array([9.0, 9.0])), MEANS, 64)
    assert_allclose(frame.moved(5, 7).corners() + np.array([5, 7]), frame.corners(), atol=1e-9)
    assert_allclose(frame.finer(3).corners(), frame.corners(), atol=1e-9)
    assert_allclose(frame.finer(2, 8).corners(), frame.corners(8), atol=1e-9)
    assert_allclose(frame.depth(frame.corners()), 1)


@pytest.mark.parametrize("scale", [0.5, 1, 2.6, 9])
def test_what_is_drawn_and_enlarged_is_where_it_was(scale):
    """Of a smooth photograph, at any scale, but for its border."""
    frame = Frame.of(MEANS * scale + 20, MEANS, 64)
    at = lattice((round(64 * scale) + 40, round(64 * scale) + 40)) / scale
    photo = np.stack([np.sin(at[..., 0] / 9), np.cos(at[..., 1] / 9)], axis=-1).astype(np.float32)
    face = frame.drawn(photo)
    expected = (lattice((64, 64)) * scale + 20) / scale
    assert_allclose(face[..., 0], np.sin(expected[..., 0] / 9), atol=0.02)
    assert_allclose(face[..., 1], np.cos(expected[..., 1] / 9), atol=0.02)
    back = frame.enlarged(face, photo.shape)
    inside = frame.depth(lattice(photo.shape)) < 0.9
    assert_allclose(back[inside], photo[inside], atol=0.02)


def test_drawing_does_not_alias():
    """Stripes finer than a model pixel become grey."""
    photo = np.broadcast_to((np.arange(400) // 2 % 2).astype(np.float32), (400, 400))
    frame = Frame.of(MEANS * 6, MEANS, 64)
    assert frame.drawn(photo)[:, 2:-2].std() < 0.01


def test_half_of_a_pixel_missing_is_missing():
    frame = Frame.of(MEANS * 4 + 1.5, MEANS, 64)
    hole = np.zeros((256, 256), bool)
    hole[:, :6] = True
    assert frame.missing(hole).sum(axis=1).tolist() == [2] * 64


def test_windows_lie_in_the_picture():
    assert window_around(np.array([(3.2, 4.0), (9.0, 20.7)]), 2, (50, 40)) == (slice(2, 24), slice(1, 12))
    assert window_around(np.array([(-9.0, -9.0), (99.0, 99.0)]), 2, (50, 40)) == (slice(0, 50), slice(0, 40))
    assert window_around(np.array([(70.0, 70.0), (99.0, 99.0)]), 2, (50, 40)) == (slice(49, 50), slice(39, 40))


def test_detected_points_of_another_picture_are_its_own():
    other = Framing("other", 0, 0, 100, (100, 100), tuple((10.0 + i, 20.0) for i in range(5)))
    assert_allclose(other.detected_in(50), other.points_in(50))
    # MTCNN's lie lower than those of CelebA's alignment
    assert (MEANS[:, 1] > CELEBA_108.points_in(64)[:, 1]).all()
