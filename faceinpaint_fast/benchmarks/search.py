"""What the engine's parts cost beside what a user would write: the comparisons, each with what it should reach."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast import masks
from faceinpaint_fast.benchmarks.blend import poisson_comparisons
from faceinpaint_fast.benchmarks.comparison import Row
from faceinpaint_fast.config import InpaintConfig, Precision
from faceinpaint_fast.models import Model, load_model
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.ops import ssim, weighted_l1
from faceinpaint_fast.ops.ssim_l1 import Target, ssim_l1
from faceinpaint_fast.pictures.demonstration import astronaut_face
from faceinpaint_fast.pipeline import Inpainter
from faceinpaint_fast.reference.objective import ssim_map
from faceinpaint_fast.search.latent_search import LatentSearch
from faceinpaint_fast.search.loop import Loop
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem
from faceinpaint_fast.weight_map import weight_map

# a multiplication and an addition for every weight that meets a pixel, forwards and backwards through G and D
FLOPS_OF_AN_ITERATION = 834e6


def comparisons(device: torch.device) -> dict[str, Callable[[], Row]]:
    """What there is to compare on the device, by name; a row takes memory from when it is built."""
    if device.type == "cuda":
        return {
            "iteration-1-fp32": partial(iteration, device, 1, "fp32", 10.0),
            "iteration-1-bf16": partial(iteration, device, 1, "bf16", None),
            "iteration-1024-bf16": partial(iteration, device, 1024, "bf16", None),
            "rate-1024-bf16": partial(iteration_rate, device, 1024, "bf16", 0.5),
            "bandwidth": partial(ssim_l1_bandwidth, device, (64, 3, 1024, 1024), 0.6),
            "batch-invariance": partial(batch_invariance, device, 64),
            "restoration-bf16": partial(restoration, device, "bf16", 50.0),
        }
    return {
        "iteration-1-fp32": partial(iteration, device, 1, "fp32", 3.7),
        "iteration-1-bf16": partial(iteration, device, 1, "bf16", 6.5),
        "iteration-16-fp32": partial(iteration, device, 16, "fp32", 2.4),
        "iteration-16-bf16": partial(iteration, device, 16, "bf16", 4.2),
        "rate-16-fp32": partial(iteration_rate, device, 16, "fp32", 0.95),
        "pair-1": partial(pair, device, (1, 3, 64, 64), 12.0),
        "pair-64": partial(pair, device, (64, 3, 64, 64), 15.0),
        "ops-1": partial(ops, device, (1, 3, 64, 64)),
        "ops-64": partial(ops, device, (64, 3, 64, 64)),
        "ssim-large": partial(alone, device, (1, 3, 1024, 1024), 15.0),
        "batch-invariance": partial(batch_invariance, device, 16),
        "restoration-fp32": partial(restoration, device, "fp32", 50.0),
        "restoration-bf16": partial(restoration, device, "bf16", 50.0),
    } | poisson_comparisons()


# --- an iteration of the search ---


@cache
def model() -> Model:
    return load_model()


def random_images(count: int) -> Tensor:
    """Returns images (count, 3, 64, 64) in [0, 1] of independent pixels."""
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def engine_s(device: torch.device, count: int, precision: Precision) -> tuple[Callable[[], None], Loop]:
    """One iteration of the printed objective, without its clamps: D, L1 and SSIM."""
    config = replace(InpaintConfig.paper(), normalization="masked", precision=precision)
    G, D = frozen(model().generator, device), frozen(model().discriminator, device)
    networks = Networks.of(G, D, None, config, device)
    holes = torch.from_numpy(masks.centre((64, 64))).expand(count, -1, -1)
    problem = Problem.of(random_images(count).to(device), holes.to(device), networks, config)
    objective, prior = Objective(problem, networks.discriminator, config), Prior.of(problem, config)
    starts = torch.randn(ATTEMPTS, count, 100, generator=torch.Generator().manual_seed(1)).to(device)
    loop, advance = LatentSearch(networks, config, device).loop(objective, prior, starts)

    def once() -> None:
        loop.state.iteration.zero_()
        advance()

    return once, loop


def user_s(device: torch.device, count: int) -> tuple[Callable[[], Any], Callable[[], Tensor]]:
    """The same as a user would write it: autograd through networks that are not frozen, torch's Adam."""
    G, D = (network.to(device).eval().requires_grad_(True) for network in (model().generator, model().discriminator))
    hole = masks.centre((64, 64))
    images, known = random_images(count).to(device), torch.from_numpy(~hole).to(device)
    W = (known * torch.from_numpy(weight_map(hole)).to(device)).expand(count, 1, -1, -1)
    z = torch.randn(ATTEMPTS, count, 100, generator=torch.Generator().manual_seed(1))[0].to(device).requires_grad_()
    adam = torch.optim.Adam([z], lr=0.03)
    similarity = user_ssim()

    def total() -> Tensor:
        x = (G(z) + 1) / 2
        adversarial = torch.log(1 - torch.sigmoid(D(2 * x - 1)))
        context = (W * (x - images)).abs().sum(dim=(1, 2, 3)) / (3 * W[0].sum())
        return 0.003 * adversarial + 0.2 * context + 0.797 * (1 - similarity(W * x, W * images))

    def once() -> None:
        adam.zero_grad()
        total().sum().backward()
        adam.step()

    return once, total


