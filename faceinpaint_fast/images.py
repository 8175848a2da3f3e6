"""Image files in and out: whatever the file holds becomes RGB, uint8, (H, W, 3)."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from faceinpaint_fast import jpeg, png, tiff
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
# what is written, with Pillow's options: WebP and JPEG must be told to keep what they can
FORMATS = {".bmp": "BMP", ".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG", ".ppm": "PPM", ".tif": "TIFF",
           ".tiff": "TIFF", ".webp": "WEBP"}  # fmt: skip
KEEPING: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}
# what is read, too
EXTENSIONS = frozenset({".avif", ".gif", ".jfif", ".jp2", *FORMATS})
# by whom, whatever a file is called: Pillow has a decoder more that would start another program
DECODERS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
MOST_PIXELS = 2**26  # of a file that has fewer bytes than a photograph
PIXELS_A_BYTE = 100  # of a photograph at most; a JPEG of the lowest quality has 30 to 50
WHITE_IS_65535 = {"PNG", "PPM"}  # where Pillow has levels of 16 bits in more
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF
WHITE_IS_ZERO, SIGNED = 0, 2  # what the last two may say


def read_image(source: Path | str | BinaryIO, *, name: str | None = None) -> NDArray[np.uint8]:
    """Returns an image file as RGB, uint8, (H, W, 3), turned upright by its EXIF orientation.

    Grey is repeated over the channels, 16 bit become 8, floats go from 0 to 1, transparent parts are laid over black.
    `name` stands for the source in messages.  Raises InputError if it cannot be read whole; warns of metadata that
    cannot be read, without which the pixels are taken as they are.
    """
    return np.asarray(_decode(source, name).convert("RGB"))


def read_grey(source: Path | str | BinaryIO, *, name: str | None = None) -> NDArray[np.uint8]:
    """Returns an image file as grey levels (ITU-R 601), uint8, (H, W); see `read_image`."""
    return np.asarray(_decode(source, name).convert("L"))


@dataclass(frozen=True, slots=True)
class Upright:
    """An image file as Pillow has it, turned upright.

    image  the picture, its levels of 16 bits with 65535 for white
    exif   its EXIF, by which it is upright
    turn   how it was turned
    data   the file
    """

    image: Image.Image
    exif: Image.Exif
    turn: Image.Transpose | None
    data: bytes


def read_upright(source: Path | str | BinaryIO, *, name: str | None = None) -> Upright:
    """Returns an image file; raises InputError and warns as `read_image` does."""
    name = name or str(source)
    try:
        data = Path(source).read_bytes() if isinstance(source, Path | str) else source.read()
        try:
            return _upright(data, name)
        except Exception:
            bare = _without_metadata(data)
            if bare == data:
                raise
            found = _upright(bare, name)
            _warn(name, "its metadata")
            return found
    except FileNotFoundError:
        raise InputError(f"{name}: expected an image file, got nothing: no such file") from None
    except UnidentifiedImageError:
        # which names the file by its place in memory
        raise InputError(f"{name}: expected an image file that can be read whole, got none of a known format") from None
    # a broken file makes its decoder raise nearly anything: OSError, SyntaxError, struct.error, EOFError, KeyError ...
    except Exception as error:
        raise not_whole(name, error) from error


@dataclass(frozen=True, slots=True)
class Claim:
    """What an image file says of itself before a pixel of it is decoded: Pillow's name of its format, and its size."""

    format: str
    width: int
    height: int


class FormatError(InputError):
    """A file is of no format that is read."""


class PixelsError(InputError):
    """A file claims more pixels than are taken."""


def claim_of(data: bytes, name: str, most: int) -> Claim:
    """Returns what an image file claims, by its first bytes.

    Raises FormatError for one of no known format, PixelsError for one that claims more than `most` pixels, and else
    InputError for one whose beginning is broken; `name` stands for the file.
    """
    try:
        with Image.open(BytesIO(data), formats=_decoders()) as image:
            claim = Claim(str(image.format), *image.size)
    except UnidentifiedImageError:
        raise FormatError(f"{name}: expected one of {', '.join(_decoders())}, got none of these formats") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PixelsError(f"{name}: expected {most} pixels or fewer, got a claim of many more") from None
    except Exception as error:
        raise not_whole(name, error) from error
    if claim.width * claim.height > most:
        raise PixelsError(f"{name}: expected {most} pixels or fewer, got {claim.width}x{claim.height}")
    return claim


def _decoders() -> list[str]:
    """Returns Pillow's names of the formats that are read, of those that it was built with."""
    Image.init()
    return [each for each in DECODERS if each in Image.OPEN]


def not_whole(name: str, error: Exception) -> InputError:
    """Returns the error of a file whose decoder raised another."""
    return InputError(f"{name}: expected an image file that can be read whole, got: {error}")


def _without_metadata(data: bytes) -> bytes:
    """Returns a file with what its pixels need; one of another format, or without a structure, as it is."""
    if data.startswith(png.SIGNATURE):
        return png.without_metadata(data)
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.without_metadata(data)
    try:
        return tiff.without_metadata(data)
    except struct.error:
        return data


def _decode(source: Path | str | BinaryIO, name: str | None) -> Image.Image:
    """An upright 8-bit image in mode L or RGB."""
    image = read_upright(source, name=name).image
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(as_bytes(np.asarray(image)))
    return flat(image)


