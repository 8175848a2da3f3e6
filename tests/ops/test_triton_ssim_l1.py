"""The Triton kernels against their definitions in plain torch, float64: on CUDA, or in Triton's interpreter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from faceinpaint_fast.ops.window import Window

pytest.importorskip("triton", reason="Triton is not installed")

from faceinpaint_fast.ops import cpu as cpu_kernels
from faceinpaint_fast.ops import triton_ssim_l1 as kernels
from faceinpaint_fast.ops import triton_weighted_l1 as l1_kernels

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
C1, C2 = 0.01**2, 0.03**2

# the contract's: in float32 a variance is what two squares leave, off by 1e-7, and S divides it by c2 = 9e-4 at least;
# in half precision nothing but x is, and the definition gets the same x
RTOL = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-5}

# the interpreter takes a millisecond an operation, whatever its size: few rows, small windows
SMALL = Window(size=3, sigma=0.8)
CASES = {
    "one window": ((1, 1, 3, 3), SMALL, kernels.Tile(1, 1, 4)),
    "images and channels": ((2, 2, 4, 5), SMALL, kernels.Tile(1, 1, 4)),
    "several tiles": ((1, 1, 7, 36), SMALL, kernels.Tile(1, 1, 3)),
    "two warps": ((1, 1, 4, 132), SMALL, kernels.Tile(2, 2, 4)),
    "two columns": ((1, 1, 5, 70), SMALL, kernels.Tile(2, 1, 4)),
    "two columns, odd": ((1, 1, 5, 9), SMALL, kernels.Tile(2, 1, 4)),
    "two columns, same": ((1, 1, 5, 10), Window(size=5, padding="same"), kernels.Tile(2, 1, 4)),
    "four columns": ((1, 1, 5, 16), SMALL, kernels.Tile(4, 1, 4)),
    "four columns, half aligned": ((1, 1, 5, 14), SMALL, kernels.Tile(4, 1, 4)),
    "four columns, same": ((1, 1, 5, 12), Window(size=5, padding="same"), kernels.Tile(4, 1, 4)),
    "Wang's window": ((1, 1, 12, 12), Window(), kernels.Tile(2, 1, 4)),
    "Wang's window, same": ((1, 1, 11, 12), Window(padding="same"), kernels.Tile(4, 1, 16)),
    "wider": ((1, 1, 15, 16), Window(size=15, sigma=2.5), kernels.Tile(1, 1, 16)),
}


def accumulator(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def problem(rng, shape, window, dtype, shared=False):
    """x, w, v, share, a, b: images that resemble each other, one pixel equal, one corner flat."""
    images, channels, height, width = shape
    x = rng.random(shape)
    y = np.clip(x + 0.3 * rng.standard_normal(shape), 0, 1)
    y[..., : height // 2, : width // 2] = 0.75
    weighed = 1 if shared else images
    w = 2 * rng.random((weighed, height, width))
    w[:, height // 2], w[:, -1, -1] = 0, 1
    share = rng.random((weighed, window.positions(height), window.positions(width)))
    share /= channels * share.sum(axis=(1, 2), keepdims=True)
    a, b = -1 - rng.random(images), 1e-3 * (1 + rng.random(images))
    wide = accumulator(dtype)
    x, y, w, share, a, b = (torch.from_numpy(array).to(DEVICE, wide) for array in (x, y, w, share, a, b))
    x = x.to(dtype)
    y[..., -1, -1] = x[..., -1, -1]
    return x, w, w[:, None] * y, share, a, b


def statistics(v: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    mean = window.local_mean(v)
    return mean, window.local_mean(v * v) - mean * mean


def definition(x, w, v, share, a, b, window):
    x, w, v, share, a, b = (t.double() for t in (x, w, v, share, a, b))
    x.requires_grad_()
    u = w[:, None] * x
    mu_u, s_u = statistics(u, window)
    mu_v, s_v = statistics(v, window)
    s_uv = window.local_mean(u * v) - mu_u * mu_v
    s = (2 * mu_u * mu_v + C1) * (2 * s_uv + C2) / ((mu_u**2 + mu_v**2 + C1) * (s_u + s_v + C2))
    ssim = 1 - (share[:, None] * (1 - s)).sum(dim=(1, 2, 3))
    l1 = (u - v).abs().sum(dim=(1, 2, 3))
    (gradient,) = torch.autograd.grad((a * ssim + b * l1).sum(), x)
    return ssim.detach(), l1.detach(), gradient


@pytest.fixture
def tiled(monkeypatch):
    """Walk over that tile, whatever the size."""

    def choose(tile):
        monkeypatch.setattr(kernels, "TILES", {name: ((float("inf"), tile),) for name in kernels.TILES})

    return choose


def launch(x, w, v, share, a, b, window, with_gradient=True):
    mean, variance = (t.to(v.dtype) for t in statistics(v.double(), window))
    return kernels.ssim_l1(
        x, w, v, mean, variance, share, window.taps(v.dtype, v.device), window.pad, C1, C2, a, b, with_gradient
    )


def assert_is(value, expected, dtype, rtol):
    """rtol is of the largest component: sums of both signs have no relative error of their own."""
    assert value.dtype == dtype
    assert_close(value.double(), expected, rtol=0, atol=rtol * expected.abs().max().item())


@pytest.mark.parametrize("case", CASES)
def test_ssim_l1_in_single_precision(case, rng, tiled):
    shape, window, tile = CASES[case]
    tiled(tile)
    arguments = problem(rng, shape, window, torch.float32)
    for value, expected in zip(launch(*arguments, window), definition(*arguments, window), strict=True):
        assert_is(value, expected, torch.float32, RTOL[torch.float32])


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_ssim_l1_in_other_precisions_with_shared_weights(dtype, padding, rng):
    window = Window(size=3, padding=padding)
    arguments = problem(rng, (2, 1, 4, 6), window, dtype, shared=True)
    for value, expected in zip(launch(*arguments, window), definition(*arguments, window), strict=True):
        assert_is(value, expected, accumulator(dtype), RTOL[dtype])


def test_ssim_of_flat_images(rng):
    # all variance is noise, and S is 1e-4 off where variances are differences of large squares
    window = SMALL
    x, w, v, share, a, b = problem(rng, (1, 1, 5, 6), window, torch.float32)
    x, w, v = torch.full_like(x, 0.9), torch.full_like(w, 1.1), torch.full_like(v, 0.8)
    taps = window.taps(v.dtype, v.device)
    mean, variance = kernels.window_statistics(v, taps, window.pad)
    assert variance.abs().max() < 1e-12
    ssim, _, _ = kernels.ssim_l1(
        x, w, v, mean, variance, share, window.taps(v.dtype, v.device), window.pad, C1, C2, a, b, False
    )
    assert_close(ssim.double(), definition(x, w, v, share, a, b, window)[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_equal_images_are_exactly_alike(dtype, rng):
    """1, and a slope of 0, though the image is nowhere near 0 and w x is rounded."""
    x, w, _, share, a, _ = problem(rng, (1, 1, 6, 9), SMALL, dtype)
    x += 7
    v = w[:, None] * x
    mean, variance = kernels.window_statistics(v, SMALL.taps(v.dtype, v.device), SMALL.pad)
    target = w, v, mean, variance, share, SMALL.taps(v.dtype, v.device), SMALL.pad, C1, C2
    ssim, l1, gradient = kernels.ssim_l1(x, *target, a, torch.ones_like(a), True)
    assert ssim.item() == 1
    assert l1.item() == 0
    assert not gradient.any()


def test_parts_of_a_search_s_loss(rng):
    """Two launches, of an image in [-1, 1]: what an optimiser adds up by itself."""
    x, w, v, share, a, b = problem(rng, (2, 1, 5, 6), SMALL, torch.float32)
    mean, variance = (t.to(v.dtype) for t in statistics(v.double(), SMALL))
    target = w, v, mean, variance, share, SMALL.taps(v.dtype, v.device), SMALL.pad, C1, C2
    of_ssim, of_l1, gradient = kernels.ssim_l1_partials(2 * x - 1, *target, a, b, signed=True)
    assert of_ssim.ndim == of_l1.ndim == 2
    ssim, l1, expected = definition(x, w, v, share, a, b, SMALL)
    assert_is(of_ssim.sum(dim=1), 1 - ssim, torch.float32, 1e-5)
    assert_is(of_l1.sum(dim=1), l1, torch.float32, 1e-5)
    assert_is(gradient, expected / 2, torch.float32, 1e-5)


def test_nothing_is_read_that_is_not_there(rng):
    """No weights, equal shares, SSIM alone: the same as with the weights and shares that are meant."""
    x, _, _, _, _, _ = problem(rng, (2, 2, 5, 6), SMALL, torch.float32)
    y = x.flip(0)
    w, share, one = x.new_ones(1, 5, 6), x.new_full((1, 3, 4), 1 / 24), x.new_ones(2)
    mean, variance = (t.to(y.dtype) for t in statistics(y.double(), SMALL))
    target = mean, variance, None, SMALL.taps(y.dtype, y.device), SMALL.pad, C1, C2
    of_ssim, of_l1, gradient = kernels.ssim_l1_partials(x, None, y, *target, None, None)
    assert of_l1.shape == (2, 0)
    ssim, _, expected = definition(x, w, y, share, one, 0 * one, SMALL)
    assert_is(of_ssim.sum(dim=1), 1 - ssim, torch.float32, 1e-5)
    assert_is(gradient, expected, torch.float32, 1e-5)


def test_values_need_no_gradient(rng):
    window = Window(size=3)
    arguments = problem(rng, (1, 1, 6, 7), window, torch.float32)
    ssim, l1, gradient = launch(*arguments, window)
    ssim_alone, l1_alone, nothing = launch(*arguments, window, with_gradient=False)
    assert torch.equal(ssim, ssim_alone)
    assert torch.equal(l1, l1_alone)
    assert nothing.shape == (0,)
    assert nothing.dtype == gradient.dtype


def test_an_image_has_the_same_bits_at_any_place_in_any_batch(rng):
    window = Window(size=3)
    arguments = problem(rng, (3, 1, 5, 6), window, torch.float32)
    batch = launch(*arguments, window)
    for places in ([2], [1, 2, 0]):
        for value, expected in zip(launch(*(t[places] for t in arguments), window), batch, strict=True):
            assert torch.equal(value, expected[places])


def test_sums_of_many_programs_do_not_depend_on_the_place(rng):
    # more partial sums than fit a block, and rows that are not aligned alike
    row = torch.from_numpy(rng.standard_normal(2051)).to(DEVICE, torch.float32)
    sums = kernels.total(row.expand(3, -1).contiguous())
    assert_close(sums.double(), row.double().sum().expand(3), rtol=0, atol=1e-6 * len(row))
    assert torch.equal(sums, sums[:1].expand(3))


@pytest.mark.parametrize(
    ("shape", "window", "dtype"),
    [
        ((1, 1, 12, 14), Window(), torch.float32),
        ((2, 2, 5, 9), Window(size=5, padding="same"), torch.float64),
    ],
    ids=str,
)
def test_window_statistics(shape, window, dtype, rng):
    v = torch.from_numpy(rng.random(shape)).to(DEVICE, dtype)
    values = kernels.window_statistics(v, window.taps(v.dtype, v.device), window.pad)
    for value, expected in zip(values, statistics(v.double(), window), strict=True):
        assert value.dtype == dtype
        # the variance is as exact as the squares that it is the difference of
        assert_close(value.double(), expected, rtol=0, atol={torch.float32: 1e-6, torch.float64: 1e-14}[dtype])


@pytest.mark.parametrize(
    ("x_dtype", "y_dtype"),
    [
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.float32, torch.float64),
        (torch.bfloat16, torch.float32),
    ],
    ids=str,
)
@pytest.mark.parametrize("weighed", [(2, 3), (2, 1), (1, 3), (1, 1)], ids=str)
def test_weighted_l1(x_dtype, y_dtype, weighed, rng):
    # an image is more than one program
    x, y = torch.from_numpy(rng.random((2, 2, 3, 19, 23))).to(DEVICE)
    x, y = x.to(x_dtype), y.to(y_dtype)
    y[..., 3, 4] = x[..., 3, 4] = 0.5
    w = torch.from_numpy(rng.random((*weighed, 19, 23))).to(DEVICE, y_dtype)
    grad = torch.tensor([0.5, -2.0], device=DEVICE, dtype=y_dtype)
    exact = x.double().requires_grad_()
    expected = (w.double() * (exact - y.double()).abs()).sum(dim=(1, 2, 3))
    (expected_gradient,) = torch.autograd.grad(expected @ grad.double(), exact)

    assert_is(l1_kernels.weighted_l1(x, y, w), expected.detach(), y_dtype, RTOL[y_dtype])
    # two products
    rtol = {torch.float32: 1e-6, torch.float64: 1e-15}[y_dtype]
    assert_is(l1_kernels.weighted_l1_gradient(grad, x, y, w), expected_gradient, y_dtype, rtol)


def test_they_are_the_cpu_s(rng):
    """The same functions in either module, to be handed over one for the other."""
    window = Window(size=3, padding="same")
    x, w, v, share, a, b = problem(rng, (2, 1, 4, 5), window, torch.float64)
    taps = window.taps(v.dtype, v.device)

    def results(module, l1_module, device):
        on = [t.to(device) for t in (x, w, v, share, a, b, taps)]
        x_, w_, v_, share_, a_, b_, taps_ = on
        mean, variance = module.window_statistics(v_, taps_, window.pad)
        target = w_, v_, mean, variance, share_, taps_, window.pad, C1, C2
        return (
            mean,
            variance,
            *module.ssim_l1(x_, *target, a_, b_, True),
            l1_module.weighted_l1(x_, v_, w_[:, None]),
            l1_module.weighted_l1_gradient(a_, x_, v_, w_[:, None]),
            *module.ssim(x_, v_, share_, taps_, window.pad, C1, C2, True),
            *module.ssim(x_, v_, None, taps_, window.pad, C1, C2, False),
        )

    for found, expected in zip(
        results(kernels, l1_kernels, DEVICE), results(cpu_kernels, cpu_kernels, "cpu"), strict=True
    ):
        # a variance, and what divides by it, is a difference of squares
        assert_close(found.cpu(), expected, rtol=1e-10, atol=1e-14)
