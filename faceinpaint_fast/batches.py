"""A caller's images and holes as batches that are checked, and the way back to the caller's kind of array and layout.

A hole is thresholded here, by `masks.as_hole`, and nowhere below: further down it is bool, True where missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import brought, is_cupy, is_torch, like, module_of, to_numpy, where_it_lies
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.masks import as_hole


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
        """NumPy and CuPy: (H, W, C) or (B, H, W, C); torch: (C, H, W) or (B, C, H, W); InputError for others.

        on_device  leave images on a CUDA device there, as CuPy's, if it is installed
        to         bring them to the CUDA device of this number, as CuPy's, which is installed
        """
        pixels = where_it_lies(images) if on_device or to is not None else to_numpy(images)
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
    def count(self) -> int | None:
        """How many images; None if it is one without a batch axis."""
        return len(self.pixels) if self._example.ndim == 4 else None

    def unit(self) -> NDArray[Any]:
        """The pixels as float, uint8 brought to [0, 1]: (B, H, W, C)."""
        return self.pixels / np.float32(255) if self.pixels.dtype == np.uint8 else self.pixels

    def on_scale_of(self, other: ImageBatch) -> Any:
        """The pixels with 1 where `other` has 1, in bytes 255: (B, H, W, C)."""
        ours, theirs = (255 if batch.pixels.dtype == np.uint8 else 1 for batch in (self, other))
        if ours == theirs:
            return self.pixels
        dtype = np.result_type(np.float32, self.pixels.dtype, other.pixels.dtype)
        return np.multiply(self.pixels, theirs / ours, dtype=dtype)

    def rounded(self, unit: NDArray[Any]) -> NDArray[Any]:
        """Values on the scale of `unit` in the dtype of the pixels."""
        if self.pixels.dtype == np.uint8:
            unit = np.round(np.clip(unit, 0, 1) * 255)
        return unit.astype(self.pixels.dtype)

    def filled(self, unit: NDArray[Any], holes: NDArray[np.bool_]) -> Any:
        """The caller's images with `unit` (B, H, W, C) in their holes (B, H, W), every other pixel bit for bit."""
        return self.laid_out(np.where(holes[..., None], self.rounded(unit), self.pixels))

    def laid_out(self, pixels: Any) -> Any:
        """(B, H, W, C) as the caller's kind of array and layout."""
        if is_torch(self._example):
            pixels = module_of(pixels).ascontiguousarray(np.moveaxis(pixels, -1, -3))
        return like(self.strip(pixels), self._example)

    def strip(self, batched: Any) -> Any:
        """Without the batch axis if the caller's images have none."""
        return batched.reshape(batched.shape[1:]) if self.count is None else batched


def partly_known(hole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`hole`, (H, W) or (B, H, W); InputError for another shape, and where nothing at all is known of an image."""
    if hole.ndim not in (2, 3):
        raise InputError(f"hole: expected shape (H, W) or (B, H, W), got {hole.shape}")
    full = hole.all(axis=(-2, -1))
    if full.any():
        where = f"holes[{int(full.argmax())}]" if hole.ndim == 3 else "hole"
        raise InputError(f"{where}: expected at least one known pixel, got none")
    return hole


def fitting(hole: NDArray[np.bool_], count: int | None, height: int, width: int) -> NDArray[np.bool_]:
    """`hole` as (B, H, W) for `count` images, or for one if count is None; (H, W) serves all, as a view."""
    expected = [(height, width)] + ([] if count is None else [(count, height, width)])
    if hole.shape not in expected:
        raise InputError(f"hole: expected shape {' or '.join(map(str, expected))}, got {hole.shape}")
    return np.broadcast_to(hole, (count or 1, height, width))


def holes_of(hole: Any, count: int | None, height: int, width: int, *, to: int | None = None) -> Any:
    """The holes (B, H, W), bool, of `count` images, or of one if count is None; one hole may serve all of them.

    They are NumPy's, or CuPy's on the CUDA device of number `to`.  Raises InputError where shapes differ and where
    nothing at all is known of an image.
    """
    hole = as_hole(to_numpy(hole) if to is None else brought(where_it_lies(hole), to))
    fits = fitting(hole, count, height, width)
    partly_known(hole)
    return fits


def check_finite(pixels: Any, holes: Any, name: str) -> None:
    """InputError naming the first image (B, H, W, C) with NaN or Inf outside its hole, (H, W) or (B, H, W)."""
    # one pass tells, unless the hole holds them, or the sum is too large
    with np.errstate(all="ignore"):
        if pixels.dtype == np.uint8 or np.isfinite(pixels.sum()):
            return
    bad = (~np.isfinite(pixels).all(axis=-1) & ~holes).any(axis=(1, 2))
    if bad.any():
        raise InputError(f"{name}[{int(bad.argmax())}]: expected finite numbers, got NaN or Inf outside the hole")
