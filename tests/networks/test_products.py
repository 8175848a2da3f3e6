"""A layer's products in either direction, by every product there is, against torch's convolutions in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from faceinpaint_fast._cpu import WINOGRAD_CHANNELS, WINOGRAD_IMAGES
from faceinpaint_fast.networks.layers import Finish, Layer
from faceinpaint_fast.networks.products import (
    MatrixProduct,
    PackedProduct,
    TorchProduct,
    folded,
    unfolded,
)

PRODUCTS = [PackedProduct, TorchProduct, MatrixProduct]
# sums of 16 C terms in another order; in bfloat16, terms of 8 bits
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2e-2}
DEPTH = 6


def layer_of(channels, connects=False):
    random = torch.Generator().manual_seed(1)
    weight = torch.randn((DEPTH, channels, 4, 4), generator=random) / (16 * channels) ** 0.5
    ones = torch.ones(DEPTH)
    return Layer(weight, ones, torch.zeros_like(ones), 1.0, False, connects)


def finish_of(channels, slope=1.0, tanh=False):
    random = torch.Generator().manual_seed(2)
    return Finish(0.5 + torch.rand(channels, generator=random), torch.randn(channels, generator=random), slope, tanh)


def exactly(sums, finish, gate=None):
    y = sums * finish.scale.double() + finish.bias.double()
    y = torch.where((y if gate is None else gate) > 0, y, finish.slope * y)
    return y.tanh() if finish.tanh else y


def doubled(x, weight):
    wide = F.conv_transpose2d(x.double().permute(0, 3, 1, 2), weight.double(), stride=2, padding=1)
    return wide.permute(0, 2, 3, 1)


def halved(x, weight):
    half = F.conv2d(x.double().permute(0, 3, 1, 2), weight.double(), stride=2, padding=1)
    return half.permute(0, 2, 3, 1)


def assert_near(found, expected, dtype):
    assert_close(found.double(), expected, rtol=0, atol=TOLERANCE[dtype] * float(expected.abs().max()))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize(
    ("count", "channels"), [(1, 3), (2, 5), (WINOGRAD_IMAGES, WINOGRAD_CHANNELS)], ids=["one", "few", "Winograd"]
)
@pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])
def test_double_and_halve(product, dtype, count, channels, gated):
    layer = layer_of(channels)
    pack = product(layer, dtype, False)
    half, image = torch.randn(count, 4, 6, DEPTH), torch.randn(count, 8, 12, channels)
    half, image = half.to(dtype), image.to(dtype)
    gates = (torch.randn_like(image), torch.randn_like(half)) if gated else (None, None)
    for x, function, exact, gate, outputs in (
        (half, pack.double, doubled, gates[0], channels),
        (image, pack.halve, halved, gates[1], DEPTH),
    ):
        finish = finish_of(outputs, 0.2)
        expected = exactly(exact(x, layer.weight.to(dtype)), finish, gate)
        found = function(x, finish, None if gate is None else gate.clone(), dtype)
        assert found.dtype == dtype
        assert_near(found, expected, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_layer_that_connects_all_with_all(product, dtype):
    layer = layer_of(3, connects=True)
    pack, weight = product(layer, dtype, False), layer.weight.to(dtype).double()
    codes, image = torch.randn(2, DEPTH).to(dtype), torch.randn(2, 4, 4, 3).to(dtype)
    finish, gate = finish_of(3, 0.0), torch.randn(2, 4, 4, 3).to(dtype)
    expected = torch.einsum("bd,dcyx->byxc", codes.double(), weight)
    found = pack.double(codes, finish.for_pixels(16), gate.clone(), dtype)
    assert_near(found, exactly(expected, finish, gate), dtype)
    finish = finish_of(DEPTH, 0.2)
    expected = torch.einsum("byxc,dcyx->bd", image.double(), weight)
    assert_near(pack.halve(image, finish, None, torch.float32), exactly(expected, finish), dtype)


@pytest.mark.parametrize("product", PRODUCTS)
def test_tanh_ends_a_layer_and_begins_its_way_back(product):
    layer = layer_of(3)
    pack, finish = product(layer, torch.float32, False), finish_of(3, tanh=True)
    half, gradient = torch.randn(2, 4, 4, DEPTH), torch.randn(2, 3, 8, 8).permute(0, 2, 3, 1)
    inside = doubled(half, layer.weight) * finish.scale.double() + finish.bias.double()
    values = pack.double(half, finish, None, torch.float32)
    assert_near(values, inside.tanh(), torch.float32)
    back = Finish(torch.ones(DEPTH), torch.zeros(DEPTH), 1.0)
    kept = values.clone()
    found = pack.halve(gradient, back, None, torch.float32, values)
    assert_near(found, halved(gradient * (1 - inside.tanh() ** 2), layer.weight), torch.float32)
    assert torch.equal(values, kept)


def test_folded_is_unfolded_s_adjoint():
    torch.manual_seed(0)
    image, windows = torch.randn(2, 6, 8, 3).double(), torch.randn(2, 3, 4, 48).double()
    assert_close((unfolded(image) * windows).sum(), (image * folded(windows)).sum(), rtol=1e-12, atol=0)
