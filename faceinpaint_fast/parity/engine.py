"""The engine held against the reference: objective, networks, search and Inpainter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faceinpaint_fast import masks, reference
from faceinpaint_fast.config import InpaintConfig, Precision
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.models import Model
from faceinpaint_fast.networks.adjoint import differentiable
from faceinpaint_fast.networks.protocols import Differentiable, frozen
from faceinpaint_fast.parity import check
from faceinpaint_fast.parity.check import OPERATION, Check, compare
from faceinpaint_fast.pipeline import Inpainter, Inpainting
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem as Asked

OVER_Z = {"over-z": InpaintConfig.over_z(), "paper": InpaintConfig.paper()}
# so many that a CPU filters them by Winograd
BATCH = 8
# of a few starts a search leaves the reference's within 10 iterations: their median is what can be promised
SHORT, STARTS = 10, 8
# without 80 % dropped: that L1 crosses c_min, where Eq. 6 as printed jumps
LONG, LONG_STARTS = 100, 3


@dataclass(frozen=True, slots=True)
class Restorations:
    """A face under a hole of each kind in turn, each image with a start of its own, restored by either.

    Starts are the same for any --seed: another eight may hold five that part from the reference.
    """

    model: Model
    device: torch.device
    faces: NDArray[np.float32]  # (B, H, W, 3) in [0, 1]
    holes: NDArray[np.bool_]  # (B, H, W)

    @classmethod
    def of(cls, model: Model, device: torch.device, count: int) -> Restorations:
        """Returns so many restorations of the astronaut's face in the model's framing.

        Where every kind of hole has had its turn the face is mirrored: a search that begins at a guess would else be
        the same one again, whatever its seed.
        """
        names, size = list(masks.KINDS.values()), model.config.size
        holes = [masks.draw(names[i % len(names)], (size, size)) for i in range(count)]
        face = astronaut(model.config.framing, size) / np.float32(255)
        faces = [face[:, ::-1] if i // len(names) % 2 else face for i in range(count)]
        return cls(model, device, np.stack(faces), np.stack(holes))

    def ours(self, config: InpaintConfig, images: Sequence[int] | None = None) -> Inpainting[Any]:
        """Restores all images, or those numbered, in this order, by the engine."""
        rows = list(range(len(self.faces)) if images is None else images)
        inpainter = Inpainter.of(self.model, config=config, device=self.device)
        return inpainter(self.faces[rows], self.holes[rows], seed=rows)

    def theirs(self, config: InpaintConfig, dtype: torch.dtype) -> reference.Inpainting:
        """Restores them by the reference, its networks in this dtype."""
        G, D, *E = (network.to(dtype) for network in exact_networks(self.model))
        restore = reference.Inpainter(G, D, encoder=E[0] if E else None, config=config)
        return restore(self.faces, self.holes, seed=range(len(self.faces)))


def checks(model: Model, device: torch.device, rng: np.random.Generator) -> Iterator[Check]:
    """Yields the checks of the objective, the networks and the search with this model."""
    yield from objectives(model, device, rng)
    yield from networks(model, device, rng)
    yield from searches(model, device)


def exact_networks(model: Model) -> list[nn.Module]:
    """Returns the reference's G, D and encoder, if there is one, with the model's weights, in float64."""
    config = model.config
    images = {"size": config.size, "channels": config.channels}
    pairs: list[tuple[nn.Module, nn.Module]] = [
        (reference.DCGANGenerator(**images, width=config.width, latent_size=config.latent_size), model.generator),
        (reference.DCGANDiscriminator(**images, width=config.width), model.discriminator),
    ]
    if model.encoder is not None:
        width = model.encoder.width
        pairs.append((reference.DCGANEncoder(**images, width=width, latent_size=config.latent_size), model.encoder))
    for exact, network in pairs:
        exact.load_state_dict(network.state_dict())
    return [exact.double().eval().requires_grad_(False) for exact, _ in pairs]


def objectives(model: Model, device: torch.device, rng: np.random.Generator) -> Iterator[Check]:
    """Checks Eq. 8 of what G draws against a face under four holes, and its gradient in x; with D in float32 alone."""
    exact_G, exact_D, *_ = exact_networks(model)
    D = differentiable(frozen(model.discriminator, device), device, "fp32")
    restorations = Restorations.of(model, device, len(masks.KINDS))
    images, known = torch.from_numpy(restorations.faces).movedim(-1, 1), torch.from_numpy(~restorations.holes)
    W = torch.from_numpy(reference.weight_map(restorations.holes)).float()
    z = torch.from_numpy(rng.standard_normal((len(images), model.config.latent_size)))
    with torch.no_grad():
        generated = exact_G(z).float()
    printed = replace(InpaintConfig.paper(), lambda_z=InpaintConfig().lambda_z)
    for name, normalization in {"printed": printed.normalization, "masked": "masked"}.items():
        for dtype, lambda_d, allowed in (
            (torch.float32, printed.lambda_d, check.PULLBACK["fp32"]),
            (torch.float32, 0.0, check.OBJECTIVE_GRADIENT[torch.float32]),
            (torch.float64, 0.0, check.OBJECTIVE_GRADIENT[torch.float64]),
        ):
            config = replace(printed, normalization=normalization, lambda_d=lambda_d)
            x, image, M, weight = (array.to(device, dtype) for array in (generated, images, known, W))
            asked = Asked(image, M, weight)
            value, gradient = Objective(asked, D, config).with_gradient(x)
            value = value + Prior.of(asked, config).weighted(z.to(device, dtype))
            truth = generated.double().requires_grad_()
            terms = reference.objective(truth, exact_D, images.double(), known.double(), W.double(), config, z)
            (slope,) = torch.autograd.grad(terms["total"].sum(), truth)
            named = f"objective, {name}{'' if lambda_d else ', without D'}"
            yield compare(named, x, value, terms["total"].detach(), OPERATION[dtype])
            yield compare(f"{named}, gradient", x, gradient, slope, allowed)


def networks(model: Model, device: torch.device, rng: np.random.Generator) -> Iterator[Check]:
    """Checks G, D and the encoder as the engine runs them, in a batch and an image at a time, and their pullbacks."""
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    channels, size = model.config.channels, model.config.size
    parts = {
        "generator": (model.generator, (model.config.latent_size,)),
        "discriminator": (model.discriminator, (channels, size, size)),
        "encoder": (model.encoder, (channels + 1, size, size)),
    }
    for (name, (network, shape)), exact in zip(parts.items(), exact_networks(model), strict=False):
        x = torch.from_numpy(rng.standard_normal((BATCH, *shape), np.float32))
        exact_x = x.double().requires_grad_()
        y = exact(exact_x)
        gradient = torch.from_numpy(rng.standard_normal(y.shape, np.float32))
        (slope,) = torch.autograd.grad(y, exact_x, gradient.double())
        for precision in precisions:
            fast = differentiable(frozen(network, device), device, precision)
            for count in (BATCH, 1):
                found, pulled = applied(fast, x.to(device), gradient.to(device), count)
                of, named = x[:count], f"{name}, {precision}"
                yield compare(named, of, found, y.detach(), check.NETWORK[precision])
                yield compare(f"{named}, pullback", of, pulled, slope, check.PULLBACK[precision])
                each = [compare("", of, *image, 0.0).error for image in zip(pulled, slope, strict=True)]
                what, allowed = f"{named}, pullback, median of {BATCH}", check.PULLBACK_MEDIAN[precision]
                yield Check(what, tuple(of.shape), "float32", float(np.median(each)), allowed)


def applied(network: Differentiable, x: Tensor, gradient: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns what the network and its pullback give, so many images at a time."""
    ys, pulled = [], []
    for some, back in zip(x.split(count), gradient.split(count), strict=True):
        y, pull = network(some)
        # the pullback may use its memory
        ys.append(y.clone())
        pulled.append(pull(back))
    return torch.cat(ys), torch.cat(pulled)


