"""Image files in and out: whatever the file holds becomes RGB, uint8, (H, W, 3)."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from faceinpaint_fast.errors import InputError

EXTENSIONS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def read_image(source: Path | str | BinaryIO, *, name: str | None = None) -> NDArray[np.uint8]:
    """Read an image file as RGB, uint8, (H, W, 3), turned upright by its EXIF orientation.

    Grey is repeated over the channels, 16 bit become 8, transparent parts are laid over black.  `name` stands for
    the source in messages.  Raises InputError if it cannot be read whole.
    """
    return np.asarray(_decode(source, name).convert("RGB"))


def read_grey(source: Path | str | BinaryIO, *, name: str | None = None) -> NDArray[np.uint8]:
    """Read an image file as grey levels (ITU-R 601), uint8, (H, W); see `read_image`."""
    return np.asarray(_decode(source, name).convert("L"))


def _decode(source: Path | str | BinaryIO, name: str | None) -> Image.Image:
    """An upright 8-bit image in mode L or RGB."""
    name = name or str(source)
    try:
        with Image.open(source) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I") or upright.mode == "F":
                upright = _to_8_bit(upright)
            if upright.has_transparency_data:
                rgba = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
            return upright.convert("L" if upright.mode in {"1", "L"} else "RGB")
    except FileNotFoundError:
        raise InputError(f"{name}: expected an image file, got nothing: no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: expected an image file that can be read whole, got: {error}") from error


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Pillow's convert would clip 16-bit levels at 255; they are scaled here."""
    levels = np.asarray(image).astype(np.float64)
    if levels.size and (levels.min() < 0 or levels.max() > 65535):
        raise ValueError(f"grey levels outside 0 to 65535 (mode {image.mode})")
    return Image.fromarray(np.round(levels / 257).astype(np.uint8))


def write_image(path: Path | str, image: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) or (H, W) uint8 to a file whose extension names the format; whole or not at all."""
    path = Path(path)
    if path.suffix.lower() not in EXTENSIONS:
        raise InputError(f"{path}: expected an extension among {', '.join(sorted(EXTENSIONS))}, got {path.suffix!r}")
    encoded = BytesIO()
    Image.fromarray(image).save(encoded, format=Image.registered_extensions()[path.suffix.lower()])
    try:
        write_atomically(path, lambda file: file.write(encoded.getbuffer()))
    except OSError as error:
        raise InputError(f"{path}: expected a place that can be written to, got: {error}") from error


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file beside `path`, then rename it: a reader sees the old file or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
