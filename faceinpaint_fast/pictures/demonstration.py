"""The method on one real face, under four kinds of hole."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage import data, transform

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.metrics import Quality, quality
from faceinpaint_fast.networks.dcgan import IMAGE_SIZE
from faceinpaint_fast.pictures.contact_sheet import contact_sheet
from faceinpaint_fast.pipeline import Inpainter, Inpainting

HOLES = {"centre": "centre", "left half": "left", "free-form": "free-form", "80 % dropped": "drop-80"}
COLUMNS = ("damaged", "generated, G(z^)", "stitched", "blended", "original")

# both eyes, the nose and the corners of the mouth, (x, y): in the photograph, and where CelebA's alignment puts them
# on average in 178x218, of which the training data are the centred 108x108
ASTRONAUT = np.array([(203.4, 100.6), (247.4, 103.0), (226.0, 126.0), (205.0, 141.0), (243.6, 142.0)])
CELEBA = np.array([(69.35, 111.3), (107.6, 111.4), (88.0, 134.5), (72.5, 152.0), (105.5, 152.0)])
CROP = np.array([(178 - 108) / 2, (218 - 108) / 2]), 108


@dataclass(frozen=True, slots=True)
class Restored:
    """One row of the demonstration."""

    name: str
    hole: NDArray[np.bool_]
    inpainting: Inpainting
    quality: Quality
    seconds: float


def astronaut_face() -> NDArray[np.uint8]:
    """The face of scikit-image's astronaut in the framing of the training data: (64, 64, 3) uint8."""
    corner, side = CROP
    # four times too large, then averaged: warp itself does not guard against aliasing
    fine = 4 * IMAGE_SIZE
    align = transform.estimate_transform("similarity", (CELEBA - corner) * fine / side, ASTRONAUT)
    face = transform.warp(data.astronaut() / 255, align, output_shape=(fine, fine))
    small = transform.downscale_local_mean(face, (4, 4, 1))
    return np.round(small * 255).astype(np.uint8)


def restore_astronaut(
    inpainter: Inpainter, *, seed: int = 0, progress: Callable[[str, float], None] = lambda *_: None
) -> list[Restored]:
    """Restore the face under each of HOLES, one after the other as a user would."""
    face = astronaut_face()
    rows = []
    for name, drawn in HOLES.items():
        hole = masks.draw(drawn, face.shape[:2], seed)
        start = time.perf_counter()
        inpainting = inpainter(face, hole, seed=seed, progress=functools.partial(progress, name))
        seconds = time.perf_counter() - start
        rows.append(Restored(name, hole, inpainting, quality(inpainting.image / 255, face / 255, hole), seconds))
    return rows


def demo_sheet(rows: list[Restored]) -> NDArray[np.uint8]:
    """The contact sheet of COLUMNS, one row a hole."""
    face = astronaut_face()
    pictures = {}
    for row in rows:
        damaged = np.where(row.hole[..., None], np.uint8(255), face)
        stitched = np.where(row.hole[..., None], row.inpainting.generated, face)
        pictures[row.name] = [damaged, row.inpainting.generated, stitched, row.inpainting.image, face]
    return contact_sheet(COLUMNS, pictures)
