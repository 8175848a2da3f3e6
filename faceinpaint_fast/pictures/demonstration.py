"""The method on one real face, under holes as users have them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation import photo_holes
from faceinpaint_fast.evaluation.metrics import Quality, quality
from faceinpaint_fast.faces import ASTRONAUT
from faceinpaint_fast.framing import CELEBA_108, Framing
from faceinpaint_fast.photo.restorer import Restorer
from faceinpaint_fast.pictures.contact_sheet import contact_sheet
from faceinpaint_fast.pictures.photographs import strip
from faceinpaint_fast.pipeline import Inpainter, Inpainting

ROWS = ("damaged", "restored", "original")
SCRATCHES = 24


def scribble(size: int, framing: Framing, seed: int) -> NDArray[np.bool_]:  # noqa: ARG001 - as the others
    """Returns brush strokes as a hole (size, size)."""
    # of the first seed strokes that cross the face, and not its hair alone
    return masks.free_form((size, size), seed + 3)


def eye(size: int, framing: Framing, seed: int) -> NDArray[np.bool_]:  # noqa: ARG001
    """Returns a square over the eye on the right as a hole (size, size)."""
    # faces of an unknown framing are drawn as CELEBA_108 has them
    left, right = (framing if framing.points else CELEBA_108).points_in(size)[:2]
    reach = 0.42 * (right[0] - left[0])
    return _polygon(size, [(right[0] + i * reach, right[1] + 0.8 * j * reach) for i, j in _SQUARE])


def corner(size: int, framing: Framing, seed: int) -> NDArray[np.bool_]:  # noqa: ARG001
    """Returns a corner that is torn off, below on the right, as a hole (size, size)."""
    return _polygon(size, [(size, 0.45 * size), (size, size), (0.5 * size, size), (0.72 * size, 0.72 * size)])


def scratches(size: int, framing: Framing, seed: int) -> NDArray[np.bool_]:  # noqa: ARG001
    """Returns thin lines all over the face, most of them upright, as a hole (size, size)."""
    rng, picture = np.random.default_rng(seed), Image.new("1", (size, size))
    draw = ImageDraw.Draw(picture)
    for _ in range(SCRATCHES):
        start, angle = rng.uniform(0, size, 2), rng.normal(np.pi / 2, 0.4)
        end = start + size * rng.uniform(0.3, 0.9) * np.array([np.cos(angle), np.sin(angle)])
        draw.line([*start, *end], fill=1, width=max(1, round(size / 50)))
    return np.asarray(picture)


HOLES: Mapping[str, Callable[[int, Framing, int], NDArray[np.bool_]]] = {
    "a scribble": scribble,
    "an eye covered": eye,
    "a corner torn off": corner,
    "scratches": scratches,
}
_SQUARE = ((-1, -1), (1, -1), (1, 1), (-1, 1))


@dataclass(frozen=True, slots=True)
class Restored:
    """A hole by its name, what was restored, how well, and the seconds it took."""

    name: str
    hole: NDArray[np.bool_]
    inpainting: Inpainting[Any]
    quality: Quality
    seconds: float


def restore_holes(
    inpainter: Inpainter,
    face: NDArray[np.uint8],
    *,
    framing: Framing = CELEBA_108,
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> list[Restored]:
    """Restores a face (size, size, 3) of a framing under each of HOLES, one after the other as a user would."""
    found = []
    for name, draw in HOLES.items():
        hole = draw(len(face), framing, seed)
        start = time.perf_counter()
        inpainting = inpainter(face, hole, seed=seed, progress=functools.partial(progress, name))
        seconds = time.perf_counter() - start
        found.append(Restored(name, hole, inpainting, quality(inpainting.image / 255, face / 255, hole), seconds))
    return found


def demo_sheet(face: NDArray[np.uint8], found: list[Restored]) -> NDArray[np.uint8]:
    """Returns the contact sheet of ROWS, one column a hole."""
    damaged = [np.where(each.hole[..., None], np.uint8(255), face) for each in found]
    pictures = damaged, [each.inpainting.image for each in found], [face] * len(found)
    return contact_sheet([each.name for each in found], dict(zip(ROWS, pictures, strict=True)))


def restore_photograph(restorer: Restorer, seed: int = 0) -> NDArray[np.uint8]:
    """Returns scikit-image's photograph of an astronaut damaged, restored and as it was, side by side.

    An eye is covered, and a scratch goes over the face, whose points are known; InputError without the extra `photo`.
    """
    from skimage import data

    photo = data.astronaut()
    frame = restorer.frame(ASTRONAUT)
    names = "one eye", "thick scratch"
    hole = np.any([photo_holes.draw(name, frame, photo.shape[:2], seed) for name in names], axis=0)
    damaged = np.where(hole[..., None], np.uint8(255), photo)
    return strip([damaged, restorer(damaged, hole, faces=ASTRONAUT[None], seed=seed).image, photo])


def _polygon(size: int, corners: list[tuple[float, float]]) -> NDArray[np.bool_]:
    picture = Image.new("1", (size, size))
    ImageDraw.Draw(picture).polygon(corners, fill=1)
    return np.asarray(picture)
