"""What all classical fills promise."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from numpy.testing import assert_array_equal

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
