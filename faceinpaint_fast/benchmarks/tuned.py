"""The kernels that are tuned: DCGAN's layers in either direction, the losses, and the iterations of the optimisers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

from faceinpaint_fast.benchmarks import losses
from faceinpaint_fast.benchmarks.tuner import Family
from faceinpaint_fast.models import load_model
from faceinpaint_fast.networks import tiles
from faceinpaint_fast.networks.dcgan import DCGAN, DCGANGenerator
from faceinpaint_fast.networks.layers import Finish, Layer, layers_of
from faceinpaint_fast.networks.products import TorchProduct
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.networks.tiles import Choice, Table, Work
from faceinpaint_fast.networks.triton_layers import TritonProduct
from faceinpaint_fast.ops import triton_ssim_l1
from faceinpaint_fast.ops.ssim import unlikeness
from faceinpaint_fast.ops.window import Window
from faceinpaint_fast.search import triton_steps
from faceinpaint_fast.search.optimisers import ATTEMPTS, BFGS, Adam
from faceinpaint_fast.search.triton_steps import Composition, Found

# of the largest number: float32 within the contract; in bf16 the result itself has 8 bits
LAYER = {torch.float32: 1e-5, torch.bfloat16: 2**-7}
LARGE, MOST_LARGE = (3, 1024, 1024), 16  # images that are no model's, and so many of them
FEW_PIXELS = 1 << 22
LONGEST = 1000  # iterations that Adam has numbers for
STEPS = 10  # iterations of a launch: H is read once it has learnt
# of ten iterations, each of which goes on from where the one before it ended
STEP = 1e-3


def families(device: torch.device) -> list[Family]:
    """Returns those of the shipped model on a CUDA device."""
    model = load_model()
    networks: list[Any] = [model.generator, model.discriminator, *([model.encoder] if model.encoder else [])]
    config, latent_size = model.config, model.generator.latent_size
    # behind each layer of G but the last
    behind = [side**2 * layer.weight.shape[0] for layer, side in halves(model.generator)[1:]]
    return [
        Layers([frozen(network, device) for network in networks], device),
        Losses((config.channels, config.size, config.size), device),
        Steps("bfgs", [latent_size], device),
        Steps("adam", [latent_size, *behind], device),
    ]


@dataclass(frozen=True, slots=True)
class Pass:
    """One direction of a layer with a batch whose halves have so many pixels a side."""

    layer: Layer
    doubles: bool
    dtype: torch.dtype
    count: int
    half: int


class Layers:
    """Every layer of these networks; what is asked of two of them alike is one case."""

    name = "layers"

    def __init__(self, networks: Sequence[DCGAN], device: torch.device) -> None:
        self._networks, self._device = networks, device
        self._passes: dict[Work, Pass] = {}

    def cases(self, batches: Sequence[int]) -> Iterable[Work]:
        """Returns the works of all layers."""
        for network, dtype, doubles in product(self._networks, LAYER, (True, False)):
            for layer, half in halves(network):
                triton_product = TritonProduct(layer, dtype, False)
                direction = triton_product.doubling if doubles else triton_product.halving
                for count in batches:
                    work = direction.work(count * half * half)
                    self._passes.setdefault(work, Pass(layer, doubles, dtype, count, half))
        return list(self._passes)

    def candidates(self, case: Work) -> Iterable[Choice]:
        """Returns tiles, by the estimate."""
        return tiles.candidates(case)

    def launch(self, case: Work, candidate: Choice) -> Callable[[], Tensor]:
        """Returns the layer's launch with random numbers."""
        run = self._passes[case]
        x, finish, tanh, dtype = self._given(run)
        triton_product = TritonProduct(run.layer, run.dtype, False, Table({case: candidate}))
        if run.doubles:
            return lambda: triton_product.double(x, finish, None, dtype)
        return lambda: triton_product.halve(x, finish, None, dtype, tanh)

    def check(self, case: Work, launch: Callable[[], Tensor]) -> None:
        """Holds it against torch's convolution in float32."""
        run = self._passes[case]
        x, finish, tanh, _ = self._given(run)
        weight = run.layer.weight.to(run.dtype).float()
        plain = TorchProduct(replace(run.layer, weight=weight), torch.float32, False)
        expected = (
            plain.double(x.float(), finish, None, torch.float32)
            if run.doubles
            else plain.halve(x.float(), finish, None, torch.float32, tanh)
        )
        found = launch().float().view(expected.shape)
        assert_close(found, expected, rtol=0, atol=LAYER[run.dtype] * float(expected.abs().max()))

    def _given(self, run: Pass) -> tuple[Tensor, Finish, Tensor | None, torch.dtype]:
        """Returns what a pass reads, its finish, the tanh that it leads back through, and the dtype of its result."""
        layer, half, device = run.layer, run.half, self._device
        deep, channels = layer.weight.shape[:2]
        of_image = not layer.connects and channels < 8
        random = torch.Generator(device).manual_seed(half)
        tanh = None
        if run.doubles:
            x = torch.randn(run.count, half, half, deep, generator=random, device=device).to(run.dtype)
            x = x.flatten(1) if layer.connects else x
        else:
            side = 4 if layer.connects else 2 * half
            x = torch.randn(run.count, channels, side, side, generator=random, device=device)
            tanh = x.tanh().permute(0, 2, 3, 1) if of_image else None
            # an image lies planar, in float32
            x = x.permute(0, 2, 3, 1) if of_image else x.permute(0, 2, 3, 1).contiguous().to(run.dtype)
        ones = torch.ones(channels if run.doubles else deep, device=device)
        finish = Finish(ones, 0 * ones, 0.0, tanh=run.doubles and of_image)
        dtype = torch.float32 if run.doubles and of_image else run.dtype
        return x, finish.for_pixels(16) if layer.connects and run.doubles else finish, tanh, dtype