def searches(model: Model, device: torch.device) -> Iterator[Check]:
    """Checks the trajectory, what the Inpainter makes of it, and the loss that a longer search reaches."""
    yield from beyond_z(model, device)
    for name, config in OVER_Z.items():
        restorations, short = Restorations.of(model, device, STARTS), replace(config, iterations=SHORT)
        found = restorations.ours(short)
        apart = np.abs(found.z - restorations.theirs(short, torch.float64).z).max(axis=1)
        what = f"Inpainter, {name}: z after {SHORT} iterations, absolute, median of {STARTS} starts"
        yield Check(what, restorations.faces.shape, "float32", float(np.median(apart)), check.Z)
        yield from inpainting(name, restorations, short, found)
        restorations, long = Restorations.of(model, device, LONG_STARTS), replace(config, iterations=LONG)
        # in float32, at half the time: of the same kind, but sums in another order
        ours, theirs = restorations.ours(long), restorations.theirs(long, torch.float32)
        means = ours.losses["total"].mean(), theirs.losses["total"].mean()
        yield compare(
            f"Inpainter, {name}: mean loss after {LONG} iterations", restorations.faces, *means, check.MEAN_LOSS
        )
    yield from bits(model, device)


def beyond_z(model: Model, device: torch.device) -> Iterator[Check]:
    """Checks the default's activations behind its first layer and behind its last, and what the Inpainter makes of it.

    Adam's steps depend on a gradient's sign above all, and where that is about 0 two correct programs step apart: hence
    all activations of the first stage, and the median of them behind the last, and of images the median throughout.
    """
    restorations = Restorations.of(model, device, STARTS)
    if restorations.ours(InpaintConfig()).activations is None:
        return
    default = InpaintConfig()
    first = replace(default, stages=default.stages[:1])
    for config, of in ((first, np.max), (default, np.median)):
        found, exact = restorations.ours(config), restorations.theirs(config, torch.float64)
        assert found.activations is not None
        assert exact.activations is not None
        apart = of(np.abs(found.activations - exact.activations).reshape(STARTS, -1), axis=1)
        stages = f"Inpainter, default, layer {config.stages[-1].layer}"
        what = f"{stages}: {of.__name__} of u, absolute, median of {STARTS} images"
        yield Check(what, found.activations.shape, "float32", float(np.median(apart)), check.Z)
        z = np.abs(found.z - exact.z).max()
        yield Check(f"{stages}: z, absolute", found.z.shape, "float32", float(z), check.NETWORK["fp32"])
        means = found.losses["total"].mean(), exact.losses["total"].mean()
        yield compare(f"{stages}: mean loss", restorations.faces, *means, check.MEAN_LOSS)
    both = replace(first, flips=True, symmetry=True)
    for name, config in {"default": first, "default, flips, symmetry": both}.items():
        found, exact = restorations.ours(config), restorations.theirs(config, torch.float64)
        for what, ours, theirs in (("T", found.generated, exact.generated), ("F", found.image, exact.image)):
            apart = np.abs(ours - theirs).reshape(STARTS, -1).max(axis=1)
            named = f"Inpainter, {name}, layer 1: {what}, absolute, median of {STARTS} images"
            yield Check(named, restorations.faces.shape, "float32", float(np.median(apart)), check.Z)


