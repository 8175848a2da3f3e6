"""What all classical fills promise, and the answers that are known of the libraries'."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.rivals.biharmonic import biharmonic
from faceinpaint_fast.evaluation.rivals.harmonic import harmonic
from faceinpaint_fast.evaluation.rivals.patchmatch import patchmatch
from faceinpaint_fast.evaluation.rivals.telea import telea
from faceinpaint_fast.evaluation.rivals.tv import tv
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108

FILLS = {
    "tv": tv,
    "patchmatch": functools.partial(patchmatch, seeds=[5, 6, 7]),
    "biharmonic": biharmonic,
    "harmonic": harmonic,
    "telea": telea,
}


@pytest.fixture
def faces():
    """Three of odd shape, (3, 41, 38, 3)."""
    face = astronaut(CELEBA_108, 64)[10:51, 13:51] / 255
    return np.stack([face, face[:, ::-1], 1 - face])


@pytest.fixture
def holes():
    """A square, none at all, scattered pixels."""
    shape = 41, 38
    return np.stack([masks.centre(shape, 12), np.zeros(shape, np.bool_), masks.random_pixels(shape, 0.7, seed=1)])


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_known_pixels_stay_and_what_a_hole_contains_does_not_matter(fill, faces, holes):
    given = faces.copy()
    found = fill(faces, holes)
    assert_array_equal(faces, given)
    assert found.dtype == np.float64
    assert_array_equal(found[~holes], faces[~holes])
    assert_array_equal(found[1], faces[1])
    assert found.min() >= 0
    assert found.max() <= 1
    for content in (np.nan, 1e9):
        assert_array_equal(fill(np.where(holes[..., None], content, faces), holes), found)


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_the_holes_are_filled_from_what_surrounds_them(fill, faces, holes):
    found = fill(faces, holes)
    for i in (0, 2):
        missing = faces[i][holes[i]]
        by_mean = np.abs(faces[i][~holes[i]].mean(axis=0) - missing).mean()
        assert np.abs(found[i][holes[i]] - missing).mean() < 0.7 * by_mean


def test_biharmonic_results_are_clipped():
    """Two slopes rise to white on either side of a gap: the pixels in it would be lighter than white."""
    distance = np.abs(np.arange(25) - 12)
    image = np.broadcast_to(1 - np.maximum(distance - 5, 0)[:, None, None] / 10, (1, 25, 24, 3))
    hole = np.broadcast_to(distance[:, None] < 5, (1, 25, 24))
    assert_array_equal(biharmonic(image, hole)[hole], 1)


def test_biharmonic_restores_a_cubic_far_from_the_border():
    y, x = np.mgrid[:32, :32] / 32
    cubic = np.stack([0.2 + 0.5 * x - 0.3 * y, 0.3 + x**2 * y - 0.4 * y**3, 0.9 - 0.3 * x**3 - 0.2 * x * y], axis=-1)
    # scikit-image solves directly: only rounding is lost
    assert_allclose(biharmonic(cubic[None], masks.centre((32, 32), 12)[None])[0], cubic, rtol=0, atol=1e-9)


def test_harmonic_pixels_are_the_mean_of_their_neighbours(faces):
    hole = masks.centre((41, 38), 16)
    found = harmonic(faces[:1], hole[None])[0]
    mean = (found[:-2, 1:-1] + found[2:, 1:-1] + found[1:-1, :-2] + found[1:-1, 2:]) / 4
    inside = hole[1:-1, 1:-1]
    # the solver stops at a relative residual of 1e-5
    assert_allclose(found[1:-1, 1:-1][inside], mean[inside], rtol=0, atol=1e-5)


def test_telea_restores_a_constant():
    image = np.full((1, 20, 20, 3), 0.2)
    # OpenCV takes the image's slope where the front meets itself for content: a byte or two
    assert_allclose(telea(image, masks.centre((20, 20))[None]), image, rtol=0, atol=2.5 / 255)
