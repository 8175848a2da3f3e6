"""Which library made an array, and how to get from one to the other.

torch and CuPy are looked up among the modules already imported, never imported for the question: an array cannot
come from a library that is not there.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array")  # np.ndarray, torch.Tensor or cupy.ndarray


def is_torch(array: object) -> bool:
    module = sys.modules.get("torch")
    return module is not None and isinstance(array, module.Tensor)


def is_cupy(array: object) -> bool:
    module = sys.modules.get("cupy")
    return module is not None and isinstance(array, module.ndarray)


def to_numpy(array: Any) -> NDArray[Any]:
    """The array as NumPy's: a view where it lies in this machine's memory, else a copy; InputError if it cannot be."""
    try:
        if is_torch(array):
            return array.detach().cpu().numpy()
        if is_cupy(array):
            return array.get()
        return np.asarray(array)
    # bfloat16 and sparse tensors, ragged lists
    except (TypeError, ValueError) as error:
        raise InputError(f"array: expected one that NumPy can hold, got {type(array).__name__}: {error}") from error


def like(result: NDArray[Any], example: Array) -> Array:
    """`result` as the kind of array that `example` is, where that one lies."""
    if is_torch(example):
        import torch

        return torch.from_numpy(result).to(example.device)  # type: ignore[attr-defined, return-value]
    if is_cupy(example):
        import cupy

        with example.device:  # type: ignore[attr-defined]
            return cupy.asarray(result)
    return result  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """A caller's images as one NumPy batch, and the way back to his kind of array and layout.

    pixels  (B, H, W, C), float or uint8, a view of what was handed over
    """

    pixels: NDArray[Any]
    _example: Any

    @classmethod
    def of(cls, images: Any, name: str) -> ImageBatch:
        """NumPy and CuPy: (H, W, C) or (B, H, W, C); torch: (C, H, W) or (B, C, H, W); InputError for others."""
        pixels = to_numpy(images)
        # a list of arrays, or any other object that NumPy understands, comes back as NumPy's
        example = images if is_torch(images) or is_cupy(images) else pixels
        layout = "(C, H, W) or (B, C, H, W)" if is_torch(images) else "(H, W, C) or (B, H, W, C)"
        if pixels.ndim not in (3, 4) or pixels.size == 0:
            raise InputError(f"{name}: expected shape {layout}, not empty, got {pixels.shape}")
        if pixels.dtype != np.uint8 and not np.issubdtype(pixels.dtype, np.floating):
            raise InputError(f"{name}: expected float or uint8, got {pixels.dtype}")
        if is_torch(images):
            pixels = np.moveaxis(pixels, -3, -1)
        return cls(pixels if pixels.ndim == 4 else pixels[None], example)

    @property
    def count(self) -> int | None:
        """How many images; None if it is one without a batch axis."""
        return len(self.pixels) if self._example.ndim == 4 else None

    def unit(self) -> NDArray[Any]:
        """The pixels as float, uint8 brought to [0, 1]: (B, H, W, C)."""
        return self.pixels / np.float32(255) if self.pixels.dtype == np.uint8 else self.pixels

    def rounded(self, unit: NDArray[Any]) -> NDArray[Any]:
        """Values on the scale of `unit` in the dtype of the pixels."""
        if self.pixels.dtype == np.uint8:
            unit = np.round(np.clip(unit, 0, 1) * 255)
        return unit.astype(self.pixels.dtype)

    def filled(self, unit: NDArray[Any], holes: NDArray[np.bool_]) -> Any:
        """The caller's images with `unit` (B, H, W, C) in their holes (B, H, W), every other pixel bit for bit."""
        result = self.pixels.copy()
        result[holes] = self.rounded(unit[holes])
        return self.laid_out(result)

    def laid_out(self, pixels: NDArray[Any]) -> Any:
        """(B, H, W, C) as the caller's kind of array and layout."""
        if is_torch(self._example):
            pixels = np.ascontiguousarray(np.moveaxis(pixels, -1, -3))
        return like(self.strip(pixels), self._example)

    def strip(self, batched: NDArray[Any]) -> NDArray[Any]:
        """Without the batch axis if the caller's images have none."""
        return batched.reshape(batched.shape[1:]) if self.count is None else batched


def pick_device(name: str | torch.device) -> torch.device:
    """The device of this name; "auto" is the first CUDA device if there is one, else the CPU."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        # there and back: the meta device exists, but nothing ever returns from it
        torch.empty(0, device=device).cpu()
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device: expected auto or a device at hand, got {name!r}: {error}") from None
    return device


def thread_count() -> int:
    """How many threads compiled code may use: torch's setting, or one a core where torch is not in use."""
    module = sys.modules.get("torch")
    return module.get_num_threads() if module is not None else len(os.sched_getaffinity(0))


def threads_for(items: int, worth_a_thread: int) -> int:
    """As many as compiled code may use, each with at least so many items."""
    return max(1, min(thread_count(), items // worth_a_thread))