def inpainting(name: str, restorations: Restorations, config: InpaintConfig, found: Inpainting[Any]) -> Iterator[Check]:
    """Checks what an Inpainter returned for the z that it found."""
    faces, holes = restorations.faces, restorations.holes
    G, D, *E = exact_networks(restorations.model)
    z = torch.from_numpy(found.z).double()
    x = G(z)
    T = ((x + 1) / 2).movedim(1, -1).numpy()
    F = reference.blended(faces.astype(np.float64), found.generated, holes, config).clip(0, 1)
    yield compare(f"Inpainter, {name}: T = G(z)", faces, found.generated, T, check.NETWORK["fp32"])
    allowed = check.POISSON if config.blend == "poisson" else check.PLATE
    yield compare(f"Inpainter, {name}: F", faces, found.image, F, allowed)
    yield compare(f"Inpainter, {name}: known pixels of F", faces, found.image[~holes], faces[~holes], check.NONE)
    weights = reference.weight_map(holes, k=config.k, alpha=config.alpha)
    image, known, W = (torch.from_numpy(array).double() for array in (np.moveaxis(faces, -1, 1), ~holes, weights))
    guess = reference.guessed(E[0], image, known) if E and config.start == "encoder" else 0.0
    for term, expected in reference.objective(x, D, image, known, W, config, z, guess).items():
        yield compare(f"Inpainter, {name}: {term} loss at z", faces, found.losses[term], expected, check.LOSS)


def bits(model: Model, device: torch.device) -> Iterator[Check]:
    """Checks that bits stay the same beside other neighbours, at another place, and in a batch of another size."""
    restorations, config = Restorations.of(model, device, STARTS), InpaintConfig()
    order = list(reversed(range(STARTS)))
    turned = restorations.ours(config, order).image[order]
    yield compare(
        "Inpainter: same bits at another place of the batch",
        turned,
        turned,
        restorations.ours(config).image,
        check.NONE,
    )
    config = replace(config, batch_invariant=True)
    alone = restorations.ours(config, [1]).image
    yield compare(
        "Inpainter: same bits alone, batch_invariant", alone, alone, restorations.ours(config).image[[1]], check.NONE
    )
