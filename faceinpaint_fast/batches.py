"""A caller's images, holes and seeds as checked batches, and the way back to the caller's kind of array and layout.

A hole is thresholded here, by `masks.as_hole`, and nowhere below: further down it is bool, True where missing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import brought, is_cupy, is_torch, like, module_of, read_together, to_numpy, where_it_lies
from faceinpaint_fast.checks import expect_number, in_unit, whole
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.masks import as_hole, expect_range, level, plane


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """A caller's images as one batch, and the way back to the caller's kind of array and layout.

    pixels  (B, H, W, C), float or uint8: NumPy, or CuPy where that was asked for; a view of what was handed over, where
            that lies there
    """

    pixels: Any
    _example: Any

    @classmethod
    def of(cls, images: Any, name: str, *, on_device: bool = False, to: int | None = None) -> ImageBatch:
        """Returns images as a batch: NumPy's and CuPy's (H, W, C) or (B, H, W, C), torch's (C, H, W) or (B, C, H, W).

        Raises InputError for others, and for numbers that are neither float nor uint8.

        name       what the images are called in a message
        on_device  leave images on a CUDA device there, as CuPy's, if it is installed
        to         bring them to the CUDA device of this number, as CuPy's, which is installed
        """
        if isinstance(images, list | tuple) and any(is_torch(image) for image in images):
            raise InputError(f"{name}: expected one tensor, (B, C, H, W), got a {type(images).__name__} of them")
        pixels = where_it_lies(images, name) if on_device or to is not None else to_numpy(images, name)
        # a list of arrays, or any other object that NumPy understands, comes back as NumPy's
        example = images if is_torch(images) or is_cupy(images) else pixels
        layout = "(C, H, W) or (B, C, H, W)" if is_torch(images) else "(H, W, C) or (B, H, W, C)"
        if pixels.ndim not in (3, 4) or pixels.size == 0:
            raise InputError(f"{name}: expected shape {layout}, not empty, got {pixels.shape}")
        if pixels.dtype != np.uint8 and not np.issubdtype(pixels.dtype, np.floating):
            raise InputError(f"{name}: expected float or uint8, got {pixels.dtype}")
        if is_torch(images):
            pixels = np.moveaxis(pixels, -3, -1)
        pixels = pixels if to is None else brought(pixels, to)
        return cls(pixels if pixels.ndim == 4 else pixels[None], example)

    @property
    def planar(self) -> bool:
        """Whether the caller's channels come before the rows, as torch has them."""
        return is_torch(self._example)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the caller's images."""
        return tuple(self._example.shape)

    @property
    def count(self) -> int | None:
        """The number of images; None for one without a batch axis."""
        return len(self.pixels) if self._example.ndim == 4 else None

    def known_where(self, read: Callable[[], Any], name: str) -> ImageBatch:
        """Returns the batch with finite numbers: itself, or one with 0 for NaN and Inf that nobody reads.

        Raises InputError that says where there is one that is read; `read` tells, for whoever has to know, (B, H, W).
        """
        bad = not_finite(self.pixels)
        if bad is None:
            return self
        expect_none(bad & read(), name)
        return replace(self, pixels=np.where(bad[..., None], self.pixels.dtype.type(0), self.pixels))

    def unit(self) -> NDArray[Any]:
        """Returns the pixels as float, uint8 brought to [0, 1]: (B, H, W, C)."""
        return self.pixels / np.float32(255) if self.pixels.dtype == np.uint8 else self.pixels

    def on_scale_of(self, other: ImageBatch) -> Any:
        """Returns the pixels with 1, in bytes 255, for what is 1 in `other`: (B, H, W, C)."""
        ours, theirs = (255 if batch.pixels.dtype == np.uint8 else 1 for batch in (self, other))
        if ours == theirs:
            return self.pixels
        dtype = np.result_type(np.float32, self.pixels.dtype, other.pixels.dtype)
        return np.multiply(self.pixels, theirs / ours, dtype=dtype)

    def rounded(self, unit: NDArray[Any]) -> NDArray[Any]:
        """Returns values on the scale of `unit` in the dtype of the pixels."""
        if self.pixels.dtype == np.uint8:
            unit = np.round(np.clip(unit, 0, 1) * 255)
        return unit.astype(self.pixels.dtype)

    def filled(self, unit: NDArray[Any], holes: NDArray[np.bool_]) -> Any:
        """Returns the caller's images with `unit` (B, H, W, C) in their holes (B, H, W), other pixels bit for bit."""
        return self.laid_out(np.where(holes[..., None], self.rounded(unit), self.pixels))

    def laid_out(self, pixels: Any) -> Any:
        """Returns pixels (B, H, W, C) as the caller's kind of array and layout."""
        if self.planar:
            pixels = module_of(pixels).ascontiguousarray(np.moveaxis(pixels, -1, -3))
        return self.like(pixels)

    def like(self, batched: Any) -> Any:
        """Returns an array (B, ...) as the caller's kind of array, without its batch axis if the images have none."""
        return like(self.strip(batched), self._example)

    def strip(self, batched: Any) -> Any:
        """Returns an array without its batch axis, if the caller's images have none."""
        return batched.reshape(batched.shape[1:]) if self.count is None else batched


def hole_of(hole: Any, *, on_device: bool = False) -> Any:
    """Returns a caller's hole or holes as NumPy's bool, without channels; InputError for what is none.

    on_device  leave them on a CUDA device if they lie there, as CuPy's, if it is installed
    """
    return as_hole(_handed_over(hole, on_device=on_device))


