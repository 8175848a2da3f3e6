"""What the operations ask of the tensors that they get, and how those reach the C++ kernels."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast.errors import InputError

WORTH_A_THREAD = 1 << 16  # numbers: a thread takes tens of microseconds to start, and these about 200


def check_pair(x: Tensor, y: Tensor) -> None:
    """Two images or batches of one shape, on one device, of floating dtypes."""
    if x.ndim not in (3, 4) or x.shape != y.shape:
        raise InputError(f"x, y: expected one shape, (C, H, W) or (B, C, H, W), got {tuple(x.shape)}, {tuple(y.shape)}")
    if not (x.is_floating_point() and y.is_floating_point()):
        raise InputError(f"x, y: expected floating dtypes, got {x.dtype}, {y.dtype}")
    if x.device != y.device:
        raise InputError(f"x, y: expected one device, got {x.device}, {y.device}")


def accumulator(x: Tensor, y: Tensor) -> torch.dtype:
    """The dtype of sums: half precision is summed in single."""
    return torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)


def on_cpu(tensor: Tensor) -> NDArray[Any]:
    """The same numbers for NumPy, one after the other; copied only where they are not."""
    return tensor.detach().contiguous().numpy()


def threads_for(tensor: Tensor) -> int:
    """As many as torch may use, each with enough of the tensor to do."""
    return max(1, min(torch.get_num_threads(), tensor.numel() // WORTH_A_THREAD))
