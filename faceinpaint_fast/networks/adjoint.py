"""Networks with their vector-Jacobian products: x -> f(x) and the way of a gradient back through it.

The gradient of a transposed convolution is a convolution with the same weights, and the other way round; that of a
ReLU follows from what came out of it.  So a DCGAN needs no tape but its activations, and its weights are packed once,
for either direction; autograd, in its place, reorders them anew in every iteration.  BatchNorm, in eval mode, is a
scale and a bias behind a convolution.  It is not folded into the weights: where these were kept in half precision, they
still are, and reading them takes half the time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import threads_for
from faceinpaint_fast.config import Precision
from faceinpaint_fast.networks.dcgan import DCGAN, DCGANGenerator

# x -> f(x), and the function that takes the gradient in f(x), once, to the gradient in x
Pullback = Callable[[Tensor], Tensor]


class Differentiable(Protocol):
    """A network, float32 at its ends, (B, ...) to (B, ...)."""

    batch_invariant: bool
    """Whether an image's bits are the same in batches of any size."""

    def __call__(self, x: Tensor, /) -> tuple[Tensor, Pullback]: ...


# at least: with fewer a thread costs more than it brings
IMAGES_A_THREAD = {torch.float32: 4, torch.bfloat16: 8}
# Winograd's filtering reads 2.25 times the weights: it pays from so many images on, or with one of so many pixels
WINOGRAD_IMAGES, WINOGRAD_PIXELS = 8, 256
# with fewer, as at the ends of a network, its sums of pixels cost more than the products they save
WINOGRAD_CHANNELS = 16


def differentiable(
    network: Any, device: torch.device, precision: Precision, *, batch_invariant: bool = False
) -> Differentiable:
    """A frozen network, float32 at its ends; `precision` is of its inside.

    A DCGAN has its adjoint written out; on a CPU it is batch_invariant if asked to be.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    if isinstance(network, DCGAN):
        return ExplicitNetwork(network, product_for(device), dtype, batch_invariant=batch_invariant)
    return AnyNetwork(network, device, dtype)


def product_for(device: torch.device) -> type[Product]:
    """The product for tensors on that device."""
    if device.type == "cuda":
        from faceinpaint_fast.networks.triton_layers import TritonProduct

        return TritonProduct
    return PackedProduct if device.type == "cpu" else TorchProduct


class AnyNetwork:
    """Any network: torch.func.vjp where it is compiled, autograd's tape where it is not."""

    batch_invariant = False

    def __init__(self, network: Callable[[Tensor], Tensor], device: torch.device, dtype: torch.dtype) -> None:
        self._network = network
        self._autocast = partial(torch.autocast, device.type, dtype, enabled=dtype != torch.float32)

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """float32 to float32."""
        if torch.compiler.is_compiling():
            y, vjp, *_ = torch.func.vjp(self._run, x)
            return y, lambda gradient: vjp(gradient)[0]
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = self._run(x)
        return y.detach(), lambda gradient: torch.autograd.grad(y, x, gradient)[0]

    def _run(self, x: Tensor) -> Tensor:
        with self._autocast():
            return self._network(x).float()


@dataclass(frozen=True, slots=True)
class Layer:
    """A 4x4 convolution of a DCGAN, and BatchNorm, in eval mode, as a scale and a bias behind it.

    G's layers double an image, D's halve it; the one between 1x1 and 4x4 pixels connects all with all.

    weight       (deep channels, channels of the larger image, 4, 4)
    scale, bias  (output channels,), float32
    slope        of the activation below 0: 0 for ReLU, 0.2 for DCGAN's leaky one, 1 for none
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor
    slope: float
    connects: bool

    @property
    def matrix(self) -> Tensor:
        """The weight as that of a product, (deep channels, 16 * channels): columns count (ky, kx, channel)."""
        return self.weight.permute(0, 2, 3, 1).flatten(1)


def layers_of(network: DCGAN) -> list[Layer]:
    """The network's layers, from its input on."""
    layers = []
    modules = deque(network.layers)
    while modules:
        convolution: Any = modules.popleft()
        norm = modules.popleft() if modules and isinstance(modules[0], nn.BatchNorm2d) else None
        ends = not modules or isinstance(modules[0], nn.Conv2d | nn.ConvTranspose2d)
        slope = slope_of(None if ends else modules.popleft())
        affine = scale_and_bias(convolution, norm)
        layers.append(Layer(convolution.weight.detach(), *affine, slope, convolution.stride == (1, 1)))
    return layers