def flat(image: Image.Image) -> Image.Image:
    """Returns an image of 8 bits in mode L or RGB, with transparent parts laid over black."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        laid = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
    else:
        laid = image
    return laid.convert("L" if image.mode in {"1", "L"} else "RGB")


def as_bytes(levels: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.floating]) -> NDArray[np.uint8]:
    """Returns levels of uint8, of uint16 or of floats from 0 to 1 as uint8."""
    if levels.dtype == np.uint8:
        return levels.astype(np.uint8, copy=False)
    white = 65535 if levels.dtype == np.uint16 else 1
    return np.round(levels.astype(np.float64) * 255 / white).astype(np.uint8)


def _upright(data: bytes, name: str) -> Upright:
    """Pillow's exif_transpose would also rewrite the other EXIF tags, and fail where a camera wrote them oddly."""
    with Image.open(BytesIO(data), formats=_decoders()) as image:
        _check_claim(image, len(data))
        # the decoder of TIFF turns the image by itself, and takes the tag away
        image.load()
        try:
            # it fails once only: the JPEG decoder, which looks for a resolution, may have met that and gone on
            Image.Exif().load(image.info.get("exif", b""))
            exif = image.getexif()
            turn = TURNS.get(exif.get(ORIENTATION, 1))
            if ORIENTATION in exif:
                exif[ORIENTATION] = 1
        except Exception:
            _warn(name, "its EXIF")
            exif, turn = Image.Exif(), None
        deep = image.mode.startswith("I") or image.mode == "F"
        _check_white(image)
        upright = _scaled(image) if deep else image.copy()
        return Upright(upright if turn is None else upright.transpose(turn), exif, turn, data)


def _check_claim(image: Image.Image, size: int) -> None:
    """Raises ValueError for a file that claims more pixels than its bytes can hold, before any memory is taken."""
    pixels = image.width * image.height
    if pixels > MOST_PIXELS and pixels > PIXELS_A_BYTE * size:
        raise ValueError(f"a claim of {image.width}x{image.height} pixels in {size} bytes, which no photograph makes")
    tiff.check_claim(_tags(image), size)


def _check_white(image: Image.Image) -> None:
    """Raises ValueError for levels of which nothing says which is white."""
    signed = SIGNED in _tags(image).get(SAMPLE_FORMAT, ())
    if signed or (image.mode == "I" and image.format not in WHITE_IS_65535):
        raise ValueError(f"whole numbers (mode {image.mode}) of which it does not say which is white")


def _tags(image: Image.Image) -> Mapping[int, Any]:
    """A TIFF's tags, of any other file none."""
    return image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]


def _scaled(image: Image.Image) -> Image.Image:
    """An image of 16 bits whose white is 65535, or of floats whose white is 1.

    Pillow's convert would clip 16-bit levels at 255 and take floats for 8-bit levels.
    """
    levels, tags = np.asarray(image), _tags(image)
    white = 1 if image.mode == "F" else 65535
    if image.mode != "F" and tags:
        # it may hold 12 bits, which Pillow leaves as they are
        white = 2 ** tags[BITS_PER_SAMPLE][0] - 1
    # not the other way round: NaN compares false
    if not (levels.min() >= 0 and levels.max() <= white):
        raise ValueError(f"grey levels outside 0 to {white} (mode {image.mode})")
    # which Pillow sees to where there are 8 bits
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        levels = white - levels
    scaled = Image.fromarray(levels if image.mode == "F" else np.round(levels * (65535 / white)).astype(np.uint16))
    scaled.info = image.info
    return scaled


def _warn(name: str, what: str) -> None:
    warnings.warn(f"{name}: {what} cannot be read: the pixels are taken as they are", stacklevel=2)


def check_writable(path: Path) -> None:
    """Raises InputError unless a picture could be written there: asked before the work, not after."""
    _format_of(path)
    check_place(path)


def _format_of(path: Path) -> str:
    """Returns the format that a path's extension names, or PNG for a FIFO or a device without any."""
    if not path.suffix and path.exists() and not (path.is_file() or path.is_dir()):
        return "PNG"
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: expected an extension among {', '.join(sorted(FORMATS))}, got {path.suffix!r}")
    return FORMATS[path.suffix.lower()]


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes (H, W, 3) or (H, W) uint8 in the format that the extension names, the whole file or none.

    WebP is lossless, JPEG of the highest quality.  Raises InputError where it cannot be written.
    """
    write_picture(path, lambda format_: encoded(Image.fromarray(image), format_))


def write_picture(path: Path, encode: Callable[[str], bytes]) -> None:
    """Writes what `encode` makes of the format that the extension names; raises InputError where that cannot be."""
    check_writable(path)
    try:
        data = encode(_format_of(path))
        write_atomically(path, lambda file: file.write(data))
    # ValueError: more pixels a side than the format has room for
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a picture that can be written there, got: {error}") from error


def encoded(image: Image.Image, format_: str, **metadata: Any) -> bytes:
    """Returns an image as a file of a format of Pillow's, which takes the metadata by name."""
    file = BytesIO()
    image.save(file, format=format_, **KEEPING.get(format_, {}), **metadata)
    return file.getvalue()
