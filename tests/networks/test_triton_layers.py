"""DCGAN's layers by Triton against torch's convolutions in float64: on CUDA, or in Triton's interpreter."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from faceinpaint_fast.networks.adjoint import AdjointNetwork
from faceinpaint_fast.networks.layers import Finish, Layer
from faceinpaint_fast.networks.products import TorchProduct
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.networks.tiles import Table, Tiles

pytest.importorskip("triton", reason="Triton is not installed")

import triton.language as tl
from triton.runtime import interpreter

from faceinpaint_fast.networks.triton_layers import TritonProduct, tf32

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# of the largest number: float32 loses 2^-22 a product; in bf16 operands are exact here, and results have 8 bits, of
# which the interpreter, that cuts off instead of rounding, leaves 7
ATOL = {torch.float32: 2e-6, torch.bfloat16: 2**-7}


@pytest.fixture(autouse=True)
def _products_of_bf16(monkeypatch):
    """The interpreter keeps bf16 as bits, and multiplies those."""
    dot = interpreter.InterpreterBuilder.create_dot

    def exact(self, a, b, *rest):
        if a.dtype.scalar == tl.bfloat16:
            a, b = (
                interpreter.TensorHandle((each.data.astype(np.uint32) << 16).view(np.float32), tl.float32)
                for each in (a, b)
            )
        return dot(self, a, b, *rest)

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", exact)


class Coarse(Table):
    """Few programs: the interpreter takes a tenth of a second for each."""

    def choice(self, work):
        columns = 16 * -(-work.columns // 16)
        return Tiles(256, min(256, 1 << (columns - 1).bit_length()), 32, 4, 1, 2 if work.kind == "halve" else 1)


def normal(*shape, dtype=torch.float32):
    return torch.randn(shape, device=DEVICE).to(dtype)


def layer(deep: int, channels: int, dtype: torch.dtype, connects: bool = False) -> Layer:
    torch.manual_seed(deep + channels)
    weight = normal(deep, channels, 4, 4, dtype=dtype).float()
    return Layer(weight, torch.ones(1), torch.zeros(1), slope=1.0, tanh=False, connects=connects)


def finish(channels: int, slope: float, **changes) -> Finish:
    return Finish(1 + 0.3 * normal(channels).abs(), normal(channels), slope, **changes)


def finished(sums: Tensor, finish: Finish, gate: Tensor | None) -> Tensor:
    y = sums * finish.scale.double() + finish.bias.double()
    return torch.where((y if gate is None else gate) > 0, y, finish.slope * y)


def doubled(x: Tensor, layer: Layer) -> Tensor:
    """In float64: (B, H, W, D) -> (B, 2 H, 2 W, C), or (B, D) -> (B, 4, 4, C)."""
    weight = layer.weight.double()
    if layer.connects:
        return torch.einsum("bd,dcyx->byxc", x.double(), weight)
    return F.conv_transpose2d(x.double().permute(0, 3, 1, 2), weight, stride=2, padding=1).permute(0, 2, 3, 1)


def halved(x: Tensor, layer: Layer) -> Tensor:
    weight = layer.weight.double()
    if layer.connects:
        return torch.einsum("byxc,dcyx->bd", x.double(), weight)
    return F.conv2d(x.double().permute(0, 3, 1, 2), weight, stride=2, padding=1).permute(0, 2, 3, 1)


def assert_is(found: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    assert_close(found.double(), expected, rtol=0, atol=ATOL[dtype] * float(expected.abs().max()))


def product(layer: Layer, dtype: torch.dtype, tiles: Tiles, rows: int, doubles: bool) -> TritonProduct:
    made = TritonProduct(layer, dtype, False)
    made.table = Table({(made.doubling if doubles else made.halving).work(rows): tiles})
    return made


# images, height and width of the half, its channels and those of the larger image, tiles
WIDE = {
    "one pixel": (1, 1, 1, 16, 8, Tiles(16, 16, 16, 4, 2)),
    "odd": (2, 3, 5, 19, 9, Tiles(16, 16, 16, 4, 2)),
    "split": (1, 3, 4, 40, 9, Tiles(16, 16, 16, 4, 2, splits=4)),
    "a tile in two halves": (3, 4, 8, 16, 130, Tiles(128, 256, 16, 4, 2)),
}
DTYPES = [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", WIDE)
def test_doubling(case, dtype):
    count, height, width, deep, channels, tiles = WIDE[case]
    one = layer(deep, channels, dtype)
    made = product(one, dtype, tiles, count * height * width, True)
    x = normal(count, height, width, deep, dtype=dtype)
    gate = normal(count, 2 * height, 2 * width, channels, dtype=dtype)
    for slope, gated in ((0.0, False), (0.2, True)):
        # a gradient's scale lies behind its gate, an activation's before
        end = finish(channels, slope)
        expected = finished(doubled(x, one), end, gate if gated else None)
        found = made.double(x, end, gate.clone() if gated else None, dtype)
        assert found.dtype == dtype
        assert_is(found, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", WIDE)
def test_halving(case, dtype):
    count, height, width, deep, channels, tiles = WIDE[case]
    deep, channels = channels, deep
    one = layer(deep, channels, dtype)
    made = product(one, dtype, tiles, count * height * width, False)
    x = normal(count, 2 * height, 2 * width, channels, dtype=dtype)
    gate = normal(count, height, width, deep, dtype=dtype)
    for slope, gated in ((0.2, False), (0.0, True)):
        end = finish(deep, slope)
        found = made.halve(x, end, gate.clone() if gated else None, dtype)
        assert_is(found, finished(halved(x, one), end, gate if gated else None), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize(("deep", "channels"), [(37, 3), (1, 9)])
def test_the_layer_that_connects(deep, channels, splits, dtype):
    one, tiles = layer(deep, channels, dtype, connects=True), Tiles(16, 64, 16, 4, 2, splits=splits)
    codes, images = normal(3, deep).to(dtype).float(), normal(3, 4, 4, channels, dtype=dtype)
    end, gate = finish(16 * channels, 0.2), normal(3, 4, 4, channels, dtype=dtype)
    # codes come as float32, whatever is multiplied
    expected = finished(doubled(codes, one).flatten(1), end, gate.flatten(1))
    found = product(one, dtype, tiles, 3, True).double(codes, end, gate.clone(), dtype)
    assert_is(found.flatten(1), expected, dtype)
    end = finish(deep, 1.0)
    found = product(one, dtype, tiles, 3, False).halve(images, end, None, torch.float32)
    # sums of exact products that are not rounded
    assert_is(found, finished(halved(images, one), end, None), torch.float32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("deep", "channels", "tiles"), [(10, 3, Tiles(32, 16, 16, 4, 1)), (33, 5, Tiles(16, 32, 16, 4, 2, splits=3))]
)
def test_drawing_an_image(deep, channels, tiles, dtype):
    one = layer(deep, channels, dtype)
    made = product(one, dtype, tiles, 2 * 3 * 5, True)
    x, before = normal(2, 3, 5, deep, dtype=dtype), normal(2, channels, 6, 10)
    end = finish(channels, 1.0)
    sums = finished(doubled(x, one), end, None)

    drawn = made.double(x, replace(end, scale=end.scale / 10, tanh=True), None, torch.float32)
    # planar in memory
    assert drawn.permute(0, 3, 1, 2).is_contiguous()
    gentle = finished(doubled(x, one), replace(end, scale=end.scale / 10), None)
    assert_is(drawn, gentle.tanh(), torch.float32)

    onto = before.clone().permute(0, 2, 3, 1)
    found = made.double(x, end, None, torch.float32, onto)
    assert found.data_ptr() == onto.data_ptr()
    assert_is(found, sums + before.double().permute(0, 2, 3, 1), torch.float32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("deep", "channels", "height", "width", "tiles"),
    [
        # tiles that end within a line, with one, and tiles that are a part of a line
        (17, 3, 3, 5, Tiles(32, 16, 16, 4, 1)),
        (8, 4, 2, 8, Tiles(16, 16, 16, 4, 1)),
        (8, 1, 1, 32, Tiles(16, 16, 16, 4, 1)),
    ],
)
def test_reading_an_image(deep, channels, height, width, tiles, dtype):
    one = layer(deep, channels, dtype)
    made = product(one, dtype, tiles, 2 * height * width, False)
    shape = (2, channels, 2 * height, 2 * width)
    # exact in bf16, tanh's slope and all
    x, drawn = (8 * normal(*shape)).round(), normal(*shape).sign() / 2
    gate, end = normal(2, height, width, deep, dtype=dtype), finish(deep, 0.2)
    x, drawn = x.permute(0, 2, 3, 1), drawn.permute(0, 2, 3, 1)
    found = made.halve(x, end, None, torch.float32)
    assert_is(found, finished(halved(x, one), end, None), torch.float32)
    gradient = x * (1 - drawn * drawn)
    found = made.halve(x, end, gate.clone(), dtype, drawn)
    assert_is(found, finished(halved(gradient, one), end, gate), dtype)


def test_weights_of_11_bits_are_one_part():
    one = layer(8, 8, torch.float32)
    assert len(TritonProduct(one, torch.float32, False).doubling.weight) == 2
    kept = replace(one, weight=one.weight.half().float())
    made = TritonProduct(kept, torch.float32, False)
    assert len(made.doubling.weight) == len(made.halving.weight) == 1
    made.table = Table({made.doubling.work(4): Tiles(16, 16, 16, 4, 1)})
    x, end = normal(1, 2, 2, 8), finish(8, 1.0)
    assert_is(made.double(x, end, None, torch.float32), finished(doubled(x, kept), end, None), torch.float32)
    x = normal(1000)
    assert ((tf32(x) - x).abs() <= 2.0**-11 * x.abs()).all()


def test_float32_survives_tensor_cores_that_cut_off(monkeypatch):
    """As Hopper's do, but here to 13 bits behind the first: sums of products must be short."""
    dot = interpreter.InterpreterBuilder.create_dot

    def cut_off(*arguments):
        total = dot(*arguments)
        return interpreter.TensorHandle((total.data.view(np.int32) & -1024).view(np.float32), tl.float32)

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", cut_off)
    one = layer(160, 8, torch.float32)
    one = replace(one, weight=one.weight.abs())
    made = product(one, torch.float32, Tiles(16, 16, 16, 4, 1), 1, True)
    # of numbers of one sign all that is cut off adds up: 40 steps would lose 1e-3
    x, end = normal(1, 1, 1, 160).abs(), finish(8, 1.0)
    end = replace(end, bias=torch.zeros_like(end.bias))
    assert_close(
        made.double(x, end, None, torch.float32).double(), finished(doubled(x, one), end, None), rtol=2**-13, atol=0
    )


