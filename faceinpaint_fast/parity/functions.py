"""Every function held against the reference: weights, losses, blends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast import masks, reference
from faceinpaint_fast.blend.doors import (
    BiharmonicSolver,
    PoissonSolver,
    TensionSolver,
    biharmonic_blend,
    poisson_blend,
    tension_blend,
)
from faceinpaint_fast.config import TENSION, Normalization
from faceinpaint_fast.extras import of_extra
from faceinpaint_fast.ops import ssim, weighted_l1
from faceinpaint_fast.ops.ssim_l1 import Target, ssim_l1
from faceinpaint_fast.ops.weight_map import weight_map as weight_map_op
from faceinpaint_fast.parity import check
from faceinpaint_fast.parity.check import OPERATION, Check, as_float64, compare, pixels
from faceinpaint_fast.search.objective import context_loss, structural_loss
from faceinpaint_fast.weight_map import weight_map

with of_extra("cli"):
    from skimage import data

Array = NDArray[Any]

# images with odd sides, and a picture of more than a kernel's tile or a row block
ODD, LARGE = (2, 37, 51, 3), (1, 513, 257, 3)
# what fills a hole, its twin in the reference, and the error that it may have
BLENDS: tuple[tuple[str, Callable[..., Any], Callable[..., Array], float], ...] = (
    ("poisson_blend", poisson_blend, reference.poisson_blend, check.POISSON),
    ("biharmonic_blend", biharmonic_blend, reference.biharmonic_blend, check.PLATE),
    ("tension_blend", tension_blend, partial(reference.tension_blend, tension=TENSION), check.PLATE),
)


def checks(size: int, device: torch.device, rng: np.random.Generator) -> Iterator[Check]:
    """Yields the checks of every function; `size` is of a model's images."""
    # the model's images alone and a few at a time, and others
    shapes = (1, size, size, 3), (5, size, size, 3), ODD, LARGE
    sizes = [(height, width) for _, height, width, _ in shapes[1:]]
    yield from weights(device, sizes)
    yield from distances(device, shapes, rng)
    yield from bounds(device)
    yield from blends(device, sizes, rng)


def weights(device: torch.device, sizes: Sequence[tuple[int, int]]) -> Iterator[Check]:
    """Checks W of Eq. 7 for holes of these sizes."""
    for size in sizes:
        holes = drawn(size)
        expected = reference.weight_map(holes)
        kinds = [holes, (255 * holes).astype(np.uint8), holes.astype(np.float32), holes.astype(np.float64)]
        for hole in kinds:
            yield compare("weight_map", hole, weight_map(hole), expected, check.WEIGHTS)
        there = torch.from_numpy(holes).to(device)
        yield compare("weight_map, torch", there, weight_map(there), expected, check.WEIGHTS)
        yield compare("weight_map, op", there, weight_map_op(there, 7, 2.0), expected, check.WEIGHTS)
        yield compare("weight_map", holes[0], weight_map(holes[0]), expected[0], check.WEIGHTS)


def distances(device: torch.device, shapes: Sequence[tuple[int, ...]], rng: np.random.Generator) -> Iterator[Check]:
    """Checks weighted L1 and SSIM, alone and as the pair that the search uses."""
    for shape in shapes:
        images = likenesses(shape, rng)
        for dtype in (torch.float32, torch.float64, torch.bfloat16):
            x, y, w = (tensor(array, device, dtype) for array in images)
            yield from alone(x, y, w[:, 0])
            if dtype != torch.bfloat16:
                yield from pair(x, y, w[:, 0])


def alone(x: Tensor, y: Tensor, w: Tensor) -> Iterator[Check]:
    """Checks `weighted_l1` and `ssim` of x and y (B, C, H, W), and their gradients in x under autograd."""
    x.requires_grad_()
    truth, weight = (pixels(x), pixels(y)), as_float64(w)
    l1, similarity = weighted_l1(x, y, w), ssim(x, y)
    of_l1, of_similarity = (pixels(torch.autograd.grad(value.sum(), x)[0]) for value in (l1, similarity))
    yield compare("weighted_l1", x, l1, reference.weighted_l1(*truth, weight), OPERATION[x.dtype])
    slope = reference.weighted_l1_gradient(*truth, weight)
    # in bfloat16 it is the weights themselves, which are of as many bits
    yield compare("weighted_l1, gradient", x, of_l1, slope, OPERATION[x.dtype])
    yield compare("ssim", x, similarity, reference.ssim(*truth), OPERATION[x.dtype], absolute=True)
    slope = reference.ssim_gradient(*truth)
    yield compare("ssim, gradient", x, of_similarity, slope, check.SSIM_GRADIENT[x.dtype])


def pair(x: Tensor, y: Tensor, w: Tensor) -> Iterator[Check]:
    """Checks `ssim_l1` with windows that count differently, and its gradient, of which either has about as much."""
    C, H, W = x.shape[1:]
    windows = w[:, 5 : H - 5, 5 : W - 5]
    share = windows / (C * windows.sum(dim=(1, 2), keepdim=True))
    a, b = -x.new_full((len(x),), C * H * W), x.new_ones(len(x))
    similarity, l1, gradient = ssim_l1(x.detach(), Target.of(y, w, share), a, b)

    weight = as_float64(w)
    truth = [weight[..., None] * pixels(image) for image in (x, y)]
    slope = reference.weighted_l1_gradient(pixels(x), pixels(y), weight)
    slope -= C * H * W * weight[..., None] * reference.ssim_gradient(*truth, weights=as_float64(windows))
    expected = reference.ssim(*truth, weights=as_float64(windows)), reference.weighted_l1(pixels(x), pixels(y), weight)
    yield compare("ssim_l1, SSIM", x, similarity, expected[0], OPERATION[x.dtype], absolute=True)
    yield compare("ssim_l1, L1", x, l1, expected[1], OPERATION[x.dtype])
    yield compare("ssim_l1, gradient", x, pixels(gradient), slope, check.SSIM_GRADIENT[x.dtype])


