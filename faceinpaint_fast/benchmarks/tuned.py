"""The kernels that are tuned: DCGAN's layers in either direction, and the iterations of the optimisers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

from faceinpaint_fast.benchmarks.tuner import Family
from faceinpaint_fast.models import load_model
from faceinpaint_fast.networks import tiles
from faceinpaint_fast.networks.dcgan import DCGAN, DCGANGenerator
from faceinpaint_fast.networks.layers import Finish, Layer, layers_of
from faceinpaint_fast.networks.products import TorchProduct
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.networks.tiles import Choice, Table, Work
from faceinpaint_fast.networks.triton_layers import TritonProduct
from faceinpaint_fast.search import triton_steps
from faceinpaint_fast.search.optimisers import ATTEMPTS, BFGS, Adam
from faceinpaint_fast.search.triton_steps import Composition, Found

# of the largest number: float32 within the contract; in bf16 the result itself has 8 bits
LAYER = {torch.float32: 1e-5, torch.bfloat16: 2**-7}
LONGEST = 1000  # iterations that Adam has numbers for
STEPS = 10  # iterations of a launch: H is read once it has learnt
# of ten iterations, each of which goes on from where the one before it ended
STEP = 1e-3


def families(device: torch.device) -> list[Family]:
    """Returns those of the shipped model on a CUDA device."""
    model = load_model()
    networks: list[Any] = [model.generator, model.discriminator, *([model.encoder] if model.encoder else [])]
    latent_size = model.generator.latent_size
    return [
        Layers([frozen(network, device) for network in networks], device),
        Steps("bfgs", [latent_size], device),
        Steps("adam", [latent_size], device),
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
