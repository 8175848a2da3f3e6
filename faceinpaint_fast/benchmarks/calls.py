"""What whole calls cost on a GPU, from images to restored images, beside their search alone or the same on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast import masks
from faceinpaint_fast.benchmarks.asked import image_shape, model, random_images
from faceinpaint_fast.benchmarks.blend import circle, picture, unit
from faceinpaint_fast.benchmarks.comparison import Comparison
from faceinpaint_fast.blend.doors import biharmonic_blend, poisson_blend, tension_blend
from faceinpaint_fast.config import InpaintConfig, Precision
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.pipeline import Inpainter
from faceinpaint_fast.search.latent_search import LatentSearch
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.problem import Problem

HOLES = "centre", "free-form", "drop-80", "left"  # of images in turn
MANY, FEW = 1024, 16
BLENDS: dict[str, Callable[..., Any]] = {
    "poisson": poisson_blend,
    "tension": tension_blend,
    "biharmonic": biharmonic_blend,
}
Kind = Literal["NumPy float32", "NumPy uint8", "CUDA tensors"]


def comparisons(device: torch.device) -> dict[str, Callable[[], Comparison]]:
    """Returns what there is to compare on a CUDA device, by name; on a CPU test_latency.py does."""
    if device.type != "cuda":
        return {}
    return {
        "call-1-fp32": partial(call, device, 1, "fp32", "NumPy float32"),
        "call-1-bf16": partial(call, device, 1, "bf16", "NumPy float32"),
        f"call-{MANY}-tensors": partial(call, device, MANY, "bf16", "CUDA tensors"),
        f"call-{MANY}-uint8": partial(call, device, MANY, "bf16", "NumPy uint8"),
        **{f"{name}-{MANY}": partial(small, device, name) for name in BLENDS},
        "poisson-2048": partial(large, device, "poisson", 2048),
        "tension-2048": partial(large, device, "tension", 2048),
    }


# --- what is restored and blended ---


def holes(count: int) -> NDArray[np.bool_]:
    """Returns holes (count, H, W) of four kinds, each drawn by its own seed."""
    return np.stack([masks.draw(HOLES[i % len(HOLES)], image_shape()[1:], i) for i in range(count)])


def handed_over(images: torch.Tensor, kind: Kind, device: torch.device) -> Any:
    """Returns images (B, C, H, W) in [0, 1] as a caller of this kind has them."""
    if kind == "CUDA tensors":
        return images.to(device)
    planes = images.permute(0, 2, 3, 1).contiguous().numpy()
    return np.rint(255 * planes).astype(np.uint8) if kind == "NumPy uint8" else planes


def search_alone(
    device: torch.device, images: torch.Tensor, missing: NDArray[np.bool_], config: InpaintConfig
) -> Callable[[], Any]:
    """Returns the search for these images, which lie on the device with all that is asked of it."""
    modules = (model().generator, model().discriminator, model().encoder)
    G, D, E = (None if module is None else frozen(module, device) for module in modules)
    networks = Networks.of(G, D, E, config, device)  # type: ignore[arg-type]
    problem = Problem.of(images.to(device), torch.from_numpy(missing).to(device), networks, config)
    return partial(LatentSearch(networks, config, device), problem, [0] * len(images))


# --- comparisons ---


def call(device: torch.device, count: int, precision: Precision, kind: Kind) -> Comparison:
    """Compares a call of the default with its search alone: the rest is moving, checking, blending and filling."""
    config = InpaintConfig(precision=precision)
    images, missing = random_images(count), holes(count)
    inpainter = Inpainter.of(model(), config=config, device=device)
    given = handed_over(images, kind, device)
    given_holes = torch.from_numpy(missing).to(device) if kind == "CUDA tensors" else missing
    return Comparison(
        what=f"restored, batch {count}, {kind} in and out, {precision}",
        rival="its search alone",
        ours=lambda: inpainter(given, given_holes),
        theirs=search_alone(device, images, missing, config),
        at_least=None,
    )


def small(device: torch.device, name: str) -> Comparison:
    """Compares a blend of many of a model's images, a hole each, with the same on the CPU, of fewer of them."""
    blend, missing = BLENDS[name], holes(MANY)
    target, source = random_images(2 * MANY).chunk(2)
    there = target.to(device), source.to(device), torch.from_numpy(missing).to(device)
    here = target[:FEW], source[:FEW], missing[:FEW]

    def check() -> None:
        # of a residual that either reaches its own way
        torch.testing.assert_close(blend(*there)[:FEW].cpu(), blend(*here), rtol=0, atol=2e-3)

    return Comparison(
        what=f"{name} blends of {'x'.join(map(str, image_shape()[1:]))} pixels a second, {MANY} holes of four kinds",
        rival=f"{FEW} of them on the CPU",
        ours=lambda: blend(*there),
        theirs=lambda: blend(*here),
        at_least=None,
        work=(MANY, FEW),
        check=check,
    )


def large(device: torch.device, name: str, size: int) -> Comparison:
    """Compares a blend into a disc half as wide as a large picture with the same on the CPU."""
    blend, hole = BLENDS[name], torch.from_numpy(circle(size, size // 2))
    hole_there = hole.to(device)
    here, beside = (torch.from_numpy(unit(picture(hole.shape, i))).permute(2, 0, 1).contiguous() for i in (0, 1))
    there, beside_there = here.to(device), beside.to(device)

    def check() -> None:
        # of a residual that either reaches its own way
        found, expected = blend(there, beside_there, hole_there).cpu(), blend(here, beside, hole)
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)

    return Comparison(
        what=f"{name} blend, {size}x{size} RGB, a circle of {size // 2}",
        rival="the same on the CPU",
        ours=lambda: blend(there, beside_there, hole_there),
        theirs=lambda: blend(here, beside, hole),
        at_least=None,
        check=check,
    )
