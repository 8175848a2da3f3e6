"""Where a face goes for dlib, and dlib itself where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import InputError
from faceinpaint_fast.evaluation import recogniser
from faceinpaint_fast.evaluation.recogniser import EYES, SIDE, aligned, load, square
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108, CELEBA_148, Framing


@pytest.mark.parametrize(("size", "framing"), [(64, CELEBA_108), (128, CELEBA_148)])
def test_eyes_lie_where_the_recogniser_has_them(size, framing):
    """Two white pixels in the eyes of a black face."""
    face = np.zeros((size, size, 3), np.uint8)
    for x, y in np.floor(framing.points_in(size)[:2]).astype(int):
        face[y, x] = 255
    found = aligned(face, square(size, framing))[..., 0].astype(float)
    assert found.shape == (SIDE, SIDE)
    for half, (x, y), left in ((found[:, :75], EYES[0], 0), (found[:, 75:], EYES[1], 75)):
        rows, columns = np.indices(half.shape)
        middle = (half * (columns + left)).sum() / half.sum(), (half * rows).sum() / half.sum()
        # a pixel of 64 is 2.3 of these
        assert_allclose(middle, (x, y), atol=1.5)


def test_what_is_beyond_the_face_is_black():
    face = np.full((4, 4, 3), 255, np.uint8)
    found = aligned(face, (-4, -2, 12))
    # the face lies at rows 25 to 75, columns 50 to 100
    assert [found[y, x, 0] for y, x in ((50, 75), (40, 65), (90, 75), (50, 35), (10, 75))] == [255, 255, 0, 0, 0]
    assert_array_equal(aligned(face, (1, 1, 2)), np.full((SIDE, SIDE, 3), 255))


def test_what_it_needs(monkeypatch):
    with pytest.raises(InputError, match="framing: expected one that says where the eyes lie"):
        load(64, Framing("mine", 0, 0, 64))
    monkeypatch.setattr(recogniser, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"dlib and its weights, got none; pip install 'faceinpaint_fast\[rec"):
        load(64, CELEBA_108)


@pytest.mark.skipif(
    find_spec("dlib") is None or find_spec("face_recognition_models") is None,
    reason="without faceinpaint_fast[recognition]",
)
def test_dlib_knows_a_face_again(draw_face):
    """By its author's threshold: the astronaut mirrored and darker is one person, a drawn head another."""
    face = astronaut(CELEBA_108, 64)
    one, same, other = load(64, CELEBA_108)(np.stack([face, face[:, ::-1] // 2, draw_face(0)]))
    assert np.linalg.norm(one - same) < 0.6 < np.linalg.norm(one - other)