def test_a_nan_stays_in_its_image():
    one = layer(16, 16, torch.float32)
    end, x = finish(16, 0.0), normal(3, 2, 2, 16)
    made = product(one, torch.float32, Tiles(16, 16, 16, 4, 1, splits=2), 12, True)
    well = made.double(x, end, None, torch.float32)
    x[1] = float("nan")
    found = made.double(x, end, None, torch.float32)
    assert found[1].isnan().all()
    assert torch.equal(found[[0, 2]], well[[0, 2]])


def test_programs_that_share_a_tile_count_anew_in_every_launch():
    made = product(layer(16, 8, torch.float32), torch.float32, Tiles(16, 16, 16, 4, 1, splits=2), 4, True)
    x, end = normal(1, 2, 2, 16), finish(8, 0.0)
    first = made.double(x, end, None, torch.float32)
    ((partial, arrived),) = made._workspaces.values()
    assert not arrived.any()
    # as a graph does it: the same memory, whatever it held
    partial.fill_(float("nan"))
    assert torch.equal(made.double(x, end, None, torch.float32), first)
    assert len(made._workspaces) == 1


class Operations(TorchDispatchMode):
    """Names of what torch itself computes, which a CUDA device would launch."""

    FREE = ("empty", "new_empty", "view", "permute", "unsafe_view", "detach", "squeeze", "expand", "fill_")

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.__name__.split(".")[0]
        self.names += [] if name in self.FREE else [name]
        return function(*arguments, **(keywords or {}))


