"""Every kernel compiled for GPUs that need not be there: registers, shared memory and spills, as a Markdown table.

    python -m faceinpaint_fast.benchmarks.kernel_usage > benchmarks/results/kernels.md

Every candidate of the tuner's is among them, and the largest window beside.  One that spills on any target is told, and
is an error.  It takes a quarter of an hour; with `--quick` a minute or two: one GPU, the losses' smallest tile, Wang's
window, the layers' tiles at their full size.

The launchers themselves run, on CPU tensors, and Triton compiles what it would have launched: nothing about a launch is
written down twice.  Needs a process without TRITON_INTERPRET.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from faceinpaint_fast import markdown
from faceinpaint_fast.benchmarks import tuned, tuner
from faceinpaint_fast.config import Precision
from faceinpaint_fast.networks.layers import Finish, Layer
from faceinpaint_fast.networks.tiles import FROM_IMAGE, GATHERED, LARGEST_SPLIT, TO_IMAGE, Table, Tiles, candidates
from faceinpaint_fast.networks.triton_layers import TritonProduct
from faceinpaint_fast.ops import triton_ssim_l1, triton_weight_map, triton_weighted_l1
from faceinpaint_fast.ops.window import LARGEST, Window
from faceinpaint_fast.search import triton_steps
from faceinpaint_fast.search.optimisers import ATTEMPTS, BFGS, Adam

CAPABILITIES = (80, 90, 100)
QUICK = (90,)
PRECISIONS: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp32": torch.float32}
# numbers of a code of the shipped model, of the activations behind its layers, and the longest that BFGS takes
CODES = {"bfgs": (100, 512), "adam": (100, 8192, 16384, 32768, 65536)}
# of matrices, and what brings them from memory while others are multiplied
INSTRUCTIONS = ("wgmma", "tcgen05.mma", "mma.sync", "cp.async")
CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"


class Usage(NamedTuple):
    """What a compiled kernel takes: registers a thread, bytes spilled a thread, bytes of shared memory a program.

    instructions  those of INSTRUCTIONS that are in it
    """

    registers: int
    spilled: int
    shared: int
    instructions: tuple[str, ...]


class _Absent:
    """Triton's driver of a GPU that is not there."""

    def __init__(self, capability: int) -> None:
        self._target = GPUTarget("cuda", capability, 32)

    def get_current_target(self) -> Any:
        return self._target

    def get_current_device(self) -> Any:
        # Triton keeps its compiled kernels by device
        return self._target

    def get_current_stream(self, device: Any) -> int:  # noqa: ARG002 - Triton's signature
        return 0


def _record() -> list[Any]:
    """Makes launches compile instead from now on; returns the list that takes what they compiled."""
    compiled: list[Any] = []
    run = JITFunction.run

    def compile_only(kernel: Any, *args: Any, warmup: bool, **options: Any) -> None:  # noqa: ARG001
        compiled.append(run(kernel, *args, warmup=True, **options))

    JITFunction.run = compile_only
    return compiled


def _launch(dtype: torch.dtype, size: int) -> None:
    """Launches the loss for images of 64x64 of that dtype and a window of that size."""
    window = Window(size=size)
    y = torch.zeros(2, 3, 64, 64)
    x, w, one = y.to(dtype), y[:, 0].contiguous(), y[:, 0, 0, 0].contiguous()
    taps = window.taps(y.dtype, y.device)
    mean, variance = triton_ssim_l1.window_statistics(y, taps, window.pad)
    target = w, y, mean, variance, mean[:, 0].contiguous(), taps, window.pad, 1e-4, 9e-4
    for with_gradient in (False, True):
        triton_ssim_l1.ssim_l1(x, *target, one, one, with_gradient)
    triton_ssim_l1.ssim_l1_partials(x, *target, one, one, signed=True)
    triton_ssim_l1.ssim(x, y, None, taps, window.pad, 1e-4, 9e-4, True)


def _launch_tiles(most: int | None) -> None:
    """The loss by every tile that there is, or by the smallest ones."""
    tiles = triton_ssim_l1.TILES
    for tile in sorted({tile for kernel in tiles.values() for _, tile in kernel})[:most]:
        triton_ssim_l1.TILES = dict.fromkeys(tiles, ((math.inf, tile),))
        triton_ssim_l1.tile_of.cache_clear()
        _launch(torch.float32, Window().size)
    triton_ssim_l1.TILES = tiles
    triton_ssim_l1.tile_of.cache_clear()


def _launch_weighted_l1(dtype: torch.dtype) -> None:
    y = torch.zeros(2, 3, 64, 64)
    x, w = y.to(dtype), y[:, :1].contiguous()
    triton_weighted_l1.weighted_l1(x, y, w)
    triton_weighted_l1.weighted_l1_gradient(y[:, 0, 0, 0].contiguous(), x, y, w)


