"""csrc/layers/convolution.hpp against torch's convolutions, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from faceinpaint_fast import _cpu

# pixels of the half, depth, channels: one and many panels of 32, tiles of 16 rows and none, odd sizes
SHAPES = [
    (1, 4, 4, 5, 3),
    (3, 4, 4, 64, 32),
    (2, 8, 8, 96, 16),
    (5, 16, 16, 32, 33),
    (2, 3, 5, 7, 1),
    (2, 32, 32, 64, 3),
]
# the class, its dtype, and a dtype that the weights are rounded to: half precision is packed as such
DTYPES = {
    "float32": (_cpu.PackedFloat32, torch.float32, torch.float32),
    "float32, halves": (_cpu.PackedFloat32, torch.float32, torch.float16),
    "bfloat16": (_cpu.PackedBFloat16, torch.bfloat16, torch.bfloat16),
}


def numbers(tensor):
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


def problem(shape, dtype, of_weights):
    """Inputs and weights that their dtypes hold exactly."""
    count, height, width, depth, channels = shape
    torch.manual_seed(sum(shape))
    half = torch.randn(count, height, width, depth).to(dtype)
    images = torch.randn(count, 2 * height, 2 * width, channels).to(dtype)
    weight = (torch.randn(depth, channels, 4, 4) / (4 * depth**0.5)).to(of_weights).float()
    return half, images, weight, weight.permute(0, 2, 3, 1).flatten(1).contiguous()


def tolerance(dtype, expected):
    # float32: sums of up to 1536 terms in another order; bfloat16: the result's 8 bits
    return float(expected.abs().max()) * {torch.float32: 1e-6, torch.bfloat16: 2**-8}[dtype]


def finished(sums, gate, slope):
    return torch.where(gate > 0, sums, slope * sums)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("name", DTYPES)
def test_doubling_is_the_transposed_convolution(name, shape, slope, gated):
    pack, dtype, of_weights = DTYPES[name]
    half, gate, weight, matrix = problem(shape, dtype, of_weights)
    scale, bias = torch.randn(2, shape[-1])
    sums = F.conv_transpose2d(half.permute(0, 3, 1, 2).double(), weight.double(), stride=2, padding=1)
    sums = sums.permute(0, 2, 3, 1) * scale + bias
    expected = finished(sums, gate if gated else sums, slope)
    rows_of_16 = shape[1] * shape[2] % 16 == 0
    for out in {gate.dtype, torch.float32}:
        found = gate.clone().to(out) if gated else torch.full(gate.shape, float("nan"), dtype=out)
        pack(matrix.numpy(), rows_of_16).double(
            numbers(half), scale.numpy(), bias.numpy(), slope, gated, 1, numbers(found)
        )
        assert (found.double() - expected).abs().max() <= tolerance(out, expected)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.2])
@pytest.mark.parametrize("name", DTYPES)
def test_halving_is_the_convolution(name, shape, slope, gated):
    pack, dtype, of_weights = DTYPES[name]
    gate, images, weight, matrix = problem(shape, dtype, of_weights)
    scale, bias = torch.randn(2, shape[-2])
    sums = F.conv2d(images.permute(0, 3, 1, 2).double(), weight.double(), stride=2, padding=1).permute(0, 2, 3, 1)
    sums = sums * scale + bias
    expected = finished(sums, gate if gated else sums, slope)
    rows_of_16 = shape[1] * shape[2] % 16 == 0
    # rows beyond 16 channels meet zeros
    packed = pack(F.pad(matrix.T, (0, 0, 0, 48)).contiguous().numpy(), rows_of_16)
    for pixels in {images, images.float()}:
        found = gate.clone() if gated else torch.full_like(gate, float("nan"))
        packed.halve(numbers(pixels), scale.numpy(), bias.numpy(), slope, gated, 1, numbers(found))
        assert (found.double() - expected).abs().max() <= tolerance(dtype, expected)


@pytest.mark.parametrize(("rows", "k", "n"), [(1, 100, 40), (1, 300, 1), (17, 64, 100), (3, 1, 7)])
@pytest.mark.parametrize("name", DTYPES)
def test_connecting_is_a_product(name, rows, k, n):
    pack, dtype, of_weights = DTYPES[name]
    torch.manual_seed(rows)
    a, b = torch.randn(rows, k).to(dtype), (torch.randn(k, n) / k**0.5).to(of_weights).float()
    scale, bias = torch.randn(2, n)
    sums = a.double() @ b.double() * scale + bias
    for out in {dtype, torch.float32}:
        found = torch.full((rows, n), float("nan"), dtype=out)
        pack(b.numpy(), False).connect(numbers(a), scale.numpy(), bias.numpy(), 0.2, False, 2, numbers(found))
        expected = finished(sums, sums, 0.2)
        assert (found.double() - expected).abs().max() <= tolerance(out, expected)


def test_what_does_not_fit_is_refused():
    packed = _cpu.PackedFloat32(np.ones((32, 16 * 3), np.float32), True)
    half, images = np.ones((2, 4, 4, 32), np.float32), np.ones((2, 8, 8, 3), np.float32)
    bias = np.ones(3, np.float32)
    packed.double(half, bias, bias, 1.0, False, 1, images)
    with pytest.raises(ValueError, match=r"images, half: expected shapes"):
        packed.double(half, bias, bias, 1.0, False, 1, images[:1])
    with pytest.raises(ValueError, match=r"weights: expected \(D, 16 C\)"):
        packed.double(half[..., :16].copy(), bias, bias, 1.0, False, 1, images)
    with pytest.raises(ValueError, match=r"scale, bias: expected one number a channel"):
        packed.double(half, bias, bias[:2].copy(), 1.0, False, 1, images)
    with pytest.raises(ValueError, match=r"threads: expected >= 1"):
        packed.double(half, bias, bias, 1.0, False, 0, images)
    with pytest.raises(ValueError, match=r"weights: expected \(>= 16 C, D\)"):
        packed.halve(images, bias, bias, 1.0, False, 1, half)
    with pytest.raises(ValueError, match=r"weights: expected \(K, N\)"):
        packed.connect(np.ones((1, 5), np.float32), bias, bias, 1.0, False, 1, np.ones((1, 3), np.float32))
    for bad in (images.astype(np.float64), images[:, ::2], images.astype(np.uint16)):
        with pytest.raises(TypeError):
            packed.double(half, bias, bias, 1.0, False, 1, bad)
    with pytest.raises(ValueError, match=r"numbers: expected shape"):
        _cpu.PackedFloat32(np.ones((0, 3), np.float32), True)
