"""Which library made an array, and how to get from one to the other.

torch and CuPy are looked up among the modules already imported, never imported for the question: an array cannot
come from a library that is not there.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
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


def module_of(array: Any) -> Any:
    """numpy or cupy, whichever made the array."""
    return sys.modules["cupy"] if is_cupy(array) else np


def device_of(array: Any) -> int | None:
    """The number of the CUDA device where an array of CuPy's lies; None: NumPy's."""
    return array.device.id if is_cupy(array) else None


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


def where_it_lies(array: Any) -> Any:
    """The array as NumPy's or, if it lies on a CUDA device and CuPy is installed, as CuPy's: a view either way."""
    if is_cupy(array):
        return array
    if is_torch(array) and array.is_cuda:
        with contextlib.suppress(ImportError):
            import cupy

            return cupy.from_dlpack(array.detach())
    return to_numpy(array)


@contextlib.contextmanager
def on_stream_of(array: Any) -> Iterator[None]:
    """CuPy, if it is installed, works on the array's device and, if it is torch's, on torch's current stream."""
    with contextlib.ExitStack() as stack:
        if is_cupy(array):
            stack.enter_context(array.device)
        elif is_torch(array) and array.is_cuda:
            with contextlib.suppress(ImportError):
                import cupy
                import torch

                stack.enter_context(cupy.cuda.Device(array.device.index))
                stream = torch.cuda.current_stream(array.device)
                # since CuPy 14, which warns of ExternalStream
                if hasattr(cupy.cuda.Stream, "from_external"):
                    stack.enter_context(cupy.cuda.Stream.from_external(stream))
                else:
                    stack.enter_context(cupy.cuda.ExternalStream(stream.cuda_stream))
        yield


def like(result: Any, example: Array) -> Array:
    """`result` as the kind of array that `example` is, where that one lies."""
    if is_torch(example):
        import torch

        if is_cupy(result):
            return torch.from_dlpack(result)  # type: ignore[attr-defined, return-value]
        return torch.from_numpy(result).to(example.device)  # type: ignore[attr-defined, return-value]
    if is_cupy(example) and not is_cupy(result):
        import cupy

        with example.device:  # type: ignore[attr-defined]
            return cupy.asarray(result)
    return result


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """A caller's images as one batch, and the way back to his kind of array and layout.

    pixels  (B, H, W, C), float or uint8, a view of what was handed over: NumPy, or CuPy where that was asked for
    """

    pixels: Any
    _example: Any

    @classmethod
    def of(cls, images: Any, name: str, *, on_device: bool = False) -> ImageBatch:
        """NumPy and CuPy: (H, W, C) or (B, H, W, C); torch: (C, H, W) or (B, C, H, W); InputError for others.

        on_device  leave images on a CUDA device there, as CuPy's, if it is installed
        """
        pixels = where_it_lies(images) if on_device else to_numpy(images)
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
        result = self.pixels.copy()
        result[holes] = self.rounded(unit[holes])
        return self.laid_out(result)

    def laid_out(self, pixels: Any) -> Any:
        """(B, H, W, C) as the caller's kind of array and layout."""
        if is_torch(self._example):
            pixels = module_of(pixels).ascontiguousarray(np.moveaxis(pixels, -1, -3))
        return like(self.strip(pixels), self._example)

    def strip(self, batched: Any) -> Any:
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
