"""A layer's products in an ONNX graph: convolutions of planar images, BatchNorm's scale multiplied into the weight."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from faceinpaint_fast.networks.layers import Finish, Layer
from faceinpaint_fast.networks.products import Product, added, before_tanh, finished


class PlanarProduct(Product):
    """In an ONNX graph: as runtimes have convolutions, channels first.

    Images come and go as any product's, channels last: of neighbouring layers the two changes of order are none, and a
    runtime or an exporter leaves them out.  A weight times its scale is a constant, which a runtime multiplies once.
    """

    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:  # noqa: ARG002 - float32
        self.connects = layer.connects
        self.weight = (layer.matrix if layer.connects else layer.weight).float().contiguous()

    def double(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.double` asks for."""
        if self.connects:
            gate = None if gate is None else gate.flatten(1)
            return added(finished(x @ self.weight, finish, gate, dtype).unflatten(1, (4, 4, -1)), onto)
        weight = self.weight * finish.scale[:, None, None]
        y = F.conv_transpose2d(planar(x), weight, finish.bias, stride=2, padding=1)
        return added(gated(y, finish, gate), onto)

    def halve(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, tanh: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.halve` asks for."""
        x = before_tanh(x, tanh)
        if self.connects:
            return finished(x.flatten(1) @ self.weight.T, finish, gate, dtype)
        weight = self.weight * finish.scale[:, None, None, None]
        return gated(F.conv2d(planar(x), weight, finish.bias, stride=2, padding=1), finish, gate)


def planar(x: Tensor) -> Tensor:
    """Returns images (B, H, W, C) as (B, C, H, W)."""
    return x.permute(0, 3, 1, 2)


def gated(y: Tensor, finish: Finish, gate: Tensor | None) -> Tensor:
    """Returns what becomes of sums (B, C, H, W) that have their scale and bias, see Finish: (B, H, W, C)."""
    if gate is not None and finish.slope == 0:
        # what a ReLU gave is 0 or above it; choosing took a tenth of a search
        y = y * planar(gate).sign()
    elif gate is not None:
        y = torch.where(planar(gate) > 0, y, finish.slope * y)
    elif finish.slope != 1:
        y = F.leaky_relu(y, finish.slope) if finish.slope else y.relu()
    return (y.tanh() if finish.tanh else y).permute(0, 2, 3, 1)
