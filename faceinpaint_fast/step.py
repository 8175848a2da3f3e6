"""One iteration made fast: G and D with their adjoints written out.

The gradient of a transposed convolution is a convolution with the same weights, and the other way round; that of an
activation follows from what came out of it.  So a DCGAN needs no tape but its activations; its BatchNorm, in eval
mode, is folded into the weights once, and these are packed once for either direction, as oneDNN wants them.  Left to
autograd, they are packed anew in every iteration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from faceinpaint_fast.config import Precision
from faceinpaint_fast.generator import IMAGE_SIZE, DCGANDiscriminator, DCGANGenerator

mkldnn = torch.ops.mkldnn

Activation = tuple[str, list[float]]  # oneDNN's name of it, and its numbers


def fastest(network: Any, device: torch.device, precision: Precision) -> Callable[[Tensor], Tensor]:
    """A frozen network as a function, float32 at its ends, differentiable in its input; `precision` is of its inside.

    A DCGAN on a CPU that oneDNN serves gets the explicit adjoint, anything else autograd's.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cpu" and onednn_serves(dtype) and isinstance(network, DCGANGenerator | DCGANDiscriminator):
        stages = stages_of(network.layers, dtype)
        shape = (-1, 3, IMAGE_SIZE, IMAGE_SIZE) if isinstance(network, DCGANGenerator) else (-1,)
        return lambda inputs: ExplicitAdjoint.apply(inputs, stages).view(shape)

    def run(inputs: Tensor) -> Tensor:
        with torch.autocast(inputs.device.type, dtype, enabled=precision == "bf16"):
            outputs: Tensor = network(inputs)
        return outputs.float()

    return run


def onednn_serves(dtype: torch.dtype) -> bool:
    """Whether this build of torch and this processor have oneDNN's convolutions in this dtype."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or bool(mkldnn._is_mkldnn_bf16_supported())


class ExplicitAdjoint(torch.autograd.Function):
    """A chain of stages as one function, differentiable in its input."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, stages: Sequence[Stage]) -> Tensor:
        outputs = []
        x = inputs.to(stages[0].dtype)
        for stage in stages:
            x = stage.forward(x)
            outputs.append(x)
        ctx.stages = stages
        # kept as an attribute, the last of them would hold this function, which holds it: memory for the garbage
        # collector to find
        ctx.save_for_backward(*outputs)
        return x.float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.to(ctx.stages[0].dtype)
        for stage, out in zip(reversed(ctx.stages), reversed(ctx.saved_tensors), strict=True):
            gradient = stage.backward(gradient, out)
        return gradient.float(), None


def stages_of(layers: nn.Sequential, dtype: torch.dtype) -> list[Stage]:
    """The layers of a DCGAN's G or D, each convolution with the BatchNorm and the activation that follow it."""
    kinds = {nn.ConvTranspose2d: (First, Doubling), nn.Conv2d: (Last, Halving)}
    stages: list[Stage] = []
    modules = deque(layers)
    while modules:
        convolution = modules.popleft()
        norm = modules.popleft() if modules and isinstance(modules[0], nn.BatchNorm2d) else None
        activation = modules.popleft() if modules and type(modules[0]) not in kinds else None
        at_the_end, inside = kinds[type(convolution)]
        kind = at_the_end if convolution.stride == (1, 1) else inside
        stages.append(kind(*folded(convolution, norm), activation, dtype))
    return stages


