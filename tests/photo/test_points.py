"""Where faces lie, as a user says it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceinpaint_fast import InputError
from faceinpaint_fast.photo.detect import POINTS
from faceinpaint_fast.photo.points import checked, in_box, numbers, read_landmarks

FACES = np.arange(20.0).reshape(2, 5, 2) ** 1.5


def written(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lists.json", json.dumps(FACES.tolist())),
        ("objects.json", json.dumps([dict(zip(POINTS, face, strict=True)) for face in FACES.tolist()])),
        ("bare.csv", "\n".join(",".join(map(str, face.ravel())) for face in FACES)),
        ("headed.csv", "x1,y1\n\n" + "\n".join(", ".join(map(str, face.ravel())) for face in FACES)),
    ],
)
def test_landmarks_are_read(tmp_path, name, text):
    assert_allclose(read_landmarks(written(tmp_path, name, text)), FACES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("none.json", "[]"),
        ("four.json", json.dumps(FACES[:, :4].tolist())),
        ("words.json", '{"a": 1}'),
        ("broken.json", "[[["),
        ("nine.csv", "1,2,3,4,5,6,7,8,9"),
        ("words.csv", "1,2,3,4,5,6,7,8,9,ten"),
        ("empty.csv", ""),
        ("nan.csv", "1,2,3,4,5,6,7,8,9,nan"),
    ],
)
def test_what_is_no_landmarks_is_refused(tmp_path, name, text):
    path = written(tmp_path, name, text)
    with pytest.raises(InputError, match=f"{name}: .*expected"):
        read_landmarks(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no\.csv"):
        read_landmarks(tmp_path / "no.csv")


def test_points_of_one_face_or_of_many():
    assert checked(FACES).shape == (2, 5, 2)
    assert checked(FACES[0]).shape == (1, 5, 2)
    assert checked(FACES[:, :2]).shape == (2, 2, 2)


@pytest.mark.parametrize("faces", [FACES[:, :3], FACES[:0], np.full((1, 5, 2), np.inf), np.ones((1, 2, 2)), "face.csv"])
def test_other_points_are_refused(faces):
    with pytest.raises(InputError, match="faces: expected"):
        checked(faces)


def test_numbers_of_an_option():
    assert numbers("1, 2.5,3,-4", "--eyes", 4) == [1, 2.5, 3, -4]
    for text in ("1,2,3", "1,2,3,x", "", "1,2,3,inf"):
        with pytest.raises(InputError, match="--eyes: expected 4 numbers"):
            numbers(text, "--eyes", 4)


def test_a_box_has_a_face_in_it():
    points = in_box((10, 20, 100, 140))
    assert ((points > (10, 20)) & (points < (110, 160))).all()
    # upright, left before right
    assert points[0, 0] < points[2, 0] < points[1, 0]
    assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min()
