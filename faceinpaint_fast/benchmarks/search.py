"""What the search costs beside what a user would write: an iteration, a face from beginning to end, a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import get_args

import torch
from torch import Tensor, nn

from faceinpaint_fast import _cpu
from faceinpaint_fast.benchmarks.asked import centre_hole, codes, model, random_images
from faceinpaint_fast.benchmarks.comparison import Comparison
from faceinpaint_fast.benchmarks.losses import rival_ssim
from faceinpaint_fast.benchmarks.written import captured_iteration, eager_iteration
from faceinpaint_fast.config import InpaintConfig, Precision
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.models import DEFAULT, Model
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.pipeline import Inpainter
from faceinpaint_fast.search.graph import LENGTH, aside, captured
from faceinpaint_fast.search.latent_search import LatentSearch
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem

LARGER = "faces128"  # what is compared too, beside the default model
# batch and precision; how many times as fast as the eager loop each is to be, by the level of the kernels
ITERATIONS: list[tuple[int, Precision]] = [(1, "fp32"), (1, "bf16"), (16, "fp32"), (16, "bf16")]
ASKED: dict[str, list[float | None]] = {
    "amx": [3.7, 6.5, 2.4, 4.2],
    "avx512_bf16": [4.1, 5.0, 2.8, 3.5],
    "avx512": [4.1, None, 2.8, None],
    "avx2": [2.5, None, 1.8, None],
}


def comparisons(device: torch.device) -> dict[str, Callable[[], Comparison]]:
    """Returns what there is to compare on the device, by name."""
    if device.type == "cuda":
        return {
            "iteration-1-fp32": partial(iteration, device, 1, "fp32", 10.0),
            "iteration-1-bf16": partial(iteration, device, 1, "bf16", None),
            "iteration-1024-fp32": partial(iteration, device, 1024, "fp32", 1.6),
            "iteration-1024-bf16": partial(iteration, device, 1024, "bf16", None),
            "careful-1-bf16": partial(careful, device, 1),
            "careful-1024-bf16": partial(careful, device, 1024),
            "rate-1024-bf16": partial(iteration_rate, device, 1024, "bf16", 0.35),
            **{
                f"bfgs-{count}-{precision}": partial(without_d, device, count, precision)
                for precision in get_args(Precision)
                for count in (1, 16, 64, 256, 1024)
            },
            **{
                f"beyond-z-{count}-{precision}": partial(beyond_z, device, count, precision, None)
                for precision in get_args(Precision)
                for count in (1, 16, 1024)
            },
            "batch-invariance": partial(batch_invariance, device, 64),
            "restoration-bf16": partial(restoration, device, "bf16", 50.0),
        }
    return {
        **{
            f"iteration-{count}-{precision}": partial(iteration, device, count, precision, asked)
            for (count, precision), asked in zip(ITERATIONS, ASKED.get(_cpu.LEVEL, [None] * 4), strict=True)
        },
        **{
            f"iteration-{count}-{precision}-{LARGER}": partial(iteration, device, count, precision, None, LARGER)
            for count, precision in ITERATIONS
        },
        "rate-16-fp32": partial(iteration_rate, device, 16, "fp32", 0.95),
        "beyond-z-1-fp32": partial(beyond_z, device, 1, "fp32", 1.45),
        "beyond-z-1-bf16": partial(beyond_z, device, 1, "bf16", 1.4),
        "beyond-z-16-fp32": partial(beyond_z, device, 16, "fp32", 1.25),
        "beyond-z-16-bf16": partial(beyond_z, device, 16, "bf16", 1.1),
        f"beyond-z-1-fp32-{LARGER}": partial(beyond_z, device, 1, "fp32", None, LARGER),
        f"beyond-z-1-bf16-{LARGER}": partial(beyond_z, device, 1, "bf16", None, LARGER),
        "batch-invariance": partial(batch_invariance, device, 16),
        "restoration-fp32": partial(restoration, device, "fp32", 50.0),
        "restoration-bf16": partial(restoration, device, "bf16", 50.0),
    }


# --- what is compared ---


def our_iterations(
    device: torch.device, count: int, config: InpaintConfig, name: str = DEFAULT
) -> tuple[Callable[[], None], int, Callable[[], Tensor]]:
    """Returns what does iterations of a search from random codes, how many, and their first losses (B,).

    On a CUDA device they are a graph.
    """
    G, D = frozen(model(name).generator, device), frozen(model(name).discriminator, device)
    networks = Networks.of(G, D, None, config, device)
    holes = torch.from_numpy(centre_hole(name)).expand(count, -1, -1)
    problem = Problem.of(random_images(count, name).to(device), holes.to(device), networks, config)
    objective, prior = Objective(problem, networks.discriminator, config), Prior.of(problem, config)
    loop = LatentSearch(networks, config, device).over_z.loop(objective, prior, codes(count, name).to(device))
    iterations = LENGTH if device.type == "cuda" else 1

    def advance() -> None:
        for _ in range(iterations):
            loop.advance()

    replay = advance
    if device.type == "cuda":
        aside(advance)
        replay = captured(advance)

    def iterate() -> None:
        loop.state.iteration.zero_()
        replay()

    def first_losses() -> Tensor:
        loop.state.z.copy_(codes(count, name)[0])
        iterate()
        return loop.losses[0]

    return iterate, iterations, first_losses


def printed(precision: Precision) -> InpaintConfig:
    """Returns the printed objective without its clamps: D, L1 and SSIM."""
    return InpaintConfig.paper(normalization="masked", precision=precision)


def flops_of_an_iteration(model: Model) -> int:
    """Returns a multiplication and an addition for every weight that meets a pixel, there and back through G and D."""
    met = 0

    def count(layer: nn.Conv2d | nn.ConvTranspose2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal met
        # a transposed convolution's weights meet every pixel that comes in, the other's every pixel that comes out
        meeting = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        met += layer.weight.numel() * meeting[0, 0].numel()

    convolutions = [
        layer
        for network in (model.generator, model.discriminator)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    hooks = [layer.register_forward_hook(count) for layer in convolutions]
    with torch.no_grad():
        z = torch.zeros(1, model.generator.latent_size, device=next(model.generator.parameters()).device)
        model.discriminator(model.generator(z))
    for hook in hooks:
        hook.remove()
    there_and_back, multiply_and_add = 2, 2
    return there_and_back * multiply_and_add * met


# --- comparisons ---


def iteration(
    device: torch.device, count: int, precision: Precision, at_least: float | None, name: str = DEFAULT
) -> Comparison:
    """Compares iterations of the search, with D, with the eager one."""
    ours, iterations, first_losses = our_iterations(device, count, printed(precision), name)
    theirs, total = eager_iteration(device, count, name=name)

    def check() -> None:
        # the user's SSIM is not masked, and bfloat16 has 8 bits: the size is right, and parity is what tests are for
        torch.testing.assert_close(first_losses(), total().detach(), rtol=0.3, atol=0.1)

    return Comparison(
        what=f"{counted(iterations)}, batch {count}, {precision}{of(name)}",
        rival=f"one of eager autograd, networks not frozen, {rival_ssim()}, torch's Adam",
        ours=ours,
        theirs=theirs,
        at_least=at_least,
        work=(iterations, 1.0),
        check=check,
    )


def careful(device: torch.device, count: int) -> Comparison:
    """Compares iterations with D with what the most careful user would have: bfloat16, channels last, CUDA graphs."""
    ours, iterations, _ = our_iterations(device, count, printed("bf16"))
    theirs = captured_iteration(device, count)
    return Comparison(
        what=f"{counted(iterations)}, batch {count}, bf16",
        rival=f"one under autocast, networks frozen and channels last, {rival_ssim()}, torch's Adam, as a CUDA graph",
        ours=ours,
        theirs=theirs,
        at_least=None,
        work=(iterations, 1.0),
    )


def without_d(device: torch.device, count: int, precision: Precision) -> Comparison:
    """Compares iterations of BFGS from random codes, without D, with the eager one of Adam, without D as well."""
    config = InpaintConfig.over_z(start="random", precision=precision)
    ours, iterations, first_losses = our_iterations(device, count, config)
    theirs, total = eager_iteration(device, count, with_d=False)

    def check() -> None:
        # other weights of the terms, and no window masked: the size is right
        torch.testing.assert_close(first_losses(), total().detach(), rtol=1.0, atol=0.2)

    return Comparison(
        what=f"{counted(iterations)} of BFGS without D, batch {count}, {precision}",
        rival=f"one of eager autograd without D, networks not frozen, {rival_ssim()}, torch's Adam",
        ours=ours,
        theirs=theirs,
        at_least=None,
        work=(iterations, 1.0),
        check=check,
    )


def of(name: str) -> str:
    """Returns which model a comparison is of, unless it is the default."""
    return "" if name == DEFAULT else f", {name}"


def counted(iterations: int) -> str:
    """Returns so many iterations in words."""
    return "one iteration" if iterations == 1 else f"{iterations} iterations in a graph"


def iteration_rate(device: torch.device, count: int, precision: Precision, at_least: float) -> Comparison:
    """Compares the rate at which an iteration multiplies and adds with that of a matrix product."""
    size, dtype = (8192, torch.bfloat16) if precision == "bf16" else (2048, torch.float32)
    a, b, c = torch.rand(3, size, size, device=device, dtype=dtype)
    ours, iterations, _ = our_iterations(device, count, printed(precision))
    return Comparison(
        what=f"FLOP a second of an iteration, batch {count}, {precision}",
        rival=f"a matrix product of {size}^3",
        ours=ours,
        theirs=lambda: torch.mm(a, b, out=c),
        at_least=at_least,
        work=(iterations * count * flops_of_an_iteration(model()), 2 * size**3),
    )


def restoration(device: torch.device, precision: Precision, at_least: float) -> Comparison:
    """Compares a face from beginning to end with the eager iterations that reach its quality (time_to_quality)."""
    inpainter = Inpainter.of(model(), config=InpaintConfig(precision=precision), device=device)
    inpainter.warm_up(1)
    face, hole = astronaut(model().config.framing, model().config.size), centre_hole()
    iterations = InpaintConfig.paper().iterations
    return Comparison(
        what=f"a face restored, {precision}, as good as {iterations} iterations",
        rival=f"one of {iterations} iterations, eager autograd, networks not frozen, {rival_ssim()}, torch's Adam",
        ours=lambda: inpainter(face, hole),
        theirs=eager_iteration(device, 1)[0],
        at_least=at_least,
        work=(1.0, 1 / iterations),
    )


def beyond_z(
    device: torch.device, count: int, precision: Precision, at_least: float | None, name: str = DEFAULT
) -> Comparison:
    """Compares faces restored by the default, which searches beyond z, with the best search over z."""
    faces, hole = random_images(count, name).to(device), centre_hole(name)
    default, over_z = (
        Inpainter.of(model(name), config=config, device=device)
        for config in (InpaintConfig(precision=precision), InpaintConfig.over_z(precision=precision))
    )

    def check() -> None:
        # what is known of an image is met more closely than any code can
        assert (default(faces, hole).losses["context"] < over_z(faces, hole).losses["context"]).all()

    return Comparison(
        what=f"restored beyond z, batch {count}, {precision}{of(name)}",
        rival="restored by the search over z",
        ours=lambda: default(faces, hole),
        theirs=lambda: over_z(faces, hole),
        at_least=at_least,
        check=check,
    )


def batch_invariance(device: torch.device, count: int) -> Comparison:
    """Compares a search whose bits do not depend on the batch's size with the default."""
    images, hole = random_images(count).to(device), centre_hole()
    config = InpaintConfig.over_z(iterations=5)
    default, invariant = (
        Inpainter.of(model(), config=replace(config, batch_invariant=flag), device=device) for flag in (False, True)
    )

    def check() -> None:
        # both search from the same start; their sums may round otherwise
        torch.testing.assert_close(invariant(images, hole).z, default(images, hole).z, rtol=0, atol=0.05)

    return Comparison(
        what=f"batch_invariant=True, batch {count}",
        rival="the default",
        ours=lambda: invariant(images, hole),
        theirs=lambda: default(images, hole),
        at_least=None,
        check=check,
    )
