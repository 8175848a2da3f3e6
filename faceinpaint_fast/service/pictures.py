"""Pictures of a request: read with their holes, checked before a pixel is decoded, and written as an answer."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import holes, images, masks
from faceinpaint_fast.batches import partly_known
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.picture_file import PictureFile
from faceinpaint_fast.service import refusal
from faceinpaint_fast.service.asked import Asked

# what is written, by the name that it is asked for
FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "tiff": "TIFF", "bmp": "BMP", "ppm": "PPM"}
MEDIA = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "TIFF": "image/tiff", "BMP": "image/bmp",
         "PPM": "image/x-portable-pixmap"}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Damaged:
    """A picture with its hole.

    file     the picture
    format   Pillow's name of the format that it came in
    pixels   what is seen of it, (H, W, 3), uint8 or float32 in [0, 1]
    missing  the hole (H, W)
    """

    file: PictureFile
    format: str
    pixels: NDArray[Any]
    missing: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture's file, its media type, and what its format could not keep."""

    data: bytes
    media_type: str
    remarks: tuple[str, ...]


def claims(asked: Asked, most: int) -> list[images.Claim]:
    """Returns what the files of a request claim, the picture first; a Refusal for one that is none, or too large."""
    found = [claim(asked.image, "image", most)]
    return found + ([claim(asked.hole, "hole", most)] if isinstance(asked.hole, bytes) else [])


def claim(data: bytes, name: str, most: int) -> images.Claim:
    """Returns what a file of a request claims; a Refusal for one that is none, or claims too many pixels."""
    try:
        return images.claim_of(data, name, most)
    except InputError as error:
        raise refusal.of(error, name) from error


def read(data: bytes) -> PictureFile:
    """Returns the picture of a request; a Refusal for one that is broken."""
    try:
        return PictureFile.read(BytesIO(data), name="image")
    except InputError as error:
        raise refusal.of(error, "image") from error


def damaged(asked: Asked, most: int) -> Damaged:
    """Returns the picture of a request with its hole; a Refusal for what does not fit, or claims too many pixels."""
    its_format = claim(asked.image, "image", most).format
    picture = read(asked.image)
    try:
        missing = _hole(asked, picture)
    except InputError as error:
        raise refusal.of(error, "hole") from error
    return Damaged(picture, its_format, picture.pixels, missing)


def _hole(asked: Asked, picture: PictureFile) -> NDArray[np.bool_]:
    options = asked.options
    source = None
    if isinstance(asked.hole, bytes):
        source = BytesIO(asked.hole)
    said = asked.hole if isinstance(asked.hole, str) else "hole"
    missing, _ = holes.read_hole(said, picture, options.seed, invert=options.invert, force=options.force, source=source)
    return of_its_size(missing, picture)


def of_its_size(missing: NDArray[np.bool_], picture: PictureFile) -> NDArray[np.bool_]:
    """Returns a hole; InputError where it is not of its picture's size, and where it leaves no pixel of that."""
    (height, width), (rows, columns) = picture.levels.shape[:2], missing.shape
    if (height, width) != (rows, columns):
        raise InputError(f"hole: expected {width}x{height} pixels, as its picture, got {columns}x{rows}")
    return partly_known(missing)


def mask(data: bytes, picture: PictureFile) -> NDArray[np.bool_]:
    """Returns the hole that a file shows in white, grey levels of 128 and more, without any doubt."""
    return of_its_size(masks.as_hole(images.read_grey(BytesIO(data), name="mask")), picture)


def encoded(damaged: Damaged, pixels: NDArray[Any], asked: str) -> Encoded:
    """Returns the file of a picture that is filled with pixels (H, W, 3), in the format that is asked for.

    "same" is its own, or PNG where that is not written.
    """
    own = damaged.format if damaged.format in MEDIA else "PNG"
    format_ = own if asked == "same" else FORMATS[asked]
    remarks: list[str] = []
    filled = damaged.file.filled(pixels, damaged.missing)
    try:
        data = filled.encoded(format_, remarks.append)
    # more pixels a side than the format has room for
    except (OSError, ValueError) as error:
        raise refusal.Refusal(422, f"format: expected one that can hold the picture, got: {error}", "format") from error
    return Encoded(data, MEDIA[format_], tuple(remarks))