def case(which: str, request: pytest.FixtureRequest, count: int = 1) -> tuple[torch.nn.Module, Tensor, Tensor]:
    """A frozen network, its inputs, and gradients of its outputs."""
    network = frozen(request.getfixturevalue(which), DEVICE)
    torch.manual_seed(0)
    shapes = {"generator": (100,), "discriminator": (3, 64, 64), "encoder": (4, 64, 64)}
    x = normal(count, *shapes[which])
    return network, x, torch.randn_like(network(x))


NETWORKS = ["generator", "discriminator", "encoder"]


@pytest.mark.skipif(DEVICE.type == "cuda", reason="counts in the interpreter")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("which", NETWORKS)
def test_a_pass_is_five_launches_and_nothing_else(which, dtype, request, monkeypatch):
    _, x, gradient = case(which, request, count=5)
    # with fewer channels some images would be copied
    network = frozen(type(request.getfixturevalue(which))(width=8), DEVICE)
    function = AdjointNetwork(network, TritonProduct, dtype)
    launches: list[str] = []
    # what the interpreter itself does with torch does not count
    monkeypatch.setattr(interpreter.GridExecutor, "__call__", lambda self, *_, **__: launches.append(self.fn.__name__))
    before = [] if which == "generator" else [torch.randn_like(x)]
    # memory that is shared within a launch is cleared with the first one
    function(x)[1](gradient, *before)
    launches.clear()
    with Operations() as operations:
        _, pull = function(x)
        assert len(launches) == 5
        pull(gradient, *before)
    assert len(launches) == 10
    assert operations.names == []


