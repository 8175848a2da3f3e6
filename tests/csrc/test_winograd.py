"""csrc/layers/winograd.hpp against torch's convolutions in float64, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from faceinpaint_fast import _cpu

# images, pixels of the half, depth, channels: one tile and many, fewer than a product's rows and more, with runs of
# unlike length; one and many panels of 32, odd sizes
SHAPES = [
    (1, 2, 2, 3, 1),
    (3, 2, 6, 5, 7),
    (5, 4, 4, 64, 32),
    (37, 4, 4, 40, 17),
    (3, 8, 8, 300, 96),
    (3, 16, 16, 32, 33),
    (2, 4, 4, 512, 256),
]
# what the weights are rounded to: half precision is packed as such, where no sums are formed of it
WEIGHTS = {"float32": torch.float32, "halves": torch.float16}


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


def problem(shape, of_weights=torch.float32):
    count, height, width, depth, channels = shape
    torch.manual_seed(sum(shape))
    half = torch.randn(count, height, width, depth)
    images = torch.randn(count, 2 * height, 2 * width, channels)
    weight = (torch.randn(depth, channels, 4, 4) / (4 * depth**0.5)).to(of_weights).float()
    return half, images, weight, weight.permute(0, 2, 3, 1).flatten(1).contiguous().numpy()


def tolerance(expected):
    # float32: up to 4 sums of up to 1024 terms, whose factors are sums of up to 4 numbers and round too: 16 ulps of the
    # largest; the direct sums, of 4096 terms, err by up to 25 in other orders
    return float(expected.abs().max()) * 4e-6


def expected_double(half, weight, scale, bias, gate, slope):
    sums = F.conv_transpose2d(half.permute(0, 3, 1, 2).double(), weight.double(), stride=2, padding=1)
    return finished(sums.permute(0, 2, 3, 1) * scale + bias, gate, slope)


def expected_half(images, weight, scale, bias, gate, slope):
    sums = F.conv2d(images.permute(0, 3, 1, 2).double(), weight.double(), stride=2, padding=1)
    return finished(sums.permute(0, 2, 3, 1) * scale + bias, gate, slope)


def finished(sums, gate, slope):
    return torch.where((sums if gate is None else gate) > 0, sums, slope * sums)


def run(layer, x, scale, bias, slope, like, gate=None, threads=1):
    out = torch.full_like(like, float("nan")) if gate is None else gate.clone()
    layer(x.numpy(), scale.numpy(), bias.numpy(), slope, gate is not None, threads, out.numpy())
    return out


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_doubling_is_the_transposed_convolution(weights, shape, slope, gated):
    half, images, weight, matrix = problem(shape, WEIGHTS[weights])
    scale, bias = torch.randn(2, shape[-1])
    gate = images if gated else None
    expected = expected_double(half, weight, scale, bias, gate, slope)
    found = run(_cpu.WinogradDoubling(matrix), half, scale, bias, slope, images, gate)
    assert (found.double() - expected).abs().max() <= tolerance(expected)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_halving_is_the_convolution(weights, shape, slope, gated):
    half, images, weight, matrix = problem(shape, WEIGHTS[weights])
    scale, bias = torch.randn(2, shape[-2])
    gate = half if gated else None
    expected = expected_half(images, weight, scale, bias, gate, slope)
    found = run(_cpu.WinogradHalving(matrix), images, scale, bias, slope, half, gate)
    assert (found.double() - expected).abs().max() <= tolerance(expected)


@pytest.fixture(params=["halving", "doubling"])
def layer(request):
    """A function of images, and of threads; images of which one call makes three products."""
    half, images, _, matrix = problem((43, 4, 4, 40, 24))
    halves = request.param == "halving"
    winograd = (_cpu.WinogradHalving if halves else _cpu.WinogradDoubling)(matrix)
    x, like = (images, half) if halves else (half, images)
    scale, bias = torch.randn(2, like.shape[-1])

    def call(x, threads=1):
        return run(winograd, x, scale, bias, 0.2, like[: len(x)], threads=threads)

    return call, x


def test_an_image_s_bits_depend_on_no_other(layer):
    call, x = layer
    together = call(x)
    for images in ([3], [6, 42], list(range(42, 8, -1))):
        assert torch.equal(call(x[images]), together[images])


def test_a_nan_stays_in_its_image(layer):
    call, x = layer
    together = call(x)
    x = x.clone()
    x[5] = float("nan")
    found = call(x)
    others = [i for i in range(len(x)) if i != 5]
    assert torch.equal(found[others], together[others])
    assert found[5].isnan().all()


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_threads_change_no_bit(layer, threads):
    call, x = layer
    assert torch.equal(call(x, threads), call(x))


def test_what_does_not_fit_is_refused():
    doubling = _cpu.WinogradDoubling(np.ones((32, 16 * 3), np.float32))
    halving = _cpu.WinogradHalving(np.ones((32, 16 * 3), np.float32))
    half, images = np.ones((2, 4, 4, 32), np.float32), np.ones((2, 8, 8, 3), np.float32)
    bias, deep = np.ones(3, np.float32), np.ones(32, np.float32)
    doubling(half, bias, bias, 1.0, False, 1, images)
    halving(images, deep, deep, 1.0, False, 1, half)
    with pytest.raises(ValueError, match=r"images, half: expected shapes"):
        doubling(half, bias, bias, 1.0, False, 1, images[:1])
    with pytest.raises(ValueError, match=r"weights: expected \(D, 16 C\)"):
        doubling(half[..., :16].copy(), bias, bias, 1.0, False, 1, images)
    with pytest.raises(ValueError, match=r"weights: expected \(D, 16 C\)"):
        halving(images[..., :2].copy(), deep, deep, 1.0, False, 1, half)
    with pytest.raises(ValueError, match=r"half: expected an even height and width"):
        doubling(half[:, :3].copy(), bias, bias, 1.0, False, 1, images[:, :6].copy())
    with pytest.raises(ValueError, match=r"scale, bias: expected one number a channel"):
        halving(images, deep, bias, 1.0, False, 1, half)
    with pytest.raises(ValueError, match=r"threads: expected >= 1"):
        halving(images, deep, deep, 1.0, False, 0, half)
    with pytest.raises(TypeError):
        halving(images.astype(np.float64), deep, deep, 1.0, False, 1, half)
    for bad in (np.ones((0, 16), np.float32), np.ones((2, 17), np.float32), np.ones(16, np.float32)):
        with pytest.raises(ValueError, match=r"weights: expected shape"):
            _cpu.WinogradHalving(bad)
