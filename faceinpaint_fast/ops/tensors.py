"""What the operations ask of the tensors that they get."""

from __future__ import annotations

import torch
from torch import Tensor

from faceinpaint_fast.errors import InputError


def check_pair(x: Tensor, y: Tensor) -> None:
    """Two images or batches of one shape, on one device, of floating dtypes."""
    if x.ndim not in (3, 4) or x.shape != y.shape:
        raise InputError(f"x, y: expected one shape, (C, H, W) or (B, C, H, W), got {tuple(x.shape)}, {tuple(y.shape)}")
    if not (x.is_floating_point() and y.is_floating_point()):
        raise InputError(f"x, y: expected floating dtypes, got {x.dtype}, {y.dtype}")
    if x.device != y.device:
        raise InputError(f"x, y: expected one device, got {x.device}, {y.device}")


def accumulator(x: Tensor, y: Tensor) -> torch.dtype:
    """Returns the dtype of sums: half precision is summed in single."""
    return torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