def _launch_steps(kernel: str, n: int) -> None:
    """Launches an iteration of that optimiser for codes of n numbers, all terms of Eq. 8 with it, by every cut."""
    rule = BFGS(0.2, 9.0) if kernel == "bfgs" else Adam.of(10, 0.03, "constant")
    # what is not read needs no memory
    z, ones = torch.zeros(1, 1).expand(2, n), torch.ones(2)
    parts = ones[:, None].expand(2, 12)
    composition = triton_steps.Composition((0.003, 0.95, 0.05, 0.03), ones, ones, z)
    found = triton_steps.Found(parts, parts, z, ones)
    state = triton_steps.begin(rule, z)
    for cut in triton_steps.candidates(kernel, 1, n):
        triton_steps.step_(rule, state, z.expand(ATTEMPTS, 2, n), z, composition, found, cut=cut)


def layer_tiles(families: Iterable[tuner.Family], precision: Precision) -> dict[str, list[Tiles]]:
    """Returns the tiles that the tuner may pick for layers in that precision, split once, by how a layer is read.

    What it picks from follows from the layers' widths: of a narrow one tiles are narrow, too.
    """
    found: dict[str, set[Tiles]] = {"to image": set(), "from image": set(), "gathered": set()}
    works = next(family for family in families if family.name == "layers").cases(tuner.BATCHES)
    for work in works:
        if work.precision == precision:
            tiles = {replace(choice, splits=1) for choice in candidates(work) if isinstance(choice, Tiles)}
            found[work.kind if work.kind in found else "gathered"] |= tiles
    return {kernel: sorted(tiles, key=astuple) for kernel, tiles in found.items()}


def full_tiles(precision: Precision) -> dict[str, list[Tiles]]:
    """Returns those of them that layers wide enough leave at their size."""
    full = {"to image": TO_IMAGE, "from image": FROM_IMAGE, "gathered": GATHERED}
    return {kernel: [Tiles(*sizes) for sizes in tiles[precision]] for kernel, tiles in full.items()}


def _launch_layers(dtype: torch.dtype, tiles: Mapping[str, Sequence[Tiles]]) -> None:
    """Launches layers either way by each of these tiles, with all that a launch may be asked for, in that dtype."""
    # a third has more than 11 bits: the weight has all the parts that it may have
    ones = torch.ones(1)
    wide, image = (
        TritonProduct(Layer(torch.full(shape, 1 / 3), ones, ones, 1.0, tanh=False, connects=False), dtype, False)
        for shape in ((128, 128, 4, 4), (64, 3, 4, 4))
    )

    def finish(channels: int, slope: float, tanh: bool = False) -> Finish:
        return Finish(torch.ones(channels), torch.zeros(channels), slope, tanh)

    half, whole = torch.zeros(2, 8, 8, 128, dtype=dtype), torch.zeros(2, 16, 16, 128, dtype=dtype)
    for tile in tiles["gathered"]:
        splits = 4 if tile.rows * tile.columns <= LARGEST_SPLIT else 1
        cut = replace(tile, splits=splits)
        wide.table = Table({wide.doubling.work(128): cut, wide.halving.work(128): cut})
        wide.double(half, finish(128, 0.2), whole, dtype)
        wide.halve(whole, finish(128, 0.2), half, dtype)
    half, drawn = torch.zeros(2, 32, 32, 64, dtype=dtype), torch.zeros(2, 3, 64, 64).permute(0, 2, 3, 1)
    for tile in tiles["to image"]:
        image.table = Table({image.doubling.work(2048): replace(tile, splits=4)})
        image.double(half, finish(3, 1.0, tanh=True), None, torch.float32, drawn)
    for tile in tiles["from image"]:
        image.table = Table({image.halving.work(2048): tile})
        image.halve(drawn, finish(64, 0.2), half, dtype, drawn)


