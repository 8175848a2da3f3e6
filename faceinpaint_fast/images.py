"""Image files in and out: whatever the file holds becomes RGB, uint8, (H, W, 3)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import check_place, write_atomically

ORIENTATION = 0x0112  # the EXIF tag, and what undoes its values
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
EXTENSIONS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def read_image(source: Path | str | BinaryIO, *, name: str | None = None) -> NDArray[np.uint8]:
    """Returns an image file as RGB, uint8, (H, W, 3), turned upright by its EXIF orientation.

    Grey is repeated over the channels, 16 bit become 8, floats go from 0 to 1, transparent parts are laid over black.
    `name` stands for the source in messages.  Raises InputError if it cannot be read whole.
    """
    return np.asarray(_decode(source, name).convert("RGB"))


def read_grey(source: Path | str | BinaryIO, *, name: str | None = None) -> NDArray[np.uint8]:
    """Returns an image file as grey levels (ITU-R 601), uint8, (H, W); see `read_image`."""
    return np.asarray(_decode(source, name).convert("L"))


def read_alpha(source: Path | str | BinaryIO, *, name: str | None = None) -> NDArray[np.uint8]:
    """Returns how opaque an image file is, uint8, (H, W); see `read_image`.

    Raises InputError too for one that has no transparency.
    """
    upright = _opened(source, name)
    if not upright.has_transparency_data:
        raise InputError(f"{name or source}: expected a picture with transparency, got mode {upright.mode}")
    return np.asarray(upright.convert("RGBA").getchannel("A"))


def _decode(source: Path | str | BinaryIO, name: str | None) -> Image.Image:
    """An upright 8-bit image in mode L or RGB."""
    upright = _opened(source, name)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
    return upright.convert("L" if upright.mode in {"1", "L"} else "RGB")


def _opened(source: Path | str | BinaryIO, name: str | None) -> Image.Image:
    """An upright 8-bit image in any mode."""
    name = name or str(source)
    try:
        with Image.open(source) as image:
            upright = _upright(image)
            return _to_8_bit(upright) if upright.mode.startswith("I") or upright.mode == "F" else upright
    except FileNotFoundError:
        raise InputError(f"{name}: expected an image file, got nothing: no such file") from None
    # a broken file makes its decoder raise nearly anything: OSError, SyntaxError, struct.error, EOFError, KeyError ...
    except Exception as error:
        raise InputError(f"{name}: expected an image file that can be read whole, got: {error}") from error


def _upright(image: Image.Image) -> Image.Image:
    """Pillow's exif_transpose would also rewrite the other EXIF tags, and fail where a camera wrote them oddly."""
    # the decoder of TIFF turns the image by itself, and takes the tag away
    image.load()
    turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    return image.copy() if turn is None else image.transpose(turn)


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Pillow's convert would clip 16-bit levels at 255 and take floats for 8-bit levels; they are scaled here."""
    levels = np.asarray(image).astype(np.float64)
    white = 1 if image.mode == "F" else 65535
    # not the other way round: NaN compares false
    if not (levels.min() >= 0 and levels.max() <= white):
        raise ValueError(f"grey levels outside 0 to {white} (mode {image.mode})")
    return Image.fromarray(np.round(levels * 255 / white).astype(np.uint8))


def check_writable(path: Path) -> None:
    """Raises InputError unless a picture could be written there: asked before the work, not after."""
    if path.suffix.lower() not in EXTENSIONS:
        raise InputError(f"{path}: expected an extension among {', '.join(sorted(EXTENSIONS))}, got {path.suffix!r}")
    check_place(path)


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes (H, W, 3) or (H, W) uint8 in the format that the extension names, the whole file or none.

    Raises InputError where it cannot be written.
    """
    check_writable(path)
    encoded = BytesIO()
    try:
        Image.fromarray(image).save(encoded, format=Image.registered_extensions()[path.suffix.lower()])
        write_atomically(path, lambda file: file.write(encoded.getbuffer()))
    # ValueError: more pixels a side than the format has room for
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a picture that can be written there, got: {error}") from error
