"""A photograph that everybody has, what restores it, and a detector that knows where its face lies."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import data

from faceinpaint_fast.faces import ASTRONAUT
from faceinpaint_fast.photo.restorer import Restorer

pytest.importorskip("cv2", reason="the extra photo is not installed")

# (left, top, right, bottom) of scikit-image's astronaut: her head, and some of her suit
HEAD = (110, 0, 340, 260)


@pytest.fixture(scope="session")
def photo():
    """A portrait (260, 230, 3) uint8."""
    left, top, right, bottom = HEAD
    return data.astronaut()[top:bottom, left:right].copy()


@pytest.fixture(scope="session")
def points():
    """Where its face lies, (5, 2)."""
    return ASTRONAUT - HEAD[:2]


@pytest.fixture(scope="session")
def scaled(photo, points):
    """The portrait `factor` times as large, and its points."""

    def at(factor):
        size = tuple(round(side * factor) for side in photo.shape[1::-1])
        larger = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))
        return larger, (points + 0.5) * factor - 0.5

    return at


@pytest.fixture(scope="session")
def pretrained():
    """The shipped model as a Restorer, whose detector finds nothing."""
    return Restorer.from_pretrained(device="cpu", detector=lambda _: [])


@pytest.fixture
def restorer(pretrained):
    """Makes a Restorer of the shipped model with a detector."""

    def with_(detector):
        return Restorer(pretrained.inpainter, detector=detector)

    return with_


@pytest.fixture(scope="session")
def disc():
    """Draws a disc as a hole."""

    def around(shape, centre, radius):
        rows, columns = np.indices(shape[:2])
        return np.hypot(columns - centre[0], rows - centre[1]) < radius

    return around