def _name(kernel: Any) -> str:
    """Returns the name of a compiled kernel, with what sets it apart from others of that name."""
    source = kernel.src
    constants = {source.fn.arg_names[place[0]]: value for place, value in source.constants.items()}
    # a layer's numbers are its weight's: an image's are float32 whatever they are multiplied as
    told = next((argument for argument in ("weight", "x") if argument in source.signature), None)
    parts = [f"{told} {source.signature[told].removeprefix('*')}"] if told else []
    if "SIZE" in constants:
        parts += [f"window {constants['SIZE']}", f"{constants['COLUMNS']} x {kernel.metadata.num_warps}"]
        absent = {"gradient": "no gradient", "slopes": "no gradient", "mean": "new target", "b": "no L1"}
        parts += [word for name, word in absent.items() if constants.get(name, 0) is None]
        parts += ["signed"] if constants.get("SIGNED") else []
    parts += [f"n {constants['n']}"] if "n" in constants else []
    if "COLUMNS" in constants and "ROWS" in constants:
        parts += ["x".join(str(constants[name]) for name in ("ROWS", "COLUMNS", "DEPTH") if name in constants)]
        parts += [f"{kernel.metadata.num_warps} warps", f"{kernel.metadata.num_stages} stages"]
        parts += ["an image"] if constants.get("IMAGE") else ["halving"] if constants.get("STRIDE") == 2 else []
    elif "ROWS" in constants:
        parts += [f"{constants['ROWS']} rows, {kernel.metadata.num_warps} warps"]
    parts += [f"{constants['BLOCK']} at a time"] if {"n", "BLOCK"} <= constants.keys() else []
    return ", ".join([f"`{kernel.metadata.name}`", *parts])


def _usage(kernel: Any) -> Usage:
    """Asks NVIDIA's tool about its machine code, and looks for instructions in the listing before it."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(kernel.asm["cubin"])
        command = (CUOBJDUMP, "-res-usage", cubin)
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(line for line in (answer.stdout + answer.stderr).splitlines() if "REG:" in line)
    fields = {name: int(value) for name, _, value in (field.partition(":") for field in line.split()[:4])}
    instructions = tuple(word for word in INSTRUCTIONS if word in kernel.asm["ptx"])
    return Usage(fields["REG"], fields["STACK"] + fields["LOCAL"], kernel.metadata.shared, instructions)


def _usages(capability: int, quick: bool) -> dict[str, Usage]:
    """Returns what every kernel takes on a GPU of that capability, by its name."""
    compiled = _record()
    driver.set_active(_Absent(capability))
    _launch_tiles(1 if quick else None)
    if not quick:
        _launch(torch.float32, LARGEST)
    _launch(torch.bfloat16, Window().size)
    _launch_weighted_l1(torch.float32)
    _launch_weighted_l1(torch.bfloat16)
    triton_weight_map.weight_map(torch.zeros(2, 64, 64, dtype=torch.bool), 3, 2 / 49)
    for step, lengths in CODES.items():
        for n in lengths:
            _launch_steps(step, n)
    triton_steps.discriminator_slope(torch.zeros(2), 0.003)
    families = [] if quick else tuned.families(torch.device("cpu"))
    for precision, dtype in PRECISIONS.items():
        _launch_layers(dtype, full_tiles(precision) if quick else layer_tiles(families, precision))
    return {name: _usage(kernel) for name, kernel in {_name(kernel): kernel for kernel in compiled}.items()}


def usages(quick: bool) -> dict[str, dict[str, Usage]]:
    """Returns what every kernel takes, by GPU and name."""
    capabilities = QUICK if quick else CAPABILITIES
    # a process each: it is Triton's compiler that takes the time
    with ProcessPoolExecutor(len(capabilities), get_context("spawn")) as processes:
        found = list(processes.map(partial(_usages, quick=quick), capabilities))
    return {f"sm_{capability}": usage for capability, usage in zip(capabilities, found, strict=True)}


def page(usages: Mapping[str, Mapping[str, Usage]]) -> str:
    """Returns the page: every kernel as the engine launches it, a column a GPU."""
    names = sorted(next(iter(usages.values())))
    rows = [[name, *(_cell(usage[name]) for usage in usages.values())] for name in names]
    return "\n".join(
        [
            "# What the Triton kernels take",
            "",
            f"Compiled by Triton {triton.__version__}, without a GPU: registers a thread, bytes spilled a thread,",
            "bytes of shared memory a program, and what of matrix instructions and asynchronous copies is in it.",
            "2 x 4: two columns a thread, four warps a program.",
            "",
            markdown.table(["kernel", *usages], rows),
        ]
    )


def _cell(usage: Usage) -> str:
    return ", ".join([*map(str, usage[:3]), *usage.instructions])


def spills(usages: Mapping[str, Mapping[str, Usage]]) -> list[str]:
    """Returns a line for every kernel that spills, and where."""
    return [
        f"{gpu}: {name} spills {usage.spilled} bytes a thread"
        for gpu, kernels in usages.items()
        for name, usage in kernels.items()
        if usage.spilled
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the page, and what spills as errors; returns 1 if anything does."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="what the tests compare with the whole page")
    found = usages(parser.parse_args(arguments).quick)
    print(page(found))
    for line in (lines := spills(found)):
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
