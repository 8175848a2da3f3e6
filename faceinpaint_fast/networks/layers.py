"""A DCGAN's layers as numbers: a convolution's weight, and what becomes of its sums.

BatchNorm, in eval mode, is a scale and a bias behind a convolution.  It is not folded into the weights: where these
were kept in half precision, they still are, and reading them takes half the time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from faceinpaint_fast.networks.dcgan import DCGAN


@dataclass(frozen=True, slots=True)
class Layer:
    """A 4x4 convolution of a DCGAN, and BatchNorm, in eval mode, as a scale and a bias behind it.

    G's layers double an image, D's halve it; the one between 1x1 and 4x4 pixels connects all with all.

    weight       (deep channels, channels of the larger image, 4, 4)
    scale, bias  (output channels,), float32
    slope        of the activation below 0: 0 for ReLU, 0.2 for DCGAN's leaky one, 1 for none
    tanh         whether the activation is tanh, which ends G
    connects     whether every output is a sum over all inputs
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor
    slope: float
    tanh: bool
    connects: bool

    @property
    def matrix(self) -> Tensor:
        """The weight as that of a product, (deep channels, 16 * channels): columns count (ky, kx, channel)."""
        return self.weight.permute(0, 2, 3, 1).flatten(1)


@dataclass(frozen=True, slots=True)
class Finish:
    """What becomes of a product's sums.

    They are multiplied by scale; bias is added; where that, or a gate at its place, is not above 0, it is multiplied by
    slope; of that its tanh is taken, if asked for.

    Forwards that is BatchNorm and the activation.  Backwards, with what an activation once gave as the gate, it is the
    way of the gradient back through both; there is no tanh on that way, for none lies between two layers.
    """

    scale: Tensor
    bias: Tensor
    slope: float
    tanh: bool = False

    def for_pixels(self, count: int) -> Finish:
        """Returns the finish of so many pixels as one row of channels."""
        return Finish(self.scale.repeat(count), self.bias.repeat(count), self.slope, self.tanh)


def layers_of(network: DCGAN) -> list[Layer]:
    """Returns the network's layers, from its input on."""
    layers = []
    modules = deque(network.layers)
    while modules:
        convolution: Any = modules.popleft()
        norm = modules.popleft() if modules and isinstance(modules[0], nn.BatchNorm2d) else None
        ends = not modules or isinstance(modules[0], nn.Conv2d | nn.ConvTranspose2d)
        activation = None if ends else modules.popleft()
        scale, bias = scale_and_bias(convolution, norm)
        slope, tanh = slope_of(activation), isinstance(activation, nn.Tanh)
        layers.append(Layer(convolution.weight.detach(), scale, bias, slope, tanh, convolution.stride == (1, 1)))
    return layers


def slope_of(activation: nn.Module | None) -> float:
    """Returns an activation's slope below 0; 1 for tanh, which has none of its own there, and where there is none."""
    match activation:
        case nn.ReLU():
            return 0.0
        case nn.LeakyReLU(negative_slope=slope):
            return slope
    return 1.0


def scale_and_bias(convolution: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Returns BatchNorm as scale and bias of what a convolution without a bias gives.

    They are (output channels,) each, float32, worked out in float64; without a BatchNorm the scale is 1 and the bias
    the convolution's.
    """
    zeros = torch.zeros(convolution.out_channels, dtype=torch.float64, device=convolution.weight.device)
    bias = zeros if convolution.bias is None else convolution.bias.detach().double()
    if norm is None:
        return torch.ones_like(zeros).float(), bias.float()
    scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale.float(), (norm.bias.detach() + (bias - norm.running_mean) * scale).float()
