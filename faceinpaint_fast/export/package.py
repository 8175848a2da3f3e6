"""The whole search as an ahead-of-time compiled package, which a C++ program runs without Python: `examples/cpp`.

torch.export records what `Inpainter` does from the images to T = G(z^), the iterations as one loop, and AOTInductor
compiles it for one device and for batches of one size.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.while_loop import while_loop
from torch.export import ExportedProgram

from faceinpaint_fast.arrays import pick_device
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import check_place, write_atomically
from faceinpaint_fast.models import Model
from faceinpaint_fast.networks.products import MatrixProduct
from faceinpaint_fast.networks.protocols import frozen, to_unit
from faceinpaint_fast.ops.plain import DECOMPOSITIONS
from faceinpaint_fast.search.loop import loss_and_gradient
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS, Optimiser, optimiser, optimiser_of
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem, mean_of_both
from faceinpaint_fast.search.starts import around


def export(
    model: Model,
    out: Path,
    *,
    config: InpaintConfig = InpaintConfig(),  # noqa: B008 - frozen
    batch: int = 1,
    device: str | torch.device = "auto",
) -> None:
    """Compiles the search with a model into the package `out`, .pt2, which takes what `ExportedSearch` takes.

    config  all but the blend and what goes before it, symmetry, which are left to the caller; one start an image
    batch   images a call

    The package is for the kind of processor or GPU that it was made on, and for this version of torch.  Among its
    metadata are AOTI_DEVICE_KEY, "cpu" or "cuda", latent_size, size and channels of the images, attempts (starts drawn
    an image) and the blend's tension.  Raises InputError, before any work, for an `out` that cannot be written to, a
    batch below 1, a config with restarts or symmetry, and where there is no C++ compiler that works.
    """
    if out.suffix != ".pt2":
        raise InputError(f"{out}: expected the extension .pt2 or .onnx, got {out.suffix!r}")
    check_place(out)
    if batch < 1:
        raise InputError(f"batch: expected >= 1, got {batch}")
    if config.restarts != 1:
        raise InputError(f"restarts: expected 1 in a package, got {config.restarts}")
    if config.symmetry:
        raise InputError("symmetry: expected False in a package, which ends with T, got True")
    metadata = {name: str(getattr(model.config, name)) for name in ("latent_size", "size", "channels")}
    metadata |= {"attempts": str(ATTEMPTS), "tension": str(config.at_size(model.config.size).tension)}
    package = BytesIO()
    with warnings.catch_warnings(), _compiler():
        # torch warns of what torch does
        warnings.simplefilter("ignore")
        torch._inductor.aoti_compile_and_package(
            traced(model, config, batch, pick_device(device)),
            package_path=package,
            inductor_configs={"aot_inductor.metadata": metadata},
        )
    write_atomically(out, lambda file: file.write(package.getbuffer()))


@contextmanager
def _compiler() -> Iterator[None]:
    """Raises InputError, which names the C++ compiler, where there is none or it does not compile."""
    from torch._inductor import config, cpp_builder, exc

    names = " or ".join(filter(None, config.cpp.cxx))
    expected = f"export: expected a C++ compiler, {names} or the one that the variable CXX names"
    try:
        cpp_builder.get_cpp_compiler()
    except RuntimeError as error:
        raise InputError(f"{expected}, got none") from error
    try:
        yield
    except (exc.InductorError, exc.CppCompileError) as error:
        inner = getattr(error, "inner_exception", error)
        if not isinstance(inner, exc.CppCompileError):
            raise
        raise InputError(f"{expected}, that compiles, got: {inner.output.strip()}") from error


def traced(model: Model, config: InpaintConfig, batch: int, device: torch.device) -> ExportedProgram:
    """Returns the search for batches of that size, made of torch's own ops alone."""
    size, channels, latent_size = model.config.size, model.config.channels, model.config.latent_size
    # a package never asks whether what it gets has the same strides
    shapes = (batch, channels, size, size), (batch, size, size), (ATTEMPTS, batch, latent_size)
    inputs = tuple(torch.zeros(shape, dtype=torch.float32, device=device) for shape in shapes)
    return torch.export.export(ExportedSearch(model, config, device), inputs).run_decompositions(DECOMPOSITIONS)