def user_ssim() -> Callable[[Tensor, Tensor], Tensor]:
    """(B, C, H, W) twice -> (B,): pytorch-msssim's, or the reference's where that is not installed."""
    try:
        from pytorch_msssim import ssim as rival
    except ImportError:
        return lambda x, y: ssim_map(x, y).mean(dim=(1, 2, 3))
    return partial(rival, data_range=1.0, size_average=False)


def rival_ssim() -> str:
    """The name of `user_ssim`."""
    try:
        return f"pytorch-msssim {importlib.metadata.version('pytorch-msssim')}"
    except importlib.metadata.PackageNotFoundError:
        return "the reference's SSIM, pytorch-msssim is not installed"


def iteration(device: torch.device, count: int, precision: Precision, at_least: float | None) -> Row:
    ours, loop = engine_s(device, count, precision)
    theirs, total = user_s(device, count)

    def check() -> None:
        loop.state.z.copy_(loop.starts[0])
        ours()
        # the user's SSIM is not masked, and bfloat16 has 8 bits: the size is right, and parity is what tests are for
        torch.testing.assert_close(loop.losses[0], total().detach(), rtol=0.3, atol=0.1)

    return Row(
        what=f"one iteration, batch {count}, {precision}",
        rival=f"eager autograd, networks not frozen, {rival_ssim()}, torch's Adam",
        ours=ours,
        theirs=theirs,
        at_least=at_least,
        check=check,
    )


def iteration_rate(device: torch.device, count: int, precision: Precision, at_least: float) -> Row:
    size, dtype = (8192, torch.bfloat16) if precision == "bf16" else (2048, torch.float32)
    a, b, c = torch.rand(3, size, size, device=device, dtype=dtype)
    return Row(
        what=f"FLOP a second of an iteration, batch {count}, {precision}",
        rival=f"a matrix product of {size}^3",
        ours=engine_s(device, count, precision)[0],
        theirs=lambda: torch.mm(a, b, out=c),
        at_least=at_least,
        work=(count * FLOPS_OF_AN_ITERATION, 2 * size**3),
    )


def restoration(device: torch.device, precision: Precision, at_least: float) -> Row:
    """A face from beginning to end, beside the eager iterations that reach the same quality (test_time_to_quality)."""
    inpainter = Inpainter.from_pretrained(config=InpaintConfig(precision=precision), device=device)
    inpainter.warm_up(1)
    face, hole, iterations = astronaut_face(), masks.centre((64, 64)), InpaintConfig.paper().iterations
    return Row(
        what=f"a face restored, {precision}, as good as {iterations} iterations",
        rival=f"one of {iterations} iterations, eager autograd, networks not frozen, {rival_ssim()}, torch's Adam",
        ours=lambda: inpainter(face, hole),
        theirs=user_s(device, 1)[0],
        at_least=at_least,
        work=(1.0, 1 / iterations),
    )


# --- SSIM and L1 ---