def halves(network: DCGAN) -> list[tuple[Layer, int]]:
    """Returns a network's layers, each with how many pixels a side its half has."""
    layers = layers_of(network)
    # G's begin at one pixel, and then at 4; those of the others end there
    sides = [1, *(4 << i for i in range(len(layers) - 1))]
    return list(zip(layers, sides if isinstance(network, DCGANGenerator) else sides[::-1], strict=True))


@dataclass(frozen=True, slots=True)
class Walk:
    """A kernel of the losses over planes of so many pixels in all, of an image of a model or of large ones."""

    rows: int
    walk: str
    small: bool


class Losses:
    """The walks of SSIM and L1 with their gradient over batches of a model's images, and over large ones."""

    name = "losses"

    def __init__(self, image_shape: tuple[int, int, int], device: torch.device) -> None:
        self._small, self._device = image_shape, device
        self._shapes: dict[Walk, tuple[int, ...]] = {}

    def cases(self, batches: Sequence[int]) -> Iterable[Walk]:
        """Returns the walks over batches of either size; of large images fewer, for each is more."""
        shapes = [(count, *self._small) for count in batches]
        shapes += [(count, *LARGE) for count in batches if count <= MOST_LARGE]
        walks = product(shapes, triton_ssim_l1.TILES)
        cases = {Walk(math.prod(shape), walk, shape[-1] <= triton_ssim_l1.SMALL): shape for shape, walk in walks}
        self._shapes |= cases
        return list(cases)

    def candidates(self, case: Walk) -> Iterable[Mapping[str, int]]:
        """Returns tiles, the likeliest first."""
        return [tile._asdict() for tile in triton_ssim_l1.candidates(case.walk, case.rows, Window().size)]

    def launch(self, case: Walk, candidate: Mapping[str, int]) -> Callable[[], tuple[Tensor, ...]]:
        """Returns the launches that this walk is among, the others cut as is best known."""
        x, y, window, taps = *self._given(case), Window(), Window().taps(torch.float32, self._device)
        tiles = {case.walk: triton_ssim_l1.Tile(**candidate)}
        if case.walk == "statistics":
            return lambda: triton_ssim_l1.window_statistics(y, taps, window.pad, tiles=tiles)
        target, one = losses.flat_target(y), y.new_ones(len(y))
        new = case.walk == "windows of a new target"
        mean, variance = (None, None) if new else (target.mean, target.variance)

        def run() -> tuple[Tensor, ...]:
            return triton_ssim_l1.ssim_l1_partials(
                x,
                target.w,
                y,
                mean,
                variance,
                target.share,
                taps,
                window.pad,
                target.c1,
                target.c2,
                -one,
                one,
                tiles=tiles,
            )

        return run

    def check(self, case: Walk, launch: Callable[[], tuple[Tensor, ...]]) -> None:
        """Holds it against the definition."""
        x, y = self._given(case)
        if case.walk == "statistics":
            mean = Window().local_mean(y)
            for found, expected in zip(launch(), (mean, Window().local_mean(y * y) - mean * mean), strict=True):
                assert_close(found, expected, rtol=0, atol=1e-5)
            return
        of_ssim, of_l1, gradient = launch()
        assert_close(of_l1.sum(dim=1), (x - y).abs().sum(dim=(1, 2, 3)), rtol=1e-4, atol=0)
        # a few at a time: the definition under autograd takes thirty times their memory
        for few in torch.arange(len(x)).split(max(1, FEW_PIXELS // x[0].numel())):
            expected = losses.eager_gradient(x[few], y[few], with_l1=True)()
            losses.assert_same_gradient(gradient[few], expected, x[few], y[few])
            assert_close(of_ssim[few].sum(dim=1), unlikeness(x[few], y[few]).mean(dim=(1, 2, 3)), rtol=1e-4, atol=1e-6)

    def _given(self, case: Walk) -> tuple[Tensor, Tensor]:
        return losses.images(self._device, self._shapes[case])


@dataclass(frozen=True, slots=True)
class Codes:
    """So many codes of n numbers."""

    rows: int
    n: int


class Steps:
    """Iterations of "bfgs" or "adam" down a bowl that is ten times as steep one way as the other, `STEPS` a launch."""

    def __init__(self, name: str, sizes: Sequence[int], device: torch.device) -> None:
        self.name, self._sizes, self._device = name, sizes, device
        self._rule = BFGS(0.2, 9.0) if name == "bfgs" else Adam.of(LONGEST, 0.1, "constant", device=device)

    def cases(self, batches: Sequence[int]) -> Iterable[Codes]:
        """Returns batches of codes."""
        return [Codes(count, n) for n in self._sizes for count in batches]

    def candidates(self, case: Codes) -> Iterable[Mapping[str, int]]:
        """Returns ways to cut the work, the likeliest first."""
        return triton_steps.candidates(self.name, case.rows, case.n)

    def launch(self, case: Codes, candidate: Mapping[str, int]) -> Callable[[], Tensor]:
        """Returns what begins a search, does its first iterations and returns its codes."""
        starts, steep = self._given(case)
        state, losses = triton_steps.begin(self._rule, starts[0]), starts.new_empty(STEPS, case.rows)
        composition = Composition((0.0, 0.5, 0.0, 0.0))

        def run() -> Tensor:
            triton_steps.begin_(state, starts[0])
            for _ in range(STEPS):
                slope = steep * state.z
                # the loss's parts are the bowl's terms
                found = Found(slope, slope * state.z, slope)
                triton_steps.step_(self._rule, state, starts, losses, composition, found, cut=candidate)
            return state.z

        return run

    def check(self, case: Codes, launch: Callable[[], Tensor]) -> None:
        """Holds it against the plain optimiser."""
        starts, steep = self._given(case)
        rule: Any = self._rule
        state = rule.begin(starts[0])
        for _ in range(STEPS):
            slope = steep * state.z
            state = rule.step(state, (slope * state.z).sum(dim=1) / 2, slope, starts)
        assert_close(launch(), state.z, rtol=STEP, atol=STEP)

    def _given(self, case: Codes) -> tuple[Tensor, Tensor]:
        random = torch.Generator(self._device).manual_seed(case.n)
        starts = torch.randn(ATTEMPTS, case.rows, case.n, generator=random, device=self._device)
        return starts, torch.linspace(1, 10, case.n, device=self._device)