class ExportedSearch(nn.Module):
    """The part of `Inpainter` that is traced, from the images to T, of contiguous tensors.

    images  (B, 3, H, W) float32 in [0, 1]; what they hold inside the hole does not matter
    holes   (B, H, W) float32, missing where >= 0.5
    drawn   (ATTEMPTS, B, latent_size) from N(0, 1): `starts.codes` of seeds

    Returns z^ (B, latent_size), T (B, 3, H, W) in [0, 1] and Eq. 8 there (B,), which is NaN where no start had a finite
    loss and gradient; beyond z there is one start.
    """

    def __init__(self, model: Model, config: InpaintConfig, device: torch.device) -> None:
        super().__init__()
        config = model.resolved(config)
        G, D = frozen(model.generator, device), frozen(model.discriminator, device)
        E = None if model.encoder is None else frozen(model.encoder, device)
        self._networks = Networks.of(G, D, E, config, device, MatrixProduct)
        self._config = config = self._networks.carried_out(config)
        self._over_z = optimiser(config, device)
        self._over_stages = [optimiser_of(stage, config, device) for stage in config.stages]

    def forward(self, images: Tensor, holes: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns z^ (B, latent_size), T in [0, 1] and the losses (B,), NaN where every start has failed."""
        config, networks = self._config, self._networks
        problem = Problem.of(images, holes >= 0.5, networks, config)
        objective = Objective(problem, networks.discriminator, config)
        drawn = torch.cat([drawn, drawn], dim=1) if config.flips else drawn
        starts, prior = around(problem.guess, drawn), Prior.of(problem, config)
        z, failed = starts[0], torch.zeros_like(starts[0, :, 0], dtype=torch.bool)
        if config.iterations:
            z, failed = searched(networks, self._over_z, config.iterations, objective, prior, starts)
        u, last, layer = z, networks, 0
        for stage, rule in zip(config.stages, self._over_stages, strict=True):
            for cut in networks.cuts[layer : stage.layer]:
                u = cut.into(u)
            last, layer, prior = networks.beyond(stage.layer), stage.layer, Prior.at(u, config)
            # a loop may not be handed the same memory twice
            u, again = searched(last, rule, stage.steps, objective, prior, u.clone()[None])
            failed = failed | again
        x, _ = last.generator(u)
        loss = objective.with_gradient(x)[0] + prior.weighted(u)
        loss = loss.where(~failed, torch.nan)
        if not config.flips:
            return z, to_unit(x), loss
        count = len(images)
        # that of the images as they are, if both ways round have one
        return z[:count], mean_of_both(to_unit(x)), loss[:count] + 0 * loss[count:]


def searched(
    networks: Networks, rule: Optimiser, iterations: int, objective: Objective, prior: Prior, starts: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns what a search finds that is one loop of torch's ops, (B, n), and which rows failed, (B,)."""
    begun = rule.begin(starts[0])
    State, names = type(begun), [field.name for field in fields(begun)]

    def tensors(state: Any) -> tuple[Tensor, ...]:
        return tuple(getattr(state, name) for name in names)

    def goes_on(*state: Tensor) -> Tensor:
        return State(*state).iteration[0] < iterations

    def advance(*state: Tensor) -> tuple[Tensor, ...]:
        before = State(*state)
        loss, gradient = loss_and_gradient(networks.generator, before.z, objective, prior)
        return tensors(rule.step(before, loss, gradient, starts))

    ended = State(*while_loop(goes_on, advance, tensors(begun)))
    return ended.found, ended.attempt == len(starts)
