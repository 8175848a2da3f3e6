"""Which library made an array, and how to get from one to the other.

torch and CuPy are looked up among the modules already imported, never imported for the question: an array cannot
come from a library that is not there.
"""

from __future__ import annotations

import os
import sys
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
    """The array as NumPy's: a view where it lies in this machine's memory, else a copy."""
    if is_torch(array):
        return array.detach().cpu().numpy()
    if is_cupy(array):
        return array.get()
    return np.asarray(array)


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


def pick_device(name: str | torch.device) -> torch.device:
    """The device of this name; "auto" is the first CUDA device if there is one, else the CPU."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device: expected auto or a device at hand, got {name!r}: {error}") from None
    return device


def thread_count() -> int:
    """How many threads compiled code may use: torch's setting, or one a core where torch is not in use."""
    module = sys.modules.get("torch")
    return module.get_num_threads() if module is not None else len(os.sched_getaffinity(0))
