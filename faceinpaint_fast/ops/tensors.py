"""What the operations ask of the tensors that they get, and who is watching them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from faceinpaint_fast.errors import InputError


def check_pair(x: Any, y: Any) -> None:
    """Two images or batches of one shape, on one device, of floating dtypes."""
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        raise InputError(f"x, y: expected torch tensors, got {_kind(x)}, {_kind(y)}")
    if not x.layout == y.layout == torch.strided:
        raise InputError(f"x, y: expected dense tensors, got {x.layout}, {y.layout}")
    if x.ndim not in (3, 4) or x.shape != y.shape:
        raise InputError(f"x, y: expected one shape, (C, H, W) or (B, C, H, W), got {tuple(x.shape)}, {tuple(y.shape)}")
    if 0 in x.shape:
        raise InputError(f"x, y: expected images that are not empty, got shape {tuple(x.shape)}")
    if not (x.is_floating_point() and y.is_floating_point()):
        raise InputError(f"x, y: expected floating dtypes, got {x.dtype}, {y.dtype}")
    if x.device != y.device:
        raise InputError(f"x, y: expected one device, got {x.device}, {y.device}")


def check_weights(name: str, weights: Any, x: Tensor) -> None:
    """A tensor beside x that nobody wants the gradient of."""
    if not isinstance(weights, Tensor):
        raise InputError(f"{name}: expected a torch tensor, got {_kind(weights)}")
    if weights.layout != torch.strided:
        raise InputError(f"{name}: expected a dense tensor, got {weights.layout}")
    if weights.is_complex():
        raise InputError(f"{name}: expected real numbers, got {weights.dtype}")
    if weights.device != x.device:
        raise InputError(f"{name}: expected them on the device of x, {x.device}, got {weights.device}")
    if weights.requires_grad:
        raise InputError(f"{name}: expected weights without requires_grad, there is no gradient in them")


def accumulator(x: Tensor, y: Tensor) -> torch.dtype:
    """The dtype of sums: half precision is summed in single."""
    if x.dtype == y.dtype == torch.float32:
        return torch.float32
    return torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)


def is_traced(x: Tensor, y: Tensor) -> bool:
    """Returns whether anything but autograd's reverse mode wants to see what is done to x and y.

    It has to be an op of torch's then: for a compiler, an exporter, a mode, a tensor that holds no numbers.
    """
    return (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._get_tracing_state() is not None
        or not all(type(t) in (Tensor, torch.nn.Parameter) and t.device.type in ("cpu", "cuda") for t in (x, y))
    )


def is_transformed() -> bool:
    """Whether a transform of torch.func or forward mode is under way, which take plain torch apart and nothing else."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


def is_batched(gradient: Tensor) -> bool:
    """Whether a gradient stands for many, of which a kernel would see none: `is_grads_batched`, vmap over autograd."""
    functorch = torch._C._functorch
    return functorch.is_batchedtensor(gradient) or functorch.is_legacy_batchedtensor(gradient)


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