@pytest.mark.parametrize(
    ("which", "dtype"), [*((which, torch.float32) for which in NETWORKS), ("generator", torch.bfloat16)], ids=str
)
def test_networks_are_autograd_s(which, dtype, request):
    network, x, gradient = case(which, request)
    exact = x.double().requires_grad_()
    expected = copy.deepcopy(network).double()(exact)
    (back,) = torch.autograd.grad(expected, exact, gradient.double())

    function = AdjointNetwork(network, TritonProduct, dtype)
    for made in (way.__self__ for way in function.forwards):
        made.table = Coarse()
    y, pull = function(x)
    found = y.clone(), pull(gradient)
    for one, other in zip(found, (expected.detach(), back), strict=True):
        assert one.dtype == torch.float32
        assert one.is_contiguous()
        if dtype == torch.float32:
            # as in test_adjoint
            assert_close(one.double(), other, rtol=0, atol=1e-5 * float(other.abs().max()))
        else:
            # 7 bits a number in the interpreter, through 5 layers and their kinks
            assert 1e-4 < (one - other).norm() / other.norm() < 0.3


def test_a_gradient_is_added_to_another(request):
    """Of the discriminator; by torch's convolutions as by Triton's."""
    network, x, gradient = case("discriminator", request)
    function = AdjointNetwork(network, TorchProduct, torch.float32)
    alone = function(x)[1](gradient)
    before = torch.randn_like(x)
    assert_close(function(x)[1](gradient, before.clone()), alone + before, rtol=1e-6, atol=1e-6)
