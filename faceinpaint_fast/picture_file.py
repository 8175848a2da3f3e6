"""A picture that goes back to a file as it came: known pixels, depth, transparency, and what it says of itself."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceinpaint_fast import png, tiff
from faceinpaint_fast.images import (
    TURNS,
    Upright,
    as_bytes,
    encoded,
    flat,
    not_whole,
    read_upright,
    write_picture,
)

LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R 601
GREY = {"1", "L", "LA", "La"}  # modes of 8 bits without colour
OTHER_COLOURS = {"CMYK", "LAB", "HSV", "YCbCr"}  # modes whose profile does not fit RGB
# of each format, what it carries besides pixels
CARRIES = {
    "BMP": {"dpi"},
    "JPEG": {"dpi", "exif", "icc_profile"},
    "PNG": {"dpi", "exif", "icc_profile", "alpha"},
    "PPM": set(),
    "TIFF": {"dpi", "exif", "icc_profile", "alpha"},
    "WEBP": {"exif", "icc_profile", "alpha"},
}
PPM = re.compile(rb"P6(?:(?:\s|#.*\n)+(\d+)){3}\s")  # its header, the last number of which is white
NAMES = {"dpi": "resolution", "exif": "EXIF", "icc_profile": "colour profile", "alpha": "transparency"}


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture as its file has it, turned upright.

    levels    (H, W, 1) grey or (H, W, 3) RGB: uint8, uint16, or float32 from 0 to 1
    alpha     (H, W) in the same dtype, 0 where transparent; None: opaque
    metadata  colour profile, EXIF and resolution, as Pillow takes them
    """

    levels: NDArray[Any]
    alpha: NDArray[Any] | None
    metadata: dict[str, Any]

    @classmethod
    def read(cls, source: Path | str | BinaryIO, *, name: str | None = None) -> PictureFile:
        """Returns the picture of a file; raises InputError and warns as `images.read_image` does."""
        found = read_upright(source, name=name)
        levels = _levels(found, name or str(source))
        if levels.shape[-1] in (1, 3):
            return cls(levels, None, _metadata(found))
        return cls(levels[..., :-1], levels[..., -1], _metadata(found))

    @property
    def white(self) -> int:
        """The level of white, and of what is opaque."""
        return {"uint8": 255, "uint16": 65535}.get(self.levels.dtype.name, 1)

    @property
    def pixels(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """What is seen: RGB (H, W, 3), uint8, or float32 from 0 to 1, transparent parts laid over black."""
        if self.levels.dtype == np.uint8:
            return np.asarray(flat(self._image()).convert("RGB"))
        opacity = 1 if self.alpha is None else self.alpha[..., None] / self.white
        return np.broadcast_to(self.levels / self.white * opacity, (*self.levels.shape[:2], 3)).astype(np.float32)

    def filled(self, pixels: NDArray[Any], hole: NDArray[np.bool_]) -> PictureFile:
        """Returns the picture with `pixels`, of the kind of its own, in the hole (H, W); others keep their levels.

        A hole that is transparent all over was cut out: it becomes opaque.  Any other keeps its transparency.
        """
        unit = pixels[hole].astype(np.float64) / (255 if pixels.dtype == np.uint8 else 1)  # (missing, 3)
        levels, alpha = self.levels.copy(), self.alpha
        if alpha is not None and hole.any():
            alpha = alpha.copy()
            if (alpha[hole] < self.white / 2).all():
                alpha[hole] = self.white
            opacity = alpha[hole][:, None] / self.white
            # as the levels below them, pixels are seen through it
            unit = np.divide(unit, opacity, out=unit, where=opacity > 0).clip(0, 1)
        if levels.shape[-1] == 1:
            unit = unit @ LUMINANCE[:, None]
        levels[hole] = unit if self.white == 1 else np.round(unit * self.white)
        return replace(self, levels=levels, alpha=alpha)

    def write(self, path: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        """Writes the picture in the format that the extension names; `tell` hears what that cannot keep.

        Raises InputError as `images.write_image` does.
        """
        write_picture(path, lambda format_: self.encoded(format_, lambda lost: tell(f"{path}: {lost}")))

    def encoded(self, format_: str, tell: Callable[[str], None] = lambda _: None) -> bytes:
        """Returns the picture as a file of a format; `tell` hears what that cannot keep."""
        if format_ == "JPEG":
            tell("JPEG cannot keep known pixels, they change by a level or two: PNG, TIFF and WebP keep them")
        bits = {255: 8, 65535: 16, 1: 32}[self.white]
        most = {"PNG": 16, "TIFF": self._bits_of_tiff}.get(format_, 8)
        if bits > most:
            tell(f"{format_} has {most} bits for a level of {bits}")
        picture = self if bits <= most else self._rounded(most)
        carries = picture._carried_by(format_)
        carried = self.metadata.keys() | ({"alpha"} if self.alpha is not None else set())
        if lost := carried - carries:
            tell(f"{format_} carries no {' and no '.join(NAMES[name] for name in sorted(lost))}")
        if "alpha" in lost:
            # all such formats have 8 bits
            picture = replace(picture, alpha=None, levels=picture.pixels)
        kept = {name: value for name, value in self.metadata.items() if name in carries}
        try:
            return picture._file(format_, kept)
        except Exception:
            made = picture._file(format_, {})
            tell(f"{format_} cannot take the picture's {', '.join(NAMES[name] for name in sorted(kept))}")
            return made

    @property
    def _is_plain(self) -> bool:
        """Whether it is grey and opaque, as Pillow has pictures of more than 8 bits."""
        return self.levels.shape[-1] == 1 and self.alpha is None

    @property
    def _bits_of_tiff(self) -> int:
        # of grey with alpha, Pillow reads 8 alone
        return 32 if self._is_plain else 16 if self.levels.shape[-1] == 3 else 8

    def _carried_by(self, format_: str) -> set[str]:
        """Returns what a file of a format carries besides the picture's levels."""
        # of more than 8 bits and in colour: tifffile, which writes those, takes no EXIF
        its_own = format_ == "TIFF" and self.white != 255 and not self._is_plain
        return CARRIES[format_] - ({"exif"} if its_own else set())

    @property
    def _channels(self) -> NDArray[Any]:
        return self.levels if self.alpha is None else np.dstack([self.levels, self.alpha])

    def _rounded(self, bits: int) -> PictureFile:
        """Returns the picture with levels of 8 or 16 bits."""

        def of(levels: NDArray[Any]) -> NDArray[Any]:
            return as_bytes(levels) if bits == 8 else np.round(levels / self.white * 65535).astype(np.uint16)

        return replace(self, levels=of(self.levels), alpha=None if self.alpha is None else of(self.alpha))

    def _image(self) -> Image.Image:
        """Returns the picture as Pillow has it: of 8 bits, or grey and opaque."""
        return Image.fromarray(self._channels[..., 0] if self._is_plain else self._channels)

    def _file(self, format_: str, metadata: dict[str, Any]) -> bytes:
        if self.white == 255 or self._is_plain:
            return encoded(self._image(), format_, **metadata)
        if format_ == "PNG":
            return png.deepened(encoded(self._rounded(8)._image(), format_, **metadata), self._channels)
        return tiff.written_deep(self._channels, metadata)


def _levels(found: Upright, name: str) -> NDArray[Any]:
    """Returns the levels of a file (H, W, C), of as many bits as it has; alpha is the last of 2 or 4."""
    image = found.image
    try:
        deep = png.read_deep(found.data)
    except Exception as error:
        raise not_whole(name, error) from error
    if deep is not None:
        return _turned(deep, found.turn)
    try:
        if (deep_and_orientation := tiff.read_deep(found.data)) is not None:
            deep, orientation = deep_and_orientation
            return _turned(deep, TURNS.get(orientation))
    # Pillow has read it, with 8 bits: tifffile may lack its compression
    except Exception as error:
        warnings.warn(f"{name}: 8 bits of its levels are read, more cannot be: {error}", stacklevel=3)
    # Pillow reads 8 bits of colours
    if (header := PPM.match(found.data)) and int(header[1]) > 255:
        warnings.warn(f"{name}: 8 bits of its levels are read, more cannot be", stacklevel=3)
    if image.mode == "F" or image.mode.startswith("I"):
        return np.asarray(image)[..., None]
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        return rgba[..., 2:] if image.mode in GREY else rgba
    return np.atleast_3d(np.asarray(image.convert("L" if image.mode in GREY else "RGB")))


def _turned(levels: NDArray[np.uint16], turn: Image.Transpose | None) -> NDArray[np.uint16]:
    if turn is None:
        return levels
    channels = [Image.fromarray(levels[..., i]).transpose(turn) for i in range(levels.shape[-1])]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def _metadata(found: Upright) -> dict[str, Any]:
    """Returns what a file says of itself, by the names of Pillow's options."""
    info, exif = found.image.info, found.exif
    if found.data.startswith(tiff.SIGNATURES):
        # where EXIF lies among the tags of the pixels
        for tag in exif.keys() - tiff.DESCRIPTIVE:
            del exif[tag]
    profile = None if found.image.mode in OTHER_COLOURS else info.get("icc_profile")
    said = {"icc_profile": profile, "dpi": info.get("dpi"), "exif": exif if len(exif) else None}
    return {name: value for name, value in said.items() if value}
