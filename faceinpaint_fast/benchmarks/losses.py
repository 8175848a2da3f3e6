"""What SSIM and L1 with their gradients cost beside what a user would write."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor

from faceinpaint_fast.benchmarks.comparison import Comparison
from faceinpaint_fast.ops import ssim, weighted_l1
from faceinpaint_fast.ops.ssim_l1 import Target, ssim_l1
from faceinpaint_fast.ops.window import Window
from faceinpaint_fast.reference.objective import ssim_map

# the sizes at which `ssim` is held beside fused-ssim
SAME = ((1, 3, 64, 64), (64, 3, 64, 64), (1024, 3, 64, 64), (1, 3, 1024, 1024), (16, 3, 1024, 1024))


def comparisons(device: torch.device, image_shape: tuple[int, int, int]) -> dict[str, Callable[[], Comparison]]:
    """Returns what there is to compare on the device, by name; image_shape is (C, H, W) of a model's images."""
    if device.type == "cuda":
        rows: dict[str, Callable[[], Comparison]]
        rows = {f"pair-{count}": partial(pair, device, (count, *image_shape), None) for count in (1, 64, 1024)}
        rows["bandwidth"] = partial(bandwidth, device, (64, 3, 1024, 1024), 0.4)
        if find_spec("fused_ssim"):
            rows |= {f"fused-ssim-{'x'.join(map(str, shape))}": partial(same, device, shape) for shape in SAME}
        return rows
    return {
        "pair-1": partial(pair, device, (1, *image_shape), 12.0),
        "pair-64": partial(pair, device, (64, *image_shape), 15.0),
        "ops-1": partial(ops, device, (1, *image_shape)),
        "ops-64": partial(ops, device, (64, *image_shape)),
        "ssim-large": partial(alone, device, (1, 3, 1024, 1024), 15.0),
    }


# --- what is compared ---


