"""An error, and whether it is within tolerance."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from faceinpaint_fast.parity.check import compare, pixels


def test_an_error_is_a_share_of_the_largest_number():
    of = np.zeros((2, 3), np.float32)
    row = compare("this", of, np.array([8.0, 1.5]), np.array([8.0, 1.0]), 0.1)
    assert (row.error, row.passed, row.shape, row.dtype) == (0.0625, True, (2, 3), "float32")
    assert not compare("this", of, np.array([8.0, 1.5]), np.array([8.0, 1.0]), 0.06).passed
    row = compare("this", of, np.array([8.0, 1.5]), np.array([8.0, 1.0]), 0.1, absolute=True)
    assert (row.name, row.error, row.passed) == ("this, absolute", 0.5, False)
    # nothing to be a share of
    assert compare("this", of, np.array([0.5, 0.0]), np.zeros(2), 0.1).error == 0.5


def test_bits_have_no_tolerance():
    exact = torch.tensor([1.0, 2.0])
    assert compare("this", exact, exact, exact, 0.0).passed
    assert not compare("this", exact, exact * (1 + 2**-23), exact, 0.0).passed


@pytest.mark.parametrize("found", [[math.nan, 1.0], [math.inf, 1.0], [1.0], [[1.0, 1.0]]], ids=str)
def test_what_is_not_finite_or_of_another_shape_fails(found):
    assert not compare("this", np.ones(2), np.array(found), np.ones(2), 1e9).passed


def test_pixels_of_any_kind_lie_as_the_reference_s():
    images = np.arange(24.0).reshape(2, 3, 4)
    there = torch.from_numpy(images).movedim(-1, 0)
    np.testing.assert_array_equal(pixels(images.astype(np.float32)), images)
    np.testing.assert_array_equal(pixels(there.bfloat16()), images)
