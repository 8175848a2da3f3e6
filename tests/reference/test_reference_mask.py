"""What a hole means."""

from __future__ import annotations

import numpy as np
import pytest

from faceinpaint_fast.reference import known_pixels


@pytest.mark.parametrize(
    "hole",
    [
        np.array([False, True, True]),
        np.array([0, 1, 1], np.uint8),
        np.array([127, 128, 255], np.uint8),
        # 1 means missing only where nothing exceeds it
        np.array([1, 128, 255], np.uint8),
        np.array([0.49, 0.5, 1.0], np.float32),
    ],
    ids=["bool", "0 or 1", "0 to 255", "1 among 0 to 255", "float"],
)
def test_white_is_missing(hole: np.ndarray) -> None:
    known = known_pixels(hole[None])
    assert known.dtype == np.bool_
    assert known.tolist() == [[True, False, False]]


def test_each_image_of_a_batch_is_read_by_its_own_values() -> None:
    holes = np.array([[[0, 1]], [[1, 128]], [[0, 0]]], np.uint8)
    assert known_pixels(holes).tolist() == [[[True, False]], [[True, False]], [[True, True]]]


@pytest.mark.parametrize("hole", [np.array([0, 1]), np.array([0.0, np.nan])], ids=["int64", "NaN"])
def test_anything_else_is_refused(hole: np.ndarray) -> None:
    with pytest.raises(ValueError, match="hole: expected"):
        known_pixels(hole[None])
