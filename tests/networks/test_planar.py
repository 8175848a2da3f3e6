"""Layers as an ONNX graph has them, beside torch's own product; and whole networks of them."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast.networks.adjoint import AdjointNetwork
from faceinpaint_fast.networks.layers import Finish, Layer
from faceinpaint_fast.networks.planar import PlanarProduct
from faceinpaint_fast.networks.products import TorchProduct

DEPTH, CHANNELS = 6, 5
# the scale is multiplied in before the sum
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.mark.parametrize("connects", [False, True], ids=["convolves", "connects"])
@pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_it_gives_what_torch_s_product_gives(connects, gated, slope):
    weight = torch.randn(DEPTH, CHANNELS, 4, 4)
    layer = Layer(weight, torch.ones(1), torch.zeros(1), 1.0, False, connects)
    planar, plain = (product(layer, torch.float32, False) for product in (PlanarProduct, TorchProduct))
    shapes = (2, DEPTH) if connects else (2, 4, 6, DEPTH), (2, 4, 4, CHANNELS) if connects else (2, 8, 12, CHANNELS)
    half, image = (torch.randn(shape) for shape in shapes)
    # a gate is what a ReLU gave, or a leaky one
    gates = [torch.nn.functional.leaky_relu(torch.randn_like(each), slope) for each in (image, half)]
    for name, x, gate, tanh, count in (
        ("double", half, gates[0], False, CHANNELS * (16 if connects else 1)),
        ("halve", image, gates[1], False, DEPTH),
        ("double", half, gates[0], True, CHANNELS * (16 if connects else 1)),
    ):
        finish = Finish(0.5 + torch.rand(count), torch.randn(count), slope, tanh)
        given = [None if not gated else gate.clone() for _ in range(2)]
        found, expected = (
            getattr(product, name)(x, finish, own, torch.float32)
            for product, own in zip((planar, plain), given, strict=True)
        )
        assert_close(found, expected, **CLOSE)


def test_it_adds_and_goes_back_through_a_tanh():
    layer = Layer(torch.randn(DEPTH, CHANNELS, 4, 4), torch.ones(1), torch.zeros(1), 1.0, False, False)
    planar, plain = (product(layer, torch.float32, False) for product in (PlanarProduct, TorchProduct))
    half, image = torch.randn(1, 2, 2, DEPTH), torch.randn(1, 4, 4, CHANNELS)
    of_image, of_half = (Finish(torch.ones(n), torch.zeros(n), 1.0) for n in (CHANNELS, DEPTH))
    found, expected = (each.double(half, of_image, None, torch.float32, image.clone()) for each in (planar, plain))
    assert_close(found, expected, **CLOSE)
    values = torch.rand_like(image)
    found, expected = (each.halve(image, of_half, None, torch.float32, values) for each in (planar, plain))
    assert_close(found, expected, **CLOSE)


def test_networks_of_it_go_there_and_back(generator, discriminator, encoder):
    for network, shape in ((generator, (2, 100)), (discriminator, (2, 3, 64, 64)), (encoder, (2, 4, 64, 64))):
        x = torch.randn(shape)
        results = []
        for product in (PlanarProduct, TorchProduct):
            y, pull = AdjointNetwork(network, product, torch.float32)(x)
            results.append((y, pull(torch.linspace(-1, 1, y.numel()).view_as(y))))
        for found, expected in zip(*results, strict=True):
            assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