def folded(convolution: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """A convolution and the BatchNorm behind it, in eval mode, as one convolution's weight and bias, float64."""
    weight, bias = convolution.weight.double(), convolution.bias
    bias = weight.new_zeros(convolution.out_channels) if bias is None else bias.double()
    if norm is None:
        return weight, bias
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    outputs = (1, -1, 1, 1) if isinstance(convolution, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    return weight * scale.view(outputs), norm.bias + (bias - norm.running_mean) * scale


class Stage(ABC):
    """A convolution of 4x4 with its activation, forwards and backwards.

    Images are (B, C, H, W) in channels_last order, which oneDNN reads and writes without another copy.
    """

    def __init__(self, weight: Tensor, bias: Tensor, activation: nn.Module | None, dtype: torch.dtype) -> None:
        self.bias, self.dtype, self.activation = bias.to(dtype), dtype, activation
        self._take(weight.to(dtype))

    @abstractmethod
    def _take(self, weight: Tensor) -> None:
        """Keep the weight in the order that this stage computes with, and in no other."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """activation(convolution(x))."""

    @abstractmethod
    def backward(self, gradient: Tensor, out: Tensor) -> Tensor:
        """The gradient in x, from that in `out` = forward(x)."""

    def _fused(self) -> Activation:
        match self.activation:
            case nn.ReLU():
                return "relu", []
            case nn.LeakyReLU(negative_slope=slope):
                return "leaky_relu", [slope]
            case nn.Tanh():
                return "tanh", []
        return "none", []

    def _before_activation(self, gradient: Tensor, out: Tensor) -> Tensor:
        match self.activation:
            case nn.ReLU():
                return torch.ops.aten.threshold_backward(gradient, out, 0)
            case nn.LeakyReLU(negative_slope=slope):
                return torch.ops.aten.leaky_relu_backward(gradient, out, slope, True)
            case nn.Tanh():
                return torch.ops.aten.tanh_backward(gradient, out)
        return gradient


class Halving(Stage):
    """D's convolution of stride 2, weight (outputs, inputs, 4, 4): (B, C, 2H, 2W) -> (B, C', H, W)."""

    def _take(self, weight: Tensor) -> None:
        down, up = packed(weight)
        self.there, self.back = partial(halved, weight=down), partial(doubled, weight=up)

    def forward(self, x: Tensor) -> Tensor:
        return self.there(x, bias=self.bias, activation=self._fused())

    def backward(self, gradient: Tensor, out: Tensor) -> Tensor:
        return self.back(self._before_activation(gradient, out))


class Doubling(Halving):
    """G's transposed one, weight (inputs, outputs, 4, 4), which is the adjoint of the former."""

    def _take(self, weight: Tensor) -> None:
        super()._take(weight)
        self.there, self.back = self.back, self.there


class First(Stage):
    """G's first layer, 1x1 -> 4x4, which is a matrix product: (B, inputs) -> (B, C, 4, 4)."""

    def _take(self, weight: Tensor) -> None:
        self.matrix = weight.permute(0, 2, 3, 1).flatten(1).contiguous()
        self.offset = self.bias.repeat(16)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.addmm(self.offset, x, self.matrix).relu_()
        return out.view(len(x), 4, 4, -1).permute(0, 3, 1, 2)

    def backward(self, gradient: Tensor, out: Tensor) -> Tensor:
        return self._before_activation(gradient, out).permute(0, 2, 3, 1).flatten(1) @ self.matrix.T


class Last(Stage):
    """D's last layer, 4x4 -> 1x1, which is a dot product: (B, C, 4, 4) -> (B, 1)."""

    def _take(self, weight: Tensor) -> None:
        self.vector = weight.permute(2, 3, 1, 0).flatten()

    def forward(self, x: Tensor) -> Tensor:
        # not a matrix product: BLAS sums the rows of small batches in an order that depends on their place
        return (x.permute(0, 2, 3, 1).flatten(1) * self.vector).sum(
            dim=1, keepdim=True, dtype=torch.float32
        ) + self.bias

    def backward(self, gradient: Tensor, out: Tensor) -> Tensor:  # noqa: ARG002 - it has no activation
        return (gradient * self.vector).view(len(gradient), 4, 4, -1).permute(0, 3, 1, 2)


def packed(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The weight in oneDNN's order, for `halved` and for `doubled`."""
    return (
        mkldnn._reorder_convolution_weight(weight, [1, 1], [2, 2], [1, 1]),
        mkldnn._reorder_convolution_transpose_weight(weight, [1, 1], [0, 0], [2, 2], [1, 1]),
    )


def halved(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = ("none", [])) -> Tensor:
    """Convolution, stride 2, padding 1."""
    return mkldnn._convolution_pointwise(x, weight, bias, [1, 1], [2, 2], [1, 1], 1, *activation, "")


def doubled(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = ("none", [])) -> Tensor:
    """Transposed convolution, stride 2, padding 1."""
    return mkldnn._convolution_transpose_pointwise(x, weight, bias, [1, 1], [0, 0], [2, 2], [1, 1], 1, *activation, "")
