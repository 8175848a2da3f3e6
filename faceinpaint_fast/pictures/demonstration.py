"""The method on one real face, under four kinds of hole."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.metrics import Quality, quality
from faceinpaint_fast.pictures.contact_sheet import contact_sheet
from faceinpaint_fast.pipeline import Inpainter, Inpainting

COLUMNS = ("damaged", "generated, G(z^)", "stitched", "blended", "original")


@dataclass(frozen=True, slots=True)
class Restored:
    """A row of the demonstration: a hole by its label, what was restored, how well, and the seconds it took."""

    name: str
    hole: NDArray[np.bool_]
    inpainting: Inpainting[Any]
    quality: Quality
    seconds: float


def restore_kinds(
    inpainter: Inpainter,
    face: NDArray[np.uint8],
    *,
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> list[Restored]:
    """Restores a face (H, W, 3) under each of `masks.KINDS`, one after the other as a user would."""
    rows = []
    for name, drawn in masks.KINDS.items():
        hole = masks.draw(drawn, face.shape[:2], seed)
        start = time.perf_counter()
        inpainting = inpainter(face, hole, seed=seed, progress=functools.partial(progress, name))
        seconds = time.perf_counter() - start
        rows.append(Restored(name, hole, inpainting, quality(inpainting.image / 255, face / 255, hole), seconds))
    return rows


def demo_sheet(face: NDArray[np.uint8], rows: list[Restored]) -> NDArray[np.uint8]:
    """Returns the contact sheet of COLUMNS, one row a hole."""
    pictures = {}
    for row in rows:
        damaged = np.where(row.hole[..., None], np.uint8(255), face)
        stitched = np.where(row.hole[..., None], row.inpainting.generated, face)
        pictures[row.name] = [damaged, row.inpainting.generated, stitched, row.inpainting.image, face]
    return contact_sheet(COLUMNS, pictures)