def _handed_over(hole: Any, *, on_device: bool = False, to: int | None = None) -> Any:
    """Returns a hole without channels, not yet cut; on_device and to as `ImageBatch.of` has them."""
    found = where_it_lies(hole, "hole") if on_device or to is not None else to_numpy(hole, "hole")
    return plane(found if to is None else brought(found, to), planar=is_torch(hole))


def partly_known(hole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns `hole`, (H, W) or (B, H, W).

    Raises InputError for another shape, and where nothing at all is known of an image.
    """
    if hole.ndim not in (2, 3):
        raise InputError(f"hole: expected shape (H, W) or (B, H, W), got {hole.shape}")
    full = hole.all(axis=(-2, -1))
    if full.any():
        where = f"holes[{int(full.argmax())}]" if hole.ndim == 3 else "hole"
        raise InputError(f"{where}: expected at least one known pixel, got none")
    return hole


def fitting(hole: NDArray[np.bool_], count: int | None, height: int, width: int) -> NDArray[np.bool_]:
    """Returns `hole` as (B, H, W) for `count` images, or for one if count is None; (H, W) serves all, as a view.

    Raises InputError for a hole of another shape.
    """
    expected = [(height, width)] + ([] if count is None else [(count, height, width)])
    if hole.shape not in expected:
        shapes = " or ".join(map(str, expected))
        raise InputError(f"hole: expected shape {shapes}, got {hole.shape}: the images have {height}x{width} pixels")
    return np.broadcast_to(hole, (count or 1, height, width))


def damaged_of(batch: ImageBatch, hole: Any, *, to: int | None = None) -> tuple[Any, Any]:
    """Returns images (B, H, W, C) in [0, 1], 0 where missing, and what is missing (B, H, W); one hole may serve all.

    Raises InputError where shapes differ, where nothing at all is known of an image, and for known pixels that are not
    finite or not in [0, 1]; warns of a hole without a pixel.  `to` is as the batch was given it; on a CUDA device one
    transfer tells whether anything is wrong.
    """
    _, height, width, _ = batch.pixels.shape
    found = _handed_over(hole, to=to)
    missing = fitting(found >= level(found), batch.count, height, width)
    damaged = np.where(missing[..., None], 0, batch.unit())
    counts = missing.sum(axis=(1, 2))
    # bytes are in their range
    images, holes = (np.issubdtype(array.dtype, np.floating) for array in (damaged, found))
    images = images and batch.pixels.dtype != np.uint8
    looked_at = [counts] + [found] * holes + [damaged] * images
    facts = read_together([extreme for array in looked_at for extreme in (array.min(), array.max())])
    (least, most), *ranges = zip(facts[::2], facts[1::2], strict=True)
    if holes:
        expect_range(*ranges[0])
    if most == height * width:
        partly_known(missing if found.ndim == 3 else missing[0])
    if images:
        low, high = ranges[-1]
        if not math.isfinite(low + high):
            expect_none(~np.isfinite(damaged).all(axis=-1), "images")
        if not in_unit(low, high):
            raise InputError(f"images: expected float in [0, 1] or uint8, got {low:.9g} to {high:.9g}")
        damaged = damaged.clip(0, 1)
    if least == 0:
        warnings.warn("hole: expected a missing pixel, got none: that image comes back as it is", stacklevel=4)
    return damaged, missing


def seeds_of(seed: int | Sequence[int], count: int) -> list[int]:
    """Returns the seeds of `count` images: one serves all; InputError for another number of them, and for no seed."""
    # what torch takes
    return [whole(each, "seed", least=-(2**63), most=2**64 - 1) for each in _each_of(seed, count, "seed")]


def spreads_of(spread: float | Sequence[float], count: int) -> list[float]:
    """Returns the spreads of `count` images, as `seeds_of` does their seeds; InputError for any beyond [0, 1]."""
    spreads = _each_of(spread, count, "spread")
    for each in spreads:
        expect_number(each, "spread", "a number from 0 to 1", lambda number: 0 <= number <= 1)
    return [float(each) for each in spreads]


def _each_of(given: Any, count: int, name: str) -> list[Any]:
    """Returns what is given for each of `count` images: one serves all; InputError for another number of them."""
    if is_torch(given) or is_cupy(given) or isinstance(given, np.ndarray):
        given = to_numpy(given, name).tolist()
    every = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given] * count
    if len(every) != count:
        raise InputError(f"{name}: expected one, or one for each of {count} images, got {len(every)}")
    return every


def not_finite(pixels: Any) -> Any | None:
    """Returns where pixels (B, H, W, C) are not finite, (B, H, W), or None, for certain, if nowhere."""
    # one pass tells, unless the sum is too large
    with np.errstate(all="ignore"):
        if pixels.dtype == np.uint8 or np.isfinite(pixels.sum()):
            return None
    return ~np.isfinite(pixels).all(axis=-1)


def expect_none(bad: Any, name: str) -> None:
    """Raises InputError that names the first pixel (B, H, W) which is bad, if there is one."""
    if bad.any():
        image, row, column = (int(index) for index in np.unravel_index(int(bad.argmax()), bad.shape))
        raise InputError(f"{name}[{image}]: expected finite numbers, got NaN or Inf at row {row}, column {column}")


def with_neighbours(holes: Any) -> Any:
    """Returns holes (B, H, W) with the pixels beside, above and below them."""
    wider = holes.copy()
    wider[:, 1:] |= holes[:, :-1]
    wider[:, :-1] |= holes[:, 1:]
    wider[:, :, 1:] |= holes[:, :, :-1]
    wider[:, :, :-1] |= holes[:, :, 1:]
    return wider