def bounds(device: torch.device) -> Iterator[Check]:
    """Checks Eq. 5 and 6 as printed, below, between and above their bounds."""
    for name, fast, exact, top in (
        ("structural_loss", structural_loss, reference.structural_loss, 1.0),
        ("context_loss", context_loss, reference.context_loss, 6000.0),
    ):
        for dtype in (torch.float32, torch.float64):
            values = torch.linspace(0, top, 1000, dtype=dtype, device=device)
            expected = exact(as_float64(values), Normalization.PAPER)
            yield compare(name, values, fast(values, Normalization.PAPER), expected, OPERATION[dtype])


def blends(device: torch.device, sizes: Sequence[tuple[int, int]], rng: np.random.Generator) -> Iterator[Check]:
    """Checks section 3.3: four holes at once, their known pixels bit for bit, and one hole in other sizes."""
    holes = drawn(sizes[0])
    photos = photographs((2, len(holes), *sizes[0], 3), rng)
    for name, fast, exact, tolerance in BLENDS:
        expected = exact(*(photos / 255), holes)
        for kind, put in kinds(device).items():
            for dtype in (np.float32, np.float64, np.uint8):
                white, truth, allowed = 1, expected, tolerance
                if dtype == np.uint8:
                    white, truth, allowed = 255, expected.clip(0, 1), tolerance + check.HALF_A_BYTE
                target, source = (photos * np.float64(white / 255)).astype(dtype)
                found = pixels(fast(put(target), put(source), holes))
                yield compare(f"{name}{kind}, four holes", target, found / white, truth, allowed)
                yield compare(f"{name}{kind}, known pixels", target, found[~holes], target[~holes], check.NONE)
        for size in sizes[1:]:
            target, source = photographs((2, *size, 3), rng) / 255
            images = target, source, masks.free_form(size)
            yield compare(f"{name}, free-form", target, fast(*images), exact(*images), tolerance)
    yield from solvers(photos / 255, holes)


def solvers(images: Array, holes: NDArray[np.bool_]) -> Iterator[Check]:
    """Checks the solvers that keep a hole's set-up: a divergence of the caller's, and a second batch."""
    targets, sources = images
    flow = np.stack([reference.poisson.divergence(reference.poisson.gradient(source)) for source in sources])
    expected = np.stack([reference.poisson.solve(*each) for each in zip(flow, targets, holes, strict=True)])
    found = PoissonSolver(holes).solve(flow, targets)
    yield compare("PoissonSolver.solve", targets, found, expected, check.POISSON)
    smooth: tuple[BiharmonicSolver | TensionSolver, ...] = (BiharmonicSolver(holes), TensionSolver(holes))
    for solver, (_, _, exact, tolerance) in zip(smooth, BLENDS[1:], strict=True):
        solver.blend(sources, targets)
        expected = exact(targets, sources, holes)
        yield compare(f"{type(solver).__name__}.blend", targets, solver.blend(targets, sources), expected, tolerance)


# --- what the functions are tried on ---


def drawn(size: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns a hole of each kind: (4, H, W)."""
    return np.stack([masks.draw(name, size) for name in masks.KINDS.values()])


def photographs(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Returns pieces (..., H, W, 3) of scikit-image's astronaut, each from a place of its own."""
    *count, H, W, _ = shape
    picture, pieces = data.astronaut(), []
    for top, left in rng.integers(512, size=(math.prod(count), 2)):
        rows, columns = range(top, top + H), range(left, left + W)
        pieces.append(picture.take(rows, axis=0, mode="wrap").take(columns, axis=1, mode="wrap"))
    return np.stack(pieces).reshape(shape)


def likenesses(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Returns images (B, H, W, C), nowhere closer than L1's gradient can tell in bfloat16, and weights (B, H, W, 1)."""
    y = photographs(shape, rng) / 255
    x = y + rng.choice([-1, 1], shape) * rng.uniform(0.05, 0.3, shape)
    return x, y, rng.uniform(1, 3, (*shape[:3], 1))


def tensor(images: Array, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Returns images (B, H, W, C) as torch's (B, C, H, W)."""
    return torch.from_numpy(images).movedim(-1, 1).to(device, dtype).contiguous()


def kinds(device: torch.device) -> dict[str, Callable[[Array], Any]]:
    """Returns how each library whose arrays are blended there gets an image, by what a check's name says of it."""
    found: dict[str, Callable[[Array], Any]] = {
        "": lambda images: images,
        ", torch": lambda images: torch.from_numpy(images).movedim(-1, -3).to(device).contiguous(),
    }
    if device.type == "cuda" and find_spec("cupy"):
        import cupy

        found[", CuPy"] = cupy.asarray
    return found
