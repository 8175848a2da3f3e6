"""Photographs restored, side by side: a contact sheet a hole, and one photograph damaged, restored and as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceinpaint_fast.evaluation.photo_holes import draw
from faceinpaint_fast.evaluation.photographs import Photograph
from faceinpaint_fast.images import as_bytes, write_picture
from faceinpaint_fast.photo.restorer import Restorer
from faceinpaint_fast.pictures.contact_sheet import contact_sheet

ROWS = ("damaged", "the blend alone", "restored", "original")
SHOWN = (232, 256)  # width and height of what is shown of a photograph, around its face
QUALITY = 85  # of JPEG: photographs on a page, not results


def sheet(restorer: Restorer, photographs: Mapping[int, Photograph], hole: str) -> NDArray[np.uint8]:
    """Returns the contact sheet of ROWS, a column a photograph, by their numbers, under the hole of a name.

    Faces are those that are found of the damaged photographs.
    """
    columns: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in ROWS}
    captions: dict[str, list[str]] = {name: [] for name in ROWS}
    for number, photo in photographs.items():
        missing = draw(hole, photo.frame, photo.image.shape[:2], number)
        result = restorer(photo.image, missing)
        damaged = np.where(missing[..., None], np.uint8(255), photo.image)
        shown = damaged, as_bytes(result.smooth), result.image, photo.image
        mirrored = any(face.mirror is not None and face.mirror.used for face in result.faces)
        for name, image in zip(ROWS, shown, strict=True):
            columns[name].append(_face(image, photo))
            captions[name].append("with the other half" if mirrored and name == "restored" else "")
    return contact_sheet(
        [str(number) for number in photographs], columns, captions=captions, title=hole, shown=SHOWN[1]
    )


def strip(images: Sequence[NDArray[np.uint8]], gap: int = 8) -> NDArray[np.uint8]:
    """Returns pictures of one size side by side."""
    between = np.full((images[0].shape[0], gap, 3), 255, np.uint8)
    return np.concatenate([each for image in images for each in (image, between)][:-1], axis=1)


def write(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes a picture for a page: PNG as it is, JPEG of QUALITY; InputError where it cannot be."""

    def encoded(format_: str) -> bytes:
        file = BytesIO()
        Image.fromarray(image).save(file, format=format_, quality=QUALITY)
        return file.getvalue()

    write_picture(path, encoded)


def _face(image: NDArray[np.uint8], photo: Photograph) -> NDArray[np.uint8]:
    """Returns SHOWN pixels around a photograph's face, white beyond the photograph."""
    (width, height), middle = SHOWN, photo.frame.corners().mean(axis=0)
    left, top = (round(at - side / 2) for at, side in zip(middle, SHOWN, strict=True))
    page = Image.new("RGB", (width, height), "white")
    page.paste(Image.fromarray(image), (-left, -top))
    return np.asarray(page)