def images(device: torch.device, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """x, y, which resemble each other."""
    random = torch.Generator().manual_seed(0)
    y = torch.rand(shape, generator=random)
    return (y + 0.2 * torch.rand(shape, generator=random)).to(device), y.to(device)


def pair_of(x: Tensor, y: Tensor) -> tuple[Callable[[], tuple[Tensor, Tensor, Tensor]], Target]:
    """SSIM, L1 and the gradient of L1 - SSIM, as the search takes them."""
    channels, height, width = x.shape[1:]
    windows = height - 10, width - 10
    share = y.new_full((1, *windows), 1 / (channels * windows[0] * windows[1]))
    target, one = Target.of(y, y.new_ones(1, height, width), share), y.new_ones(len(y))
    return lambda: ssim_l1(x, target, -one, one), target


def user_pair(x: Tensor, y: Tensor, with_l1: bool) -> Callable[[], Tensor]:
    """The same gradient as a user would take it."""
    x, similarity = x.clone().requires_grad_(), user_ssim()

    def gradient() -> Tensor:
        loss = -similarity(x, y)
        if with_l1:
            loss = loss + (x - y).abs().sum(dim=(1, 2, 3))
        return torch.autograd.grad(loss.sum(), x)[0]

    return gradient


def assert_same_gradient(found: Tensor, expected: Tensor, x: Tensor, y: Tensor) -> None:
    """Of L1 - SSIM: without L1's, a thousand times the size of SSIM's, which it would hide."""
    found, expected = (gradient.double() - (x - y).sign() for gradient in (found, expected))
    # what is left of float32 beside 1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7 + 1e-3 * float(expected.abs().max()))


def pair(device: torch.device, shape: tuple[int, ...], at_least: float) -> Row:
    x, y = images(device, shape)
    (ours, _), theirs = pair_of(x, y), user_pair(x, y, with_l1=True)
    return Row(
        what=f"SSIM + L1, value and gradient, {shape}, the target known",
        rival=f"{rival_ssim()} + L1 under autograd",
        ours=ours,
        theirs=theirs,
        at_least=at_least,
        check=lambda: assert_same_gradient(ours()[2], theirs(), x, y),
    )


def alone(device: torch.device, shape: tuple[int, ...], at_least: float) -> Row:
    x, y = images(device, shape)
    x.requires_grad_()

    def ours() -> Tensor:
        return torch.autograd.grad(-ssim(x, y).sum(), x)[0]

    theirs = user_pair(x.detach(), y, with_l1=False)
    largest = float(theirs().abs().max())
    return Row(
        what=f"ssim(x, y) under autograd, value and gradient, {shape}",
        rival=f"{rival_ssim()} under autograd",
        ours=ours,
        theirs=theirs,
        at_least=at_least,
        check=lambda: torch.testing.assert_close(ours(), theirs(), rtol=0, atol=1e-3 * largest),
    )


def ops(device: torch.device, shape: tuple[int, ...]) -> Row:
    x, y = images(device, shape)
    x.requires_grad_()
    w = y.new_ones(shape[2:])

    def ours() -> Tensor:
        return torch.autograd.grad((weighted_l1(x, y, w) - ssim(x, y)).sum(), x)[0]

    theirs = user_pair(x.detach(), y, with_l1=True)
    return Row(
        what=f"ssim(x, y) and weighted_l1(x, y, w) under autograd, value and gradient, {shape}",
        rival=f"{rival_ssim()} + L1 under autograd",
        ours=ours,
        theirs=theirs,
        at_least=None,
        check=lambda: assert_same_gradient(ours(), theirs(), x.detach(), y),
    )


def ssim_l1_bandwidth(device: torch.device, shape: tuple[int, ...], at_least: float) -> Row:
    x, y = images(device, shape)
    ours, target = pair_of(x, y)
    copy = torch.empty_like(x)
    # x and the target's cache are read once, the gradient is written once; a copy reads and writes
    moved = 2 * x.nbytes + sum(t.nbytes for t in (target.v, target.mean, target.variance))
    return Row(
        what=f"bytes a second of SSIM + L1, value and gradient, {shape}, the target known",
        rival="a copy",
        ours=ours,
        theirs=lambda: copy.copy_(x),
        at_least=at_least,
        work=(moved, 2 * x.nbytes),
    )


# --- determinism ---


def batch_invariance(device: torch.device, count: int) -> Row:
    images = random_images(count).to(device)
    hole = masks.centre((64, 64))
    config = InpaintConfig(iterations=5)
    default, invariant = (
        Inpainter.from_pretrained(config=replace(config, batch_invariant=flag), device=device) for flag in (False, True)
    )

    def check() -> None:
        # both search from the same start; their sums may round otherwise
        torch.testing.assert_close(invariant(images, hole).z, default(images, hole).z, rtol=0, atol=0.05)

    return Row(
        what=f"batch_invariant=True, batch {count}",
        rival="the default",
        ours=lambda: invariant(images, hole),
        theirs=lambda: default(images, hole),
        at_least=None,
        check=check,
    )
