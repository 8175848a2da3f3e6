"""Networks with their vector-Jacobian products: x -> f(x) and the way of a gradient back through it.

The gradient of a transposed convolution is a convolution with the same weights, and the other way round; that of an
activation follows from what came out of it.  So a DCGAN needs no tape but its activations, and its weights are packed
once, for either direction; autograd, in its place, reorders them anew in every iteration.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint_fast import _cpu
from faceinpaint_fast.config import Precision
from faceinpaint_fast.networks.dcgan import DCGAN, DCGANGenerator
from faceinpaint_fast.networks.layers import Finish, Layer, layers_of
from faceinpaint_fast.networks.products import PackedProduct, Product, TorchProduct, added
from faceinpaint_fast.networks.protocols import Cut, Differentiable, Pullback

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}  # inside a network


def differentiable(
    network: Any,
    device: torch.device,
    precision: Precision,
    *,
    batch_invariant: bool = False,
    product: type[Product] | None = None,
) -> Differentiable:
    """Returns a frozen network with its pullback, float32 at its ends; `precision` is of its inside.

    A DCGAN has its adjoint written out, and on a CPU is batch_invariant if asked to be; any other network has a tape.
    `product` is what a DCGAN's layers multiply by, in that very precision, if not by what is best on the device.
    """
    dtype = DTYPES[precision] if product else dtype_inside(precision, device)
    if is_plain(network):
        return AdjointNetwork(network, product or product_for(device), dtype, batch_invariant=batch_invariant)
    return TapedNetwork(network, device, dtype)


def dtype_inside(precision: Precision, device: torch.device) -> torch.dtype:
    """Returns what networks compute in: float32, too, on a processor that would take longer for bfloat16."""
    return torch.float32 if device.type == "cpu" and not _cpu.MULTIPLIES_BFLOAT16 else DTYPES[precision]


def cuts_of(network: Any, whole: Differentiable, device: torch.device, precision: Precision) -> tuple[Cut, ...]:
    """Returns where a frozen generator can be cut: a DCGAN behind all its layers but the last, another by its `stages`.

    whole  what `differentiable` made of it in this precision
    """
    if isinstance(whole, AdjointNetwork):
        return whole.cuts()
    *stages, last = getattr(network, "stages", [None])
    dtype = dtype_inside(precision, device)
    cuts: list[Cut] = []
    shape: tuple[int, ...] = (network.latent_size,)
    for position, stage in enumerate(stages):
        into = TapedNetwork(Rows([stage], shape), device, dtype)
        rows = into.value(torch.zeros(1, prod(shape), device=device))
        shape = tuple(rows.shape[1:])
        onward = TapedNetwork(Rows([*stages[position + 1 :], last], shape), device, dtype)
        cuts.append(Cut(partial(_rows_of, into), onward, partial(torch.unflatten, dim=1, sizes=shape)))
    return tuple(cuts)


def is_plain(network: Any) -> bool:
    """Whether a network is a DCGAN as it was made, so that its layers say what it does: a hook may do anything."""
    hooked = any(each._forward_pre_hooks or each._forward_hooks for each in network.modules())
    return type(network) in get_args(DCGAN) and not hooked


def product_for(device: torch.device) -> type[Product]:
    """Returns the product for tensors on that device."""
    if device.type == "cuda":
        from faceinpaint_fast.networks.triton_layers import TritonProduct

        return TritonProduct
    return PackedProduct if device.type == "cpu" else TorchProduct


class AdjointNetwork:
    """A DCGAN's network as a function and its adjoint.

    G goes from codes (B, latent_size) to images (B, 3, H, W) in [-1, 1], D and an encoder the other way, to logits (B,)
    and to codes (B, latent_size).  What is `beyond` one of G's layers goes from that layer's activations to images.
    """

    def __init__(
        self,
        network: DCGAN,
        product: type[Product],
        dtype: torch.dtype,
        *,
        batch_invariant: bool = False,
    ) -> None:
        self.doubles, self.dtype = isinstance(network, DCGANGenerator), dtype
        # a packed product sums along k in one order, whatever its rows
        self.batch_invariant = batch_invariant and product is PackedProduct
        layers = self._layers = layers_of(network)
        # of the activations that it begins with, if it is a part: their shape, and the slope of what they go through
        self._enters: tuple[tuple[int, int, int], float] | None = None
        products = [product(layer, dtype, batch_invariant) for layer in layers]
        self.forwards = [each.double if self.doubles else each.halve for each in products]
        self.backwards = [each.halve if self.doubles else each.double for each in products]

        def fitted(finish: Finish, layer: Layer, doubles: bool) -> Finish:
            return finish.for_pixels(16) if layer.connects and doubles else finish

        forwards = [Finish(layer.scale, layer.bias, layer.slope, layer.tanh) for layer in layers]
        # a gradient goes back through the BatchNorm and the activation of the layer before, where there is one
        ends = layers[0].weight.shape[0 if self.doubles else 1]
        backwards = [plain_finish(layers[0], ends, 1.0)]
        backwards += [Finish(layer.scale, torch.zeros_like(layer.bias), layer.slope) for layer in layers[:-1]]
        self.finish = [fitted(*pair, self.doubles) for pair in zip(forwards, layers, strict=True)]
        self.finish_back = [fitted(*pair, not self.doubles) for pair in zip(backwards, layers, strict=True)]

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """Returns f(x) and its pullback, which may be called once; float32 to float32."""
        inputs = [self._entered(x) if self.doubles else x.permute(0, 2, 3, 1)]
        for forward, finish in zip(self.forwards, self.finish, strict=True):
            dtype = torch.float32 if len(inputs) == len(self.forwards) else self.dtype
            inputs.append(forward(inputs[-1], finish, None, dtype))
        y = inputs.pop()

        def pull(gradient: Tensor, onto: Tensor | None = None) -> Tensor:
            gates: list[Tensor | None] = [None if self._enters is None else inputs[0], *inputs[1:]]
            # a tanh lies behind G's last layer, and what D's gradient is added to before its first
            beyond: list[Tensor | None] = [None] * len(inputs)
            if self.doubles:
                beyond[-1], gradient = y if self.finish[-1].tanh else None, gradient.permute(0, 2, 3, 1)
            else:
                beyond[0] = None if onto is None else onto.permute(0, 2, 3, 1)
                gradient = gradient.view(gradient.shape[0], -1)
            for index in range(len(inputs) - 1, -1, -1):
                dtype = torch.float32 if gates[index] is None else self.dtype
                finish = self.finish_back[index]
                gradient = self.backwards[index](gradient, finish, gates[index], dtype, beyond[index])
            if self.doubles:
                return gradient if self._enters is None else gradient.flatten(1).float()
            return gradient.permute(0, 3, 1, 2)

        if self.doubles:
            return y.permute(0, 3, 1, 2), pull
        # a logit is a number
        return y.squeeze(1) if y.shape[1] == 1 else y, pull

    def _entered(self, x: Tensor) -> Tensor:
        """Returns what G's first layer here takes: codes as they are, of activations what their ReLU leaves."""
        if self._enters is None:
            return x
        shape, slope = self._enters
        return F.leaky_relu(x, slope).to(self.dtype).unflatten(1, shape)

    def beyond(self, layer: int) -> AdjointNetwork:
        """Returns what of G lies behind that layer, counted from 1: from its activations (B, n) to images."""
        part, behind = copy(self), self._layers[layer - 1]
        channels, side = behind.weight.shape[1], 2 ** (layer + 1)
        part._enters = (side, side, channels), behind.slope
        part.forwards, part.backwards = self.forwards[layer:], self.backwards[layer:]
        part.finish, part.finish_back = self.finish[layer:], self.finish_back[layer:]
        part.finish_back[0] = plain_finish(behind, channels, behind.slope)
        return part

    def cuts(self) -> tuple[Cut, ...]:
        """Returns where G can be cut: behind each layer but the last; nowhere what is no generator."""
        if not self.doubles:
            return ()
        parts = [self, *(self.beyond(layer) for layer in range(1, len(self._layers)))]
        return tuple(Cut(part.first_layer, then, then.shaped) for part, then in pairwise(parts))

    def first_layer(self, x: Tensor) -> Tensor:
        """Returns what leaves the BatchNorm of the first layer here: (B, n) float32, before the ReLU."""
        finish = replace(self.finish[0], slope=1.0)
        return self.forwards[0](self._entered(x), finish, None, torch.float32).flatten(1)

    def shaped(self, x: Tensor) -> Tensor:
        """Returns the activations (B, n) that it begins with as G's modules have them, (B, channels, height, width)."""
        assert self._enters is not None
        return x.unflatten(1, self._enters[0]).permute(0, 3, 1, 2)


