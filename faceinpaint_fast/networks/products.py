"""A layer's products in either direction: on a CPU, by torch anywhere, and in an exported program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import threads_for
from faceinpaint_fast.networks.layers import Finish, Layer

# at least: with fewer a thread costs more than it brings
IMAGES_A_THREAD = {torch.float32: 4, torch.bfloat16: 8}


class Product(ABC):
    """A layer's weight for either direction; images are (B, H, W, C) here, the larger one's half is (B, H, W, D).

    Where the layer connects all with all, the half is (B, D), and the larger image has 4x4 pixels.  What becomes of the
    sums is `finish`, see Finish, and of its gate, which the result may take the place of; the result is of `dtype`.
    What is handed over, and comes back, may be a view of other strides, as of a planar image, and of another dtype.
    """

    @abstractmethod
    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:
        """Packs a layer's weight in this dtype.

        batch_invariant asks for the same bits in batches of any size, which only some products can keep to.
        """

    @abstractmethod
    def double(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        """Returns the larger image of the half x: the transposed convolution.

        It is added to another image `onto`, where there is one, and may take that image's place.
        """

    @abstractmethod
    def halve(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, tanh: Tensor | None = None
    ) -> Tensor:
        """Returns the half of the larger image x: the convolution.

        With the values of a tanh, (B, H, W, C) float32, x is the gradient in them, and what is halved is the gradient
        in the tanh's argument.
        """


class PackedProduct(Product):
    """On a CPU: products with packed weights, csrc/layers/convolution.hpp; in large float32 batches winograd.hpp there.

    Threads cut between images, whose bits depend on no other image.
    """

    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:
        self.layer, self.connects, self.dtype, self.batch_invariant = layer, layer.connects, dtype, batch_invariant
        self.depth, self.channels = layer.weight.shape[:2]
        pack: Any = _cpu.PackedBFloat16 if dtype == torch.bfloat16 else _cpu.PackedFloat32

        def packed(matrix: Tensor) -> Any:
            return pack(matrix.float().contiguous().numpy(), not layer.connects)

        # the processor's matrix tiles want multiples of 32, to which an unfolded image is filled up
        missing = 0 if layer.connects or dtype != torch.bfloat16 else -16 * self.channels % 32
        self.doubling, self.halving = packed(layer.matrix), packed(F.pad(layer.matrix.T, (0, 0, 0, missing)))

    def double(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.double` asks for."""
        x = x.to(self.dtype)
        if self.connects:
            gate = None if gate is None else gate.view(len(x), -1)
            out = self._run(self.doubling.connect, x, finish, gate, dtype, (len(x), 16 * self.channels))
            return added(out.view(len(x), 4, 4, self.channels), onto)
        count, height, width, _ = x.shape
        double = self._winograd_doubling if self._filters(count, height, width) else self.doubling.double
        return added(self._run(double, x, finish, gate, dtype, (count, 2 * height, 2 * width, self.channels)), onto)

    def halve(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, tanh: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.halve` asks for."""
        x = before_tanh(x, tanh).contiguous()
        if self.connects:
            return self._run(self.halving.connect, x.view(len(x), -1), finish, gate, dtype, (len(x), self.depth))
        count, height, width, _ = x.shape
        height, width = height // 2, width // 2
        halve = self._winograd_halving if self._filters(count, height, width) else self.halving.halve
        return self._run(halve, x, finish, gate, dtype, (count, height, width, self.depth))

    def _filters(self, count: int, height: int, width: int) -> bool:
        """Whether Winograd's filtering pays, for so many images whose halves have so many pixels."""
        # one way for any number of images: that of one
        images = 1 if self.batch_invariant else count
        return self.dtype == torch.float32 and _cpu.winograd_pays(images, height, width, self.channels)

    # packed with the first batch that wants them: they take 3.5 times the memory of weights in half precision
    @cached_property
    def _winograd_doubling(self) -> Any:
        return _cpu.WinogradDoubling(self.layer.matrix.float().contiguous().numpy())

    @cached_property
    def _winograd_halving(self) -> Any:
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
        out = torch.empty(shape, dtype=dtype, device="cpu") if gate is None else gate
        threads = threads_for(len(x), IMAGES_A_THREAD[self.dtype])
        scale, bias = finish.scale.numpy(), finish.bias.numpy()
        function(numbers(x), scale, bias, finish.slope, gate is not None, threads, numbers(out))
        if finish.tanh:
            # one by one: torch's threads would cut between images and round by the place in a vector
            for image in out:
                image.tanh_()
        return out


def numbers(tensor: Tensor) -> NDArray[Any]:
    """Returns the same memory for NumPy; that of bfloat16, which NumPy does not know, as its bits, uint16."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


class TorchProduct(Product):
    """Anywhere: multiplies by torch's convolutions, channels last."""

    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:  # noqa: ARG002
        self.dtype = dtype
        self.matrix = layer.matrix.to(dtype).contiguous() if layer.connects else None
        self.weight = layer.weight.to(dtype, memory_format=torch.channels_last)

    def double(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.double` asks for."""
        if self.matrix is not None:
            gate = None if gate is None else gate.flatten(1)
            return added(finished(x.to(self.dtype) @ self.matrix, finish, gate, dtype).view(len(x), 4, 4, -1), onto)
        return added(finished(self._convolved(F.conv_transpose2d, x), finish, gate, dtype), onto)

    def halve(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, tanh: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.halve` asks for."""
        x = before_tanh(x, tanh).contiguous()
        if self.matrix is not None:
            return finished(x.to(self.dtype).flatten(1) @ self.matrix.T, finish, gate, dtype)
        return finished(self._convolved(F.conv2d, x), finish, gate, dtype)

    def _convolved(self, convolution: Callable[..., Tensor], x: Tensor) -> Tensor:
        # float32 means float32, and the same bits every time: cuDNN would take TF32, and sums in any order
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            x = x.to(self.dtype).permute(0, 3, 1, 2)
            return convolution(x, self.weight, stride=2, padding=1).permute(0, 2, 3, 1)


class MatrixProduct(Product):
    """In an exported program: products with unfolded images, csrc/layers/convolution.hpp in torch.

    A convolution of torch's reorders its weights in every iteration: a search took 1.5 times as long with it.
    """

    def __init__(self, layer: Layer, dtype: torch.dtype, batch_invariant: bool) -> None:  # noqa: ARG002
        self.connects, self.dtype, self.matrix = layer.connects, dtype, layer.matrix.to(dtype).contiguous()

    def double(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.double` asks for."""
        products = x.to(self.dtype) @ self.matrix
        if self.connects:
            gate = None if gate is None else gate.flatten(1)
            return added(finished(products, finish, gate, dtype).view(len(x), 4, 4, -1), onto)
        return added(finished(folded(products), finish, gate, dtype), onto)

    def halve(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, tanh: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.halve` asks for."""
        x = before_tanh(x, tanh).contiguous().to(self.dtype)
        windows = x.flatten(1) if self.connects else unfolded(x)
        return finished(F.linear(windows, self.matrix), finish, gate, dtype)


def unfolded(x: Tensor) -> Tensor:
    """Returns the windows of a 4x4 convolution that halves x: (B, 2 h, 2 w, C) -> (B, h, w, 16 C).

    A window counts as a column of Layer.matrix does.
    """
    windows = F.pad(x, (0, 0, 1, 1, 1, 1)).unfold(1, 4, 2).unfold(2, 4, 2)
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(3)


def folded(windows: Tensor) -> Tensor:
    """Returns the sum of windows where they lie, `unfolded`'s adjoint: (B, h, w, 16 C) -> (B, 2 h, 2 w, C)."""
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
    """Returns what becomes of a product's sums y, see Finish."""
    y = y * finish.scale + finish.bias
    if finish.slope != 1:
        y = torch.where((y if gate is None else gate) > 0, y, finish.slope * y)
    return (y.tanh() if finish.tanh else y).to(dtype)


def before_tanh(gradient: Tensor, values: Tensor | None) -> Tensor:
    """Returns the gradient in a tanh's argument of the gradient in its values; without values there is no tanh."""
    return gradient if values is None else torch.ops.aten.tanh_backward(gradient, values)


def added(y: Tensor, onto: Tensor | None) -> Tensor:
    """Returns their sum, in the place of `onto` where that is."""
    return y if onto is None else onto.add_(y)