def slope_of(activation: nn.Module | None) -> float:
    """Below 0; G's tanh, at its end, is none of a layer's."""
    match activation:
        case nn.ReLU():
            return 0.0
        case nn.LeakyReLU(negative_slope=slope):
            return slope
    return 1.0


def scale_and_bias(convolution: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Of what a convolution without a bias gives, (output channels,) each, float32, worked out in float64."""
    zeros = torch.zeros(convolution.out_channels, dtype=torch.float64, device=convolution.weight.device)
    bias = zeros if convolution.bias is None else convolution.bias.detach().double()
    if norm is None:
        return torch.ones_like(zeros).float(), bias.float()
    scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale.float(), (norm.bias.detach() + (bias - norm.running_mean) * scale).float()


@dataclass(frozen=True, slots=True)
class Finish:
    """What becomes of a product's sums: times scale, + bias; and times slope where that, or a gate at its place, is not
    above 0; and tanh of it, at the end of G.

    Forwards that is BatchNorm and the activation.  Backwards, with what an activation once gave as the gate, it is the
    way of the gradient back through both.
    """

    scale: Tensor
    bias: Tensor
    slope: float
    tanh: bool = False

    def for_pixels(self, count: int) -> Finish:
        """For that many pixels as one row of channels."""
        return replace(self, scale=self.scale.repeat(count), bias=self.bias.repeat(count))


class Product(ABC):
    """A layer's weight for either direction; images are (B, H, W, C) here, the larger one's half is (B, H, W, D).

    Where the layer connects all with all, the half is (B, D), and the larger image has 4x4 pixels.  The result may take
    the gate's place.  What is handed over, and comes back, may be a view of other strides, as of a planar image, and of
    another dtype.
    """

    @abstractmethod
    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:
        """batch_invariant: asks for the same bits in batches of any size, which only some can keep to."""

    @abstractmethod
    def widen(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        """From the half to the larger image: the transposed convolution; added onto another image, where there is one,
        which may happen in that image's place.
        """

    @abstractmethod
    def narrow(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, drawn: Tensor | None = None
    ) -> Tensor:
        """From the larger image to the half: the convolution.

        drawn  what tanh gave: x is the gradient in it, and is led back through tanh first
        """


class PackedProduct(Product):
    """On a CPU: products with packed weights, csrc/convolution.hpp; in large float32 batches csrc/winograd.hpp."""

    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:
        self.layer, self.connects, self.dtype, self.batch_invariant = layer, layer.connects, dtype, batch_invariant
        self.depth, self.channels = layer.weight.shape[:2]
        pack: Any = _cpu.PackedBFloat16 if dtype == torch.bfloat16 else _cpu.PackedFloat32

        def packed(matrix: Tensor) -> Any:
            return pack(matrix.float().contiguous().numpy(), not layer.connects)

        # the processor's matrix tiles want multiples of 32, to which an unfolded image is filled up
        missing = 0 if layer.connects or dtype != torch.bfloat16 else -16 * self.channels % 32
        self.widening, self.narrowing = packed(layer.matrix), packed(F.pad(layer.matrix.T, (0, 0, 0, missing)))

    def widen(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        x = x.to(self.dtype)
        if self.connects:
            gate = None if gate is None else gate.view(len(x), -1)
            out = self._run(self.widening.connect, x, finish, gate, dtype, (len(x), 16 * self.channels))
            return added(out.view(len(x), 4, 4, self.channels), onto)
        count, height, width, _ = x.shape
        double = self._winograd_widening if self._filters(count, height, width) else self.widening.double
        return added(self._run(double, x, finish, gate, dtype, (count, 2 * height, 2 * width, self.channels)), onto)

    def narrow(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, drawn: Tensor | None = None
    ) -> Tensor:
        if self.connects:
            return self._run(self.narrowing.connect, x.view(len(x), -1), finish, gate, dtype, (len(x), self.depth))
        x = before_tanh(x, drawn).contiguous()
        count, height, width, _ = x.shape
        height, width = height // 2, width // 2
        halve = self._winograd_narrowing if self._filters(count, height, width) else self.narrowing.halve
        return self._run(halve, x, finish, gate, dtype, (count, height, width, self.depth))

    def _filters(self, count: int, height: int, width: int) -> bool:
        """Whether by Winograd's filtering; height and width are the half's."""
        fits = self.dtype == torch.float32 and height % 2 == 0 and width % 2 == 0
        many = count >= WINOGRAD_IMAGES and not self.batch_invariant
        pays = many or height * width >= WINOGRAD_PIXELS
        return fits and pays and self.channels >= WINOGRAD_CHANNELS

    # packed with the first batch that wants them: they take 3.5 times the memory of weights in half precision
    @cached_property
    def _winograd_widening(self) -> Any:
        return _cpu.WinogradDoubling(self.layer.matrix.float().contiguous().numpy())

    @cached_property
    def _winograd_narrowing(self) -> Any:
        return _cpu.WinogradHalving(self.layer.matrix.float().contiguous().numpy())

    def _run(
        self,
        function: Callable[..., None],
        x: Tensor,
        finish: Finish,
        gate: Tensor | None,
        dtype: torch.dtype,
        shape: tuple[int, ...],
    ) -> Tensor:
        out = torch.empty(shape, dtype=dtype) if gate is None else gate
        threads = threads_for(len(x), IMAGES_A_THREAD[self.dtype])
        scale, bias = finish.scale.numpy(), finish.bias.numpy()
        function(numbers(x), scale, bias, finish.slope, gate is not None, threads, numbers(out))
        return tanh_(out) if finish.tanh else out


def numbers(tensor: Tensor) -> NDArray[Any]:
    """The same memory for NumPy, which knows no bfloat16: its bits, then."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


class TorchProduct(Product):
    """Anywhere else: torch's convolutions, channels last."""

    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:  # noqa: ARG002
        self.dtype = dtype
        self.matrix = layer.matrix.to(dtype).contiguous() if layer.connects else None
        self.weight = layer.weight.to(dtype, memory_format=torch.channels_last)

    def widen(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        if self.matrix is not None:
            gate = None if gate is None else gate.flatten(1)
            return added(finished(x.to(self.dtype) @ self.matrix, finish, gate, dtype).view(len(x), 4, 4, -1), onto)
        return added(finished(self._convolved(F.conv_transpose2d, x), finish, gate, dtype), onto)

    def narrow(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, drawn: Tensor | None = None
    ) -> Tensor:
        if self.matrix is not None:
            return finished(x.to(self.dtype).flatten(1) @ self.matrix.T, finish, gate, dtype)
        return finished(self._convolved(F.conv2d, before_tanh(x, drawn).contiguous()), finish, gate, dtype)

    def _convolved(self, convolution: Callable[..., Tensor], x: Tensor) -> Tensor:
        # float32 means float32, and the same bits every time: cuDNN would take TF32, and sums in any order
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            x = x.to(self.dtype).permute(0, 3, 1, 2)
            return convolution(x, self.weight, stride=2, padding=1).permute(0, 2, 3, 1)


class MatrixProduct(Product):
    """In an exported program: products with unfolded images, csrc/convolution.hpp in torch.

    A convolution of torch's reorders its weights in every iteration: a search took 1.5 times as long with it.
    """

    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:  # noqa: ARG002
        self.connects, self.dtype, self.matrix = layer.connects, dtype, layer.matrix.to(dtype).contiguous()

    def widen(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        products = x.to(self.dtype) @ self.matrix
        if self.connects:
            gate = None if gate is None else gate.flatten(1)
            return added(finished(products, finish, gate, dtype).view(len(x), 4, 4, -1), onto)
        return added(finished(folded(products), finish, gate, dtype), onto)

    def narrow(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, drawn: Tensor | None = None
    ) -> Tensor:
        x = before_tanh(x, drawn).contiguous().to(self.dtype)
        windows = x.flatten(1) if self.connects else unfolded(x)
        return finished(F.linear(windows, self.matrix), finish, gate, dtype)


def unfolded(x: Tensor) -> Tensor:
    """The windows of a 4x4 convolution that halves x: (B, 2 h, 2 w, C) -> (B, h, w, 16 C), as Layer.matrix counts."""
    windows = F.pad(x, (0, 0, 1, 1, 1, 1)).unfold(1, 4, 2).unfold(2, 4, 2)
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(3)


def folded(windows: Tensor) -> Tensor:
    """Their sum where they lie, `unfolded`'s adjoint: (B, h, w, 16 C) -> (B, 2 h, 2 w, C)."""
    count, height, width, _ = windows.shape
    # rows 0 and 1 of a window belong to one pair of rows of the image, 2 and 3 to the next; columns likewise
    pairs = windows.view(count, height, width, 2, 2, 2, 2, -1)

    def moved(down: int, right: int) -> Tensor:
        beyond = (0, 0, 0, 0, 0, 0, right, 1 - right, down, 1 - down)
        return F.pad(pairs[:, :, :, down, :, right], beyond)

    total = moved(0, 0) + moved(0, 1) + moved(1, 0) + moved(1, 1)
    # (B, h + 1, w + 1, 2, 2, C): the pairs begin a pixel before the image
    return total.transpose(2, 3).reshape(count, 2 * height + 2, 2 * width + 2, -1)[:, 1:-1, 1:-1]


def finished(y: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype) -> Tensor:
    """What becomes of a product's sums."""
    y = y * finish.scale + finish.bias
    if finish.slope != 1:
        y = torch.where((y if gate is None else gate) > 0, y, finish.slope * y)
    return tanh_(y.to(dtype)) if finish.tanh else y.to(dtype)


def tanh_(images: Tensor) -> Tensor:
    """In place; one by one on a CPU, where threads would cut between images and round by the place in a vector."""
    for image in images if images.device.type == "cpu" else [images]:
        image.tanh_()
    return images


def before_tanh(gradient: Tensor, drawn: Tensor | None) -> Tensor:
    """The gradient in what tanh was of, from the one in what it has drawn, if it has."""
    return gradient if drawn is None else torch.ops.aten.tanh_backward(gradient, drawn)


def added(y: Tensor, onto: Tensor | None) -> Tensor:
    """Their sum, in the place of `onto` where that is."""
    return y if onto is None else onto.add_(y)


class ExplicitNetwork:
    """A DCGAN's G, (B, latent_size) -> (B, 3, 64, 64) in [-1, 1], or D or an encoder, the other way: to logits (B,), to
    codes (B, latent_size).
    """

    def __init__(
        self,
        network: DCGAN,
        product: type[Product],
        dtype: torch.dtype,
        *,
        batch_invariant: bool = False,
    ) -> None:
        self.draws, self.dtype = isinstance(network, DCGANGenerator), dtype
        # a packed product sums along k in one order, whatever its rows
        self.batch_invariant = batch_invariant and product is PackedProduct
        layers = layers_of(network)
        products = [product(layer, dtype, batch_invariant) for layer in layers]
        self.forwards = [each.widen if self.draws else each.narrow for each in products]
        self.backwards = [each.narrow if self.draws else each.widen for each in products]

        def fitted(finish: Finish, layer: Layer, widens: bool) -> Finish:
            return finish.for_pixels(16) if layer.connects and widens else finish

        forwards = [Finish(layer.scale, layer.bias, layer.slope) for layer in layers]
        # a gradient goes back through the BatchNorm and the activation of the layer before, where there is one
        ones = layers[0].scale.new_ones(layers[0].weight.shape[0 if self.draws else 1])
        backwards = [Finish(ones, torch.zeros_like(ones), 1.0)]
        backwards += [Finish(layer.scale, torch.zeros_like(layer.bias), layer.slope) for layer in layers[:-1]]
        forwards[-1] = replace(forwards[-1], tanh=self.draws)
        self.finish = [fitted(*pair, self.draws) for pair in zip(forwards, layers, strict=True)]
        self.finish_back = [fitted(*pair, not self.draws) for pair in zip(backwards, layers, strict=True)]

    def __call__(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """float32 to float32; the pullback may be called once, and D's may add to a gradient that it is given."""
        inputs = [x if self.draws else x.permute(0, 2, 3, 1)]
        for forward, finish in zip(self.forwards, self.finish, strict=True):
            dtype = torch.float32 if len(inputs) == len(self.forwards) else self.dtype
            inputs.append(forward(inputs[-1], finish, None, dtype))
        y = inputs.pop()

        def pull(gradient: Tensor, onto: Tensor | None = None) -> Tensor:
            gates: list[Tensor | None] = [None, *inputs[1:]]
            # tanh lies behind G's last layer, and what D's gradient is added to before its first
            beyond: list[Tensor | None] = [None] * len(inputs)
            if self.draws:
                beyond[-1], gradient = y, gradient.permute(0, 2, 3, 1)
            else:
                beyond[0] = None if onto is None else onto.permute(0, 2, 3, 1)
                gradient = gradient.view(len(gradient), -1)
            for index in range(len(inputs) - 1, -1, -1):
                dtype = self.dtype if index else torch.float32
                finish = self.finish_back[index]
                gradient = self.backwards[index](gradient, finish, gates[index], dtype, beyond[index])
            return gradient if self.draws else gradient.permute(0, 3, 1, 2)

        return y.permute(0, 3, 1, 2) if self.draws else y.squeeze(1), pull
