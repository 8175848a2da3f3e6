"""Pictures for the scenarios: photographs of mixed sizes with a face, aligned faces, each marked as its client's."""

from __future__ import annotations

import numpy as np
from PIL import Image
from skimage import data

from faceinpaint_fast.faces import ASTRONAUT, astronaut
from faceinpaint_fast.framing import CELEBA_108

HEAD = (110, 0, 340, 260)  # left, top, right, bottom of scikit-image's astronaut's


def aligned() -> tuple[np.ndarray, np.ndarray]:
    """Returns an aligned face, (64, 64, 3), and a hole."""
    hole = np.zeros((64, 64), np.uint8)
    hole[24:40, 24:40] = 255
    return astronaut(CELEBA_108, 64), hole


def photograph(factor: float) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Returns a portrait of `factor` times 230x260 pixels, a hole in its face, and its eyes: x, y, x, y."""
    left, top, right, bottom = HEAD
    head = data.astronaut()[top:bottom, left:right]
    size = tuple(round(side * factor) for side in head.shape[1::-1])
    photo = np.asarray(Image.fromarray(head).resize(size, Image.Resampling.LANCZOS))
    eyes = (ASTRONAUT[:2] - (left, top) + 0.5) * factor - 0.5
    hole = np.zeros(photo.shape[:2], np.uint8)
    y, x = np.round(eyes.mean(axis=0)[::-1]).astype(int)
    y, reach = y + round(20 * factor), round(10 * factor)
    hole[y - reach : y + reach, x - reach : x + reach] = 255
    return photo, hole, eyes.reshape(-1).tolist()


def marked(picture: np.ndarray, number: int) -> np.ndarray:
    """Returns a picture whose upper left corner says the number."""
    marked = picture.copy()
    marked[:4, :4] = (number % 256, number // 256 % 256, number // 65536)
    return marked