def images(device: torch.device, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Returns x and y (B, C, H, W), which resemble each other."""
    random = torch.Generator().manual_seed(0)
    y = torch.rand(shape, generator=random)
    return (y + 0.2 * torch.rand(shape, generator=random)).to(device), y.to(device)


def our_pair(x: Tensor, y: Tensor) -> tuple[Callable[[], tuple[Tensor, Tensor, Tensor]], Target]:
    """Returns what gives SSIM, L1 and the gradient of L1 - SSIM, as the search takes them, and the target's cache."""
    target, one = flat_target(y), y.new_ones(len(y))
    return lambda: ssim_l1(x, target, -one, one), target


def flat_target(y: Tensor) -> Target:
    """Returns the target y (B, C, H, W) where every pixel and every window counts alike."""
    channels, height, width = y.shape[1:]
    windows = Window().positions(height), Window().positions(width)
    share = y.new_full((1, *windows), 1 / (channels * windows[0] * windows[1]))
    return Target.of(y, y.new_ones(1, height, width), share)


def eager_gradient(x: Tensor, y: Tensor, with_l1: bool) -> Callable[[], Tensor]:
    """Returns what gives the same gradient, or that of -SSIM alone, as a user would take it."""
    x, similarity = x.clone().requires_grad_(), eager_ssim()

    def gradient() -> Tensor:
        loss = -similarity(x, y)
        if with_l1:
            loss = loss + (x - y).abs().sum(dim=(1, 2, 3))
        return torch.autograd.grad(loss.sum(), x)[0]

    return gradient


def eager_ssim(device: torch.device | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """Returns SSIM of (B, C, H, W) twice as (B,): pytorch-msssim's, or the reference's where that is not installed.

    device  where the window lies from the beginning, for images of three channels; none: it is made at each call
    """
    try:
        from pytorch_msssim import ssim as rival
    except ImportError:
        return lambda x, y: ssim_map(x, y).mean(dim=(1, 2, 3))
    taps = None if device is None else Window().taps(torch.float32, device).expand(3, 1, 1, -1)
    return partial(rival, data_range=1.0, size_average=False, win=taps)


def rival_ssim() -> str:
    """Returns the rival's name."""
    try:
        return f"pytorch-msssim {importlib.metadata.version('pytorch-msssim')}"
    except importlib.metadata.PackageNotFoundError:
        return "the reference's SSIM, pytorch-msssim is not installed"


def assert_same_gradient(found: Tensor, expected: Tensor, x: Tensor, y: Tensor) -> None:
    """Asserts equal gradients of L1 - SSIM at x.

    They are compared without L1's, which is a thousand times the size of SSIM's and would hide it.
    """
    found, expected = (gradient.double() - (x - y).sign() for gradient in (found, expected))
    # what is left of float32 beside 1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7 + 1e-3 * float(expected.abs().max()))


# --- comparisons ---


def pair(device: torch.device, shape: tuple[int, ...], at_least: float | None) -> Comparison:
    """Compares SSIM, L1 and their gradient as the search takes them, the target known."""
    x, y = images(device, shape)
    (ours, _), theirs = our_pair(x, y), eager_gradient(x, y, with_l1=True)
    return Comparison(
        what=f"SSIM + L1, value and gradient, {shape}, the target known",
        rival=f"{rival_ssim()} + L1 under autograd",
        ours=ours,
        theirs=theirs,
        at_least=at_least,
        check=lambda: assert_same_gradient(ours()[2], theirs(), x, y),
    )


def alone(device: torch.device, shape: tuple[int, ...], at_least: float) -> Comparison:
    """Compares the public op `ssim` and its gradient under autograd."""
    x, y = images(device, shape)
    x.requires_grad_()

    def ours() -> Tensor:
        return torch.autograd.grad(-ssim(x, y).sum(), x)[0]

    theirs = eager_gradient(x.detach(), y, with_l1=False)
    largest = float(theirs().abs().max())
    return Comparison(
        what=f"ssim(x, y) under autograd, value and gradient, {shape}",
        rival=f"{rival_ssim()} under autograd",
        ours=ours,
        theirs=theirs,
        at_least=at_least,
        check=lambda: torch.testing.assert_close(ours(), theirs(), rtol=0, atol=1e-3 * largest),
    )


def same(device: torch.device, shape: tuple[int, ...]) -> Comparison:
    """Compares `ssim`, zeros beyond the border, with fused-ssim: forwards and backwards, launched one by one."""
    from fused_ssim import fused_ssim

    x, y = images(device, shape)
    x.requires_grad_()

    def ours() -> Tensor:
        return torch.autograd.grad(ssim(x, y, padding="same").mean(), x)[0]

    def theirs() -> Tensor:
        return torch.autograd.grad(fused_ssim(x, y, padding="same"), x)[0]

    largest = float(theirs().abs().max())
    return Comparison(
        what=f'ssim(x, y, padding="same") under autograd, value and gradient, {shape}',
        rival=f"fused-ssim {importlib.metadata.version('fused_ssim')}",
        ours=ours,
        theirs=theirs,
        at_least=1.0,
        check=lambda: torch.testing.assert_close(ours(), theirs(), rtol=0, atol=1e-3 * largest),
    )


def ops(device: torch.device, shape: tuple[int, ...]) -> Comparison:
    """Compares both public ops and their gradient under autograd."""
    x, y = images(device, shape)
    x.requires_grad_()
    w = y.new_ones(shape[2:])

    def ours() -> Tensor:
        return torch.autograd.grad((weighted_l1(x, y, w) - ssim(x, y)).sum(), x)[0]

    theirs = eager_gradient(x.detach(), y, with_l1=True)
    return Comparison(
        what=f"ssim(x, y) and weighted_l1(x, y, w) under autograd, value and gradient, {shape}",
        rival=f"{rival_ssim()} + L1 under autograd",
        ours=ours,
        theirs=theirs,
        at_least=None,
        check=lambda: assert_same_gradient(ours(), theirs(), x.detach(), y),
    )


def bandwidth(device: torch.device, shape: tuple[int, ...], at_least: float) -> Comparison:
    """Compares the bytes a second of the pair with those of a copy."""
    x, y = images(device, shape)
    ours, target = our_pair(x, y)
    copy = torch.empty_like(x)
    # x and the target's cache are read once, the gradient is written once; a copy reads and writes
    moved = 2 * x.nbytes + sum(t.nbytes for t in (target.v, target.mean, target.variance))
    return Comparison(
        what=f"bytes a second of SSIM + L1, value and gradient, {shape}, the target known",
        rival="a copy",
        ours=ours,
        theirs=lambda: copy.copy_(x),
        at_least=at_least,
        work=(moved, 2 * x.nbytes),
    )
