"""Mirrored known pixels in T: the reference's, only where they belong, and the more the more alike the sides are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import masks
from faceinpaint_fast.reference.symmetry import mirrored as reference_mirrored
from faceinpaint_fast.symmetry import mirrored

KINDS = ("left", "centre", "free-form", "drop-80")


@pytest.fixture
def case(rng):
    """Images with a fourth of their width in common between the sides, holes of four kinds, and a T."""
    images, generated = rng.random((2, 4, 32, 40, 3))
    images[:, :8] = (images[:, :8] + images[:, :8, ::-1]) / 2
    return images, np.stack([masks.draw(name, (32, 40), 3) for name in KINDS]), generated


def test_it_is_the_reference_s(case):
    found = mirrored(*case)
    assert abs(found - case[2]).max() > 0.04
    assert_allclose(found, reference_mirrored(*case), rtol=0, atol=1e-12)


def test_only_missing_pixels_whose_mirror_image_is_known_change(case):
    _, missing, generated = case
    changed = (mirrored(*case) != generated).any(axis=-1)
    assert not changed[~(missing & ~missing[:, :, ::-1])].any()
    assert changed[0, :, :15].all()


@pytest.mark.parametrize("content", [0.0, np.nan])
def test_what_the_hole_contains_does_not_matter(content, case):
    images, missing, generated = case
    others = np.where(missing[..., None], content, images)
    assert_array_equal(mirrored(others, missing, generated), mirrored(*case))


def test_a_symmetric_face_takes_most_of_its_other_side_and_another_hardly_any(rng):
    half = rng.random((1, 64, 32, 3))
    face, missing = np.concatenate([half, half[:, :, ::-1]], axis=2), masks.half((64, 64), "left")[None]
    deep = np.s_[0, 8:-8, :20]
    assert abs(mirrored(face, missing, face) - face).max() == 0
    # T is off by a little: 0.8 of that goes away deep in the hole
    off = face + 0.02
    assert_allclose((mirrored(face, missing, off) - face)[deep].mean(), 0.02 * 0.23, rtol=0.1)
    assert abs(mirrored(face, missing, off) - off)[0, :, 31].mean() < 0.1 * 0.02
    stranger = 1 - face
    assert abs(mirrored(face, missing, stranger) - stranger)[deep].mean() < 0.05 * abs(face - stranger)[deep].mean()
