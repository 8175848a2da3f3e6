"""How far the mean face of a data set is from that of a model's samples."""

from __future__ import annotations

import numpy as np
import pytest

from faceinpaint_fast.evaluation.framed import FAR, FEWEST, distance, doubt


@pytest.fixture
def heads(draw_face):
    """64 heads that differ in colours, where the eye is the same."""
    return np.stack([draw_face(i) for i in range(64)])


def test_a_distance_by_hand():
    """A vertical edge against the same upside down: half of the pixels differ by twice 0.25."""
    face = np.zeros((8, 8, 3), np.uint8)
    face[:4] = 255
    faces = np.stack([face] * 20)
    assert distance(faces, faces[:, ::-1] / 255) == pytest.approx(1)
    assert distance(faces, faces.swapaxes(1, 2) / 255) == pytest.approx(np.sqrt(0.5))
    # neither light nor contrast's sign within a face's own level counts
    assert distance(faces, (faces / 255) * 0.5 + 0.3) == pytest.approx(0.25)
    assert distance(faces, faces / 255) == 0


def test_few_faces_are_not_further_for_being_few(heads, rng):
    """Noise that hides the mean face: without the variance of the mean it would be 0.05."""
    noisy = np.clip(heads[:32] + rng.normal(0, 70, heads[:32].shape), 0, 255).astype(np.uint8)
    assert distance(noisy[:16], noisy[16:] / 255) < 0.02


def test_faces_that_lie_otherwise_are_doubted(heads):
    samples = heads[32:] / 255
    assert doubt(heads[:32], samples) is None
    aside = np.roll(heads[:32], 12, axis=2)
    far = distance(aside, samples)
    assert far > FAR
    assert f"the mean face is {far:.3f} from that of the model's samples, and {FAR} at most" in doubt(aside, samples)
    assert doubt(aside[: FEWEST - 1], samples) is None
