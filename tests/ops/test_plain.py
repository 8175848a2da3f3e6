"""The search's ops as plain torch are those of the kernels."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast.ops.plain import DECOMPOSITIONS
from faceinpaint_fast.ops.window import Window
from faceinpaint_fast.weight_map import radius_and_scale

# two exact programs, whose sums of 10^3 terms are in another order; a variance is a small difference of squares
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 1e-3, "atol": 1e-4}}


def sample(dtype, padding, shared, size=(2, 3, 21, 17)):
    """All arguments of ssim_l1 but the last; `shared`: one w and one share for all images."""
    generator = torch.Generator().manual_seed(3)
    x, y = torch.rand(2, *size, generator=generator, dtype=dtype)
    window = Window(size=7, sigma=1.2, padding=padding)
    taps, count = window.taps(dtype, x.device), 1 if shared else size[0]
    w = torch.rand(count, *size[2:], generator=generator, dtype=dtype) + 0.5
    v = w.unsqueeze(1) * y
    mean, variance = torch.ops.faceinpaint_fast.window_statistics(v, taps, window.pad)
    share = torch.rand(count, *mean.shape[2:], generator=generator, dtype=dtype) / mean[0].numel()
    a, b = torch.tensor([[0.7, -1.5], [0.3, 0.002]], dtype=dtype)
    return x, w, v, mean, variance, share, taps, window.pad, 1e-4, 9e-4, a, b


@pytest.mark.parametrize("shared", [False, True], ids=["one each", "shared"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_ssim_and_l1(dtype, padding, shared):
    op, arguments = torch.ops.faceinpaint_fast.ssim_l1.default, sample(dtype, padding, shared)
    expected = op(*arguments, True)
    found = DECOMPOSITIONS[op](*arguments, True)
    for one, other in zip(found, expected, strict=True):
        # of what is about 1, in the gradient of its largest number
        assert_close(one / other.abs().max(), other / other.abs().max(), **TOLERANCE[dtype])
    without = DECOMPOSITIONS[op](*arguments, False)
    assert_close(without[:2], found[:2], rtol=0, atol=0)
    assert without[2].shape == op(*arguments, False)[2].shape == (0,)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_window_statistics(dtype, padding):
    op = torch.ops.faceinpaint_fast.window_statistics.default
    _, _, v, *_, taps, pad, _, _, _, _ = sample(dtype, padding, False)
    assert_close(DECOMPOSITIONS[op](v, taps, pad), op(v, taps, pad), **TOLERANCE[dtype])


@pytest.mark.parametrize(("k", "alpha"), [(1, 2.0), (7, 2.0), (31, 7.3), (99, 0.1)])
def test_weight_map(k, alpha, rng):
    """Bit for bit: counts are exact, and either rounds once."""
    missing = torch.from_numpy(rng.random((3, 20, 15)) < [[[0.1]], [[0.5]], [[0.9]]])
    op = torch.ops.faceinpaint_fast.weight_map.default
    arguments = missing, *radius_and_scale(k, alpha, 20, 15)
    assert torch.equal(DECOMPOSITIONS[op](*arguments), op(*arguments))


def test_a_trace_keeps_its_window_to_itself():
    """What a trace works out is no tensor; kept for the next caller, it would break every search after an export."""

    class Blur(torch.nn.Module):
        def forward(self, x):
            return Window(size=5, sigma=0.123).local_mean(x)

    x = torch.rand(1, 9, 9)
    program = torch.export.export(Blur(), (x,))
    taps = Window(size=5, sigma=0.123).taps(x.dtype, x.device)
    assert type(taps) is torch.Tensor
    assert taps is Window(size=5, sigma=0.123).taps(x.dtype, x.device)
    assert_close(program.module()(x), Blur()(x))
