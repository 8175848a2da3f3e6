"""What was done with a photograph: the faces found, and of each what was seen, drawn, mirrored and blended."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from faceinpaint_fast.images import as_bytes
from faceinpaint_fast.photo import paste
from faceinpaint_fast.photo.frame import Floats, Frame
from faceinpaint_fast.photo.restoration import Restoration, RestoredFace
from faceinpaint_fast.pictures.contact_sheet import SHOWN, contact_sheet

FACES, SHEET = "faces", "sheet"  # the names of the photograph with its faces, and of the contact sheet
STEPS = ("damaged", "filled smoothly", "T", "blend of T", "trust", "restored")
RESTORED, OTHER = (255, 64, 0), (128, 128, 128)  # colours of faces that the hole reaches into, and of others
DOT = 2  # pixels around a point


def steps(photo: NDArray[Any], missing: NDArray[np.bool_], result: Restoration) -> dict[str, NDArray[np.uint8]]:
    """Returns pictures by their names, of a photograph (H, W, 3) with its hole (H, W) and what came of it.

    FACES is the photograph with what was found; SHEET has a row a face, of STEPS in its frame, which "face-1-T" and the
    like are, too, (SHOWN, SHOWN, 3) or grey.
    """
    damaged = np.where(missing[..., None], np.uint8(255), as_bytes(photo))
    restored = as_bytes(np.asarray(result.image))
    pictures = {FACES: found(result)}
    rows = {}
    for number, face in enumerate(result.faces, 1):
        row = [*_of_face(face, damaged, result), _in_frame(face.frame, restored)]
        rows[f"face {number}: {_said(face)}"] = [np.dstack([each] * 3) if each.ndim == 2 else each for each in row]
        pictures |= {f"face-{number}-{name.replace(' ', '-')}": each for name, each in zip(STEPS, row, strict=True)}
    if rows:
        pictures[SHEET] = contact_sheet(STEPS, rows)
    return pictures


def found(result: Restoration) -> NDArray[np.uint8]:
    """Returns the photograph, filled smoothly, with the points and frames of its faces: (H, W, 3)."""
    picture = Image.fromarray(as_bytes(result.smooth))
    draw = ImageDraw.Draw(picture)
    for points in [*result.others, *(face.points for face in result.faces)]:
        colour = OTHER if any(points is each for each in result.others) else RESTORED
        for x, y in points:
            draw.ellipse([x - DOT, y - DOT, x + DOT, y + DOT], fill=colour)
    for face in result.faces:
        draw.polygon([tuple(corner) for corner in face.frame.corners()], outline=RESTORED)
    return np.asarray(picture)


def _of_face(face: RestoredFace, damaged: NDArray[np.uint8], result: Restoration) -> list[NDArray[np.uint8]]:
    """Returns STEPS of a face but the last."""
    plain = paste.composed(result.smooth, [(face.frame, face.window, face.part, face.plain)])
    trust = np.zeros(damaged.shape[:2], np.float32)
    if face.mirror is not None and face.mirror.trust is not None:
        trust[face.window] = face.mirror.trust * face.part
    generated = result.smooth if face.generated is None else face.frame.enlarged(face.generated, damaged.shape)
    return [_in_frame(face.frame, each) for each in (damaged, result.smooth, generated, plain, trust)]


def _in_frame(frame: Frame, image: Floats | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns what a photograph has in a frame, SHOWN pixels a side."""
    drawn = frame.finer(SHOWN / frame.size).drawn(image)
    return as_bytes((drawn / (255 if image.dtype == np.uint8 else 1)).clip(0, 1))


def _said(face: RestoredFace) -> str:
    if face.mirror is None:
        return "the blend alone" if face.generated is None else "T"
    return f"mirror {'taken' if face.mirror.used else 'refused'}, {face.mirror.why}"
