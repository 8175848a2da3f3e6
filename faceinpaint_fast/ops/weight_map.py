"""How much each pixel counts (Eq. 7), as an op on tensors; `faceinpaint_fast.weight_map` is the door for any array.

W(p) = 1 + alpha * (sum over q in the k x k patch around p of missing(q)) / k^2        (Qiang et al. 2019, Eq. 7)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.library import custom_op

from faceinpaint_fast.ops import cpu as cpu_kernels
from faceinpaint_fast.ops.tensors import is_traced
from faceinpaint_fast.weight_map import radius_and_scale


def weight_map(missing: Tensor, k: int, alpha: float) -> Tensor:
    """Returns W of holes (B, H, W) bool, True = missing: (B, H, W) float32; k and alpha as `InpaintConfig` has them."""
    height, width = missing.shape[-2:]
    op = _weight_map if is_traced(missing, missing) else _kernel(missing)
    weights: Tensor = op(missing, *radius_and_scale(k, alpha, height, width))
    return weights


def _kernel(missing: Tensor) -> Callable[..., Tensor]:
    """The device's."""
    if missing.is_cuda:
        # with the first tensor on CUDA, not before
        from faceinpaint_fast.ops import triton_weight_map

        return triton_weight_map.weight_map
    return cpu_kernels.weight_map


@custom_op("faceinpaint_fast::weight_map", mutates_args=())
def _weight_map(missing: Tensor, radius: int, scale: float) -> Tensor:
    return _kernel(missing)(missing, radius, scale)


@_weight_map.register_fake
def _(missing: Tensor, radius: int, scale: float) -> Tensor:  # noqa: ARG001
    return missing.new_empty(missing.shape, dtype=torch.float32)
