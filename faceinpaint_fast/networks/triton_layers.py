"""DCGAN's layers on a CUDA device: either direction of each in one launch, cut into tiles as a table says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor
from torch.nn import functional as F

from faceinpaint_fast.config import Precision
from faceinpaint_fast.networks import triton_gather as kernels
from faceinpaint_fast.networks.layers import Finish, Layer
from faceinpaint_fast.networks.products import Product
from faceinpaint_fast.networks.tiles import Kind, Table, Tiles, Work, power_of_two

IMAGE_CHANNELS = 7  # at most: with more, a layer's columns or depth are filled well enough
FLAT = 1024  # numbers of a program that goes over a result once more

# of the taps of either axis, by parity and place: 3 - p - 2 t; -1 where a phase of an image does not see the pixel
DOUBLED = ((3, 1), (2, 0))
DRAWN = ((3, 1, -1), (-1, 2, 0))


def phases(weight: Tensor, taps: tuple[tuple[int, ...], ...]) -> Tensor:
    """(D, C, 4, 4) -> (C, row's parity, column's parity, row's tap, column's tap, D), zeros for tap -1."""
    index = torch.tensor(taps, device=weight.device).flatten()
    padded = F.pad(weight, (0, 1, 0, 1))
    picked = padded[:, :, index][..., index].unflatten(3, (2, -1)).unflatten(2, (2, -1))
    return picked.permute(1, 2, 4, 3, 5, 0)


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of a layer: its kind and its packed weight.

    weight    (parts, phases * columns, depth): one part, or in float32 two if it has more than 11 bits
    channels  of what is read
    columns   see `Work`
    """

    kind: Kind
    weight: Tensor
    channels: int
    columns: int

    @classmethod
    def of(cls, kind: Kind, weight: Tensor, channels: int, columns: int, dtype: torch.dtype) -> Direction:
        """Of a weight (..., depth), in that dtype."""
        weight = weight.reshape(-1, weight.shape[-1]).contiguous()
        parts = [weight.to(dtype)]
        if dtype == torch.float32:
            large = tf32(weight)
            small = tf32(weight - large)
            parts = [large, small] if small.any() else [large]
        return cls(kind, torch.stack(parts), channels, columns)

    def work(self, rows: int) -> Work:
        """Its work with so many pixels of the half."""
        precision: Precision = "bf16" if self.weight.dtype == torch.bfloat16 else "fp32"
        return Work(self.kind, rows, self.columns, self.weight.shape[-1], precision)


def tf32(x: Tensor) -> Tensor:
    """The nearest numbers of 11 bits, float32."""
    return ((x.float().view(torch.int32) + 0x1000) & -0x2000).view(torch.float32)


