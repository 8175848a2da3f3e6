"""The loop by which the frame of a damaged face is found."""

from __future__ import annotations

import numpy as np
import pytest

from faceinpaint_fast.photo.align import ROUNDS, Attempt, hides, settled

POINTS = np.array([(20.0, 30), (40, 30), (30, 42), (22, 55), (38, 55)])


@pytest.mark.parametrize(
    ("where", "hidden"),
    [
        ((slice(25, 35), slice(15, 25)), True),  # an eye
        ((slice(0, 20), slice(0, 60)), False),  # hair
        ((slice(30, 31), slice(0, 60)), False),  # a thin scratch over both eyes
        ((slice(44, 52), slice(10, 60)), True),  # beside the nose
        ((slice(60, 70), slice(10, 60)), False),
    ],
)
def test_which_holes_hide_points(where, hidden):
    missing = np.zeros((80, 80), bool)
    missing[where] = True
    assert hides(missing, POINTS, 2.0) is hidden


def test_points_beyond_the_picture_are_no_error():
    missing = np.zeros((80, 80), bool)
    missing[:, 40:] = True
    assert hides(missing, POINTS + 60, 2.0) is True
    assert hides(missing, POINTS - 70, 2.0) is False


class Looks:
    """Restores, and finds points that go on by steps that are told."""

    def __init__(self, *steps):
        self.steps, self.rounds = steps, 0

    def restore(self, points):
        self.now = points
        return {face: Attempt(each, np.zeros((2, 2, 3)), {}) for face, each in points.items()}

    def look(self, tried):
        assert tried.keys() == self.now.keys()
        seen = [each + self.steps[face][self.rounds] for face, each in self.now.items()]
        self.rounds += 1
        return np.array([each for each in seen if np.isfinite(each).all()])


def shifts(found, start):
    return {face: float((attempt.points - start[face]).mean()) for face, attempt in found.items()}


def test_the_last_frame_is_kept():
    looks = Looks([2] * ROUNDS)
    found = settled({0: POINTS}, {0: 1.0}, looks.restore, looks.look)
    assert shifts(found, [POINTS]) == {0: 2 * (ROUNDS - 1)}
    assert looks.rounds == ROUNDS


def test_points_that_lie_still_have_settled_and_others_go_on():
    far = POINTS + 200
    looks = Looks([0.1, 9, 9, 9, 9, 9], [1, 1, 1, 0, 9, 9])
    found = settled({0: POINTS, 1: far}, {0: 2.0, 1: 2.0}, looks.restore, looks.look)
    assert shifts(found, [POINTS, far]) == {0: 0, 1: 3}
    assert looks.rounds == 4


def test_a_face_that_is_lost_keeps_what_was_tried():
    looks = Looks([1, np.nan])
    found = settled({0: POINTS}, {0: 1.0}, looks.restore, looks.look)
    assert shifts(found, [POINTS]) == {0: 1}
    assert looks.rounds == 2


def test_nothing_hidden_is_nothing_to_do():
    assert settled({}, {}, None, None) == {}