def plain_finish(layer: Layer, channels: int, slope: float) -> Finish:
    """Returns the finish of sums that stay as they are, but for that slope where the gate is not above 0."""
    return Finish(layer.scale.new_ones(channels), layer.scale.new_zeros(channels), slope)


def _rows_of(network: TapedNetwork, rows: Tensor) -> Tensor:
    return network.value(rows).flatten(1)


class TapedNetwork:
    """Any network, in its own dtype: torch.func.vjp where it is compiled, autograd's tape where it is not."""

    batch_invariant = False

    def __init__(self, network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self._network = network
        self._dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
        # a network of another dtype than float32 has its precision
        cast = self._dtype == torch.float32 != dtype
        self._autocast = partial(torch.autocast, device.type, dtype, enabled=cast)

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """Returns f(x) and its pullback, which may be called once; float32 to float32."""
        if torch.compiler.is_compiling():
            y, vjp, *_ = torch.func.vjp(self._value, x)
            return y, lambda gradient, onto=None: added(vjp(gradient)[0], onto)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = self._value(x)
        return y.detach(), lambda gradient, onto=None: added(torch.autograd.grad(y, x, gradient)[0], onto)

    def _value(self, x: Tensor) -> Tensor:
        with self._autocast():
            y = self._network(x.to(self._dtype))
        if not isinstance(y, Tensor):
            raise TypeError(f"expected a tensor, got {type(y).__name__}")
        return y.float()

    def value(self, x: Tensor) -> Tensor:
        """Returns f(x) alone, float32 to float32."""
        with torch.no_grad():
            return self._value(x)


class Rows(nn.Module):
    """Modules one after the other, which take activations of that shape as rows of numbers, (B, n)."""

    def __init__(self, modules: list[nn.Module], shape: tuple[int, ...]) -> None:
        super().__init__()
        self._inner, self._shape = nn.Sequential(*modules), shape

    def forward(self, rows: Tensor) -> Tensor:
        """Returns what the last one gives."""
        return self._inner(rows.unflatten(1, self._shape))