class TritonProduct(Product):
    """On a CUDA device: a launch of Triton's, or a convolution of cuDNN's and a pass behind it.

    Where few channels make an image of the larger one, it lies planar in memory, in either direction.  Partial sums of
    programs that share a tile lie in memory that stays where it is, as a CUDA graph wants it: one stream at a time.

    table  measured choices of tiles, if not those of the device
    """

    def __init__(
        self,
        layer: Layer,
        dtype: torch.dtype,
        batch_invariant: bool,  # noqa: ARG002 - how many rows there are decides about tiles
        table: Table | None = None,
    ) -> None:
        self.layer, self.dtype, self.table = layer, dtype, table or Table.of(layer.weight.device)
        self.depth, self.channels = layer.weight.shape[:2]
        self.planar = not layer.connects and self.channels <= IMAGE_CHANNELS
        weight, d, c = layer.weight.float(), self.depth, self.channels
        if layer.connects:
            doubling: tuple[Kind, Tensor, int, int] = ("connect", layer.matrix.T, d, 16 * c)
            halving: tuple[Kind, Tensor, int, int] = ("connect", layer.matrix, 16 * c, d)
        elif self.planar:
            doubling = ("to image", phases(weight, DRAWN).flatten(3), d, 4 * c)
            halving = ("from image", weight.flatten(1), c, d)
        else:
            doubling = ("double", phases(weight, DOUBLED).permute(1, 2, 0, 3, 4, 5).flatten(3), d, c)
            halving = ("halve", layer.matrix, c, d)
        self.doubling, self.halving = Direction.of(*doubling, dtype), Direction.of(*halving, dtype)
        # cuDNN's own, where a table or an estimate wants it
        self.weight = layer.weight.to(dtype, memory_format=torch.channels_last)
        self._workspaces: dict[tuple[Work, Tiles], tuple[Tensor, Tensor]] = {}

    def double(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, onto: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.double` asks for."""
        x = x.contiguous()
        if self.layer.connects:
            gate = None if gate is None else gate.view(len(x), -1)
            out = out_of(gate, x, (len(x), 16 * self.channels), dtype)
            return self._gathered(self.doubling, x, finish, gate, out, (1, 1)).view(len(x), 4, 4, -1)
        count, height, width, _ = x.shape
        if self.planar:
            gate, onto = planar(gate), planar(onto)
            shape = (count, self.channels, 2 * height, 2 * width)
            out = out_of(gate, x, shape, dtype) if onto is None else onto
            out = self._gathered(self.doubling, x, finish, gate, out, (height, width), onto is not None)
            return out.permute(0, 2, 3, 1)
        out = out_of(gate, x, (count, 2 * height, 2 * width, self.channels), dtype)
        return self._gathered(self.doubling, x, finish, gate, out, (height, width))

    def halve(
        self, x: Tensor, finish: Finish, gate: Tensor | None, dtype: torch.dtype, tanh: Tensor | None = None
    ) -> Tensor:
        """Returns what `Product.halve` asks for."""
        gate = None if gate is None else gate.contiguous()
        if self.layer.connects:
            x = x.reshape(len(x), -1)
            out = out_of(gate, x, (len(x), self.depth), dtype)
            return self._gathered(self.halving, x, finish, gate, out, (1, 1))
        count, height, width, _ = x.shape
        out = out_of(gate, x, (count, height // 2, width // 2, self.depth), dtype)
        if self.planar:
            return self._from_image(x.permute(0, 3, 1, 2).contiguous(), finish, gate, out, planar(tanh))
        return self._gathered(self.halving, x.contiguous(), finish, gate, out, (height // 2, width // 2))

    def _gathered(
        self, direction: Direction, x: Tensor, finish: Finish, gate: Tensor | None, out: Tensor,
        half: tuple[int, int], added: bool = False,
    ) -> Tensor:  # fmt: skip
        """half: its height and width."""
        rows = len(x) * half[0] * half[1]
        work = direction.work(rows)
        tiles = self.table.choice(work)
        if not isinstance(tiles, Tiles):
            return self._by_cudnn(direction, x, finish, gate, out)
        partial, arrived = self._workspace(work, tiles)
        with torch.cuda.device_of(x):
            kernels.gathered[tiles.tiles(work), tiles.splits](
                x, direction.weight, finish.scale, finish.bias, out if gate is None else gate, out, partial, arrived,
                rows, *half, **GEOMETRY[direction.kind], C=direction.channels, N=direction.columns,
                SLOPE=finish.slope, GATED=gate is not None, TANH=finish.tanh, ADDED=added,
                PARTS=len(direction.weight), SPLITS=tiles.splits, ROWS=tiles.rows, COLUMNS=tiles.columns,
                DEPTH=tiles.depth, num_warps=tiles.warps, num_stages=tiles.stages,
            )  # fmt: skip
        return out

    def _from_image(self, x: Tensor, finish: Finish, gate: Tensor | None, out: Tensor, tanh: Tensor | None) -> Tensor:
        count, height, width, _ = out.shape
        work = self.halving.work(count * height * width)
        tiles: Any = self.table.choice(work)
        with torch.cuda.device_of(x):
            kernels.from_image[tiles.tiles(work),](
                x, x if tanh is None else tanh, self.halving.weight, finish.scale, finish.bias,
                out if gate is None else gate, out, work.rows, height, width, C=self.channels, N=self.depth,
                SLOPE=finish.slope, GATED=gate is not None, DRAWN=tanh is not None, PARTS=len(self.halving.weight),
                ROWS=tiles.rows, COLUMNS=tiles.columns, **band(tiles.rows, width, self.channels), num_warps=tiles.warps,
            )  # fmt: skip
        return out

    def _by_cudnn(self, direction: Direction, x: Tensor, finish: Finish, gate: Tensor | None, out: Tensor) -> Tensor:
        convolution: Callable[..., Tensor] = F.conv_transpose2d if direction.kind == "double" else F.conv2d
        # the same bits every time
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            sums = convolution(x.permute(0, 3, 1, 2), self.weight, stride=2, padding=1).permute(0, 2, 3, 1)
        sums = sums.contiguous()
        with torch.cuda.device_of(x):
            kernels.finish_pass[triton.cdiv(out.numel(), FLAT),](
                sums, finish.scale, finish.bias, out if gate is None else gate, out, out.numel(),
                N=direction.columns, SLOPE=finish.slope, GATED=gate is not None, BLOCK=FLAT,
            )  # fmt: skip
        return out

    def _workspace(self, work: Work, tiles: Tiles) -> tuple[Tensor, Tensor]:
        """Partial sums of a work cut like that, and how many programs of each tile have arrived.

        Kept for good: a graph that was captured with it may be replayed at any time.
        """
        if tiles.splits == 1:
            # never touched
            return self.doubling.weight, self.doubling.weight
        if (work, tiles) not in self._workspaces:
            count = tiles.tiles(work)
            partial = self.weight.new_empty(count * tiles.splits * tiles.rows * tiles.columns, dtype=torch.float32)
            self._workspaces[work, tiles] = partial, self.weight.new_zeros(count, dtype=torch.int32)
        return self._workspaces[work, tiles]


GEOMETRY: dict[Kind, dict[str, Any]] = {
    "double": {"TAPS": 2, "STRIDE": 1, "PHASES": 2, "IMAGE": False},
    "halve": {"TAPS": 4, "STRIDE": 2, "PHASES": 1, "IMAGE": False},
    "connect": {"TAPS": 1, "STRIDE": 1, "PHASES": 1, "IMAGE": False},
    "to image": {"TAPS": 3, "STRIDE": 1, "PHASES": 1, "IMAGE": True},
}


def band(rows: int, width: int, channels: int) -> dict[str, int]:
    """What of an image `from_image` keeps for so many pixels of a half of this width."""
    aligned = rows % width == 0 or width % rows == 0
    lines = 2 * ((rows - 1) // width + (1 if aligned else 2)) + 2
    pitch = 2 * (width + kernels.MARGIN.value)
    return {"CHANNELS": power_of_two(channels), "PITCH": pitch, "BAND": power_of_two(lines * pitch)}


def out_of(gate: Tensor | None, x: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Where a result goes: in the gate's place, which nobody reads again, or into fresh memory."""
    return gate if gate is not None and gate.dtype == dtype else x.new_empty(shape, dtype=dtype)


def planar(x: Tensor | None) -> Tensor | None:
    """(B, H, W, C) -> (B, C, H, W), contiguous, without a copy where it lies like that."""
    return None if x is None else x.permute(0, 3, 1, 2).contiguous()
