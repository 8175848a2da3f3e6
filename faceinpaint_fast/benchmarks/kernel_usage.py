"""Every kernel compiled for GPUs that need not be there: registers, shared memory and spills, as a Markdown table.

    python -m faceinpaint_fast.benchmarks.kernel_usage > benchmarks/results/kernels.md

The launchers themselves run, on CPU tensors, and Triton compiles what it would have launched: nothing about a launch is
written down twice.  Needs a process without TRITON_INTERPRET.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from faceinpaint_fast.ops import triton_ssim_l1, triton_weighted_l1
from faceinpaint_fast.ops.window import LARGEST, Window

CAPABILITIES = (80, 90, 100)
CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"


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
    """From now on launches compile instead, and the list takes what they compiled."""
    compiled: list[Any] = []
    run = JITFunction.run

    def compile_only(kernel: Any, *args: Any, warmup: bool, **options: Any) -> None:  # noqa: ARG001
        compiled.append(run(kernel, *args, warmup=True, **options))

    JITFunction.run = compile_only
    return compiled


def _launch(dtype: torch.dtype, size: int) -> None:
    """The loss, for images of that dtype and a window of that size; 64 pixels a side, as the default model's."""
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


def _launch_tiles() -> None:
    """The loss by every tile that there is."""
    tiles = triton_ssim_l1.TILES
    for tile in sorted({tile for kernel in tiles.values() for _, tile in kernel}):
        triton_ssim_l1.TILES = dict.fromkeys(tiles, ((math.inf, tile),))
        _launch(torch.float32, Window().size)
    triton_ssim_l1.TILES = tiles


def _launch_weighted_l1(dtype: torch.dtype) -> None:
    y = torch.zeros(2, 3, 64, 64)
    x, w = y.to(dtype), y[:, :1].contiguous()
    triton_weighted_l1.weighted_l1(x, y, w)
    triton_weighted_l1.weighted_l1_gradient(y[:, 0, 0, 0].contiguous(), x, y, w)


def _name(kernel: Any) -> str:
    """Of a compiled kernel, with what sets it apart from others of that name."""
    source = kernel.src
    constants = {source.fn.arg_names[place[0]]: value for place, value in source.constants.items()}
    parts = [f"x {source.signature['x'].removeprefix('*')}"] if "x" in source.signature else []
    if "SIZE" in constants:
        parts += [f"window {constants['SIZE']}", f"{constants['COLUMNS']} x {kernel.metadata.num_warps}"]
    told = {"gradient": "no gradient", "slopes": "no gradient", "mean": "new target", "b": "no L1", "SIGNED": "signed"}
    parts += [
        word for name, word in told.items() if constants.get(name, 0) in ((True,) if name == "SIGNED" else (None,))
    ]
    return ", ".join([f"`{kernel.metadata.name}`", *parts])


def _usage(kernel: Any) -> tuple[int, int, int]:
    """Registers a thread, local memory a thread in bytes (spills), shared memory a program in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(kernel.asm["cubin"])
        command = (CUOBJDUMP, "-res-usage", cubin)
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(line for line in (answer.stdout + answer.stderr).splitlines() if "REG:" in line)
    fields = {name: int(value) for name, _, value in (field.partition(":") for field in line.split()[:4])}
    return fields["REG"], fields["STACK"] + fields["LOCAL"], kernel.metadata.shared


def table() -> str:
    usage: dict[str, list[tuple[int, int, int]]] = {}
    compiled = _record()
    for capability in CAPABILITIES:
        compiled.clear()
        driver.set_active(_Absent(capability))
        _launch_tiles()
        _launch(torch.float32, LARGEST)
        _launch(torch.bfloat16, Window().size)
        _launch_weighted_l1(torch.float32)
        _launch_weighted_l1(torch.bfloat16)
        for name, kernel in {_name(kernel): kernel for kernel in compiled}.items():
            usage.setdefault(name, []).append(_usage(kernel))
    targets = " | ".join(f"sm_{capability}" for capability in CAPABILITIES)
    lines = [
        "# What the Triton kernels take",
        "",
        f"Compiled by Triton {triton.__version__}, without a GPU: registers a thread, bytes spilled a thread,",
        "bytes of shared memory a program.  2 x 4: two columns a thread, four warps a program.",
        "",
        f"| kernel | {targets} |",
        "| --- |" + " --- |" * len(CAPABILITIES),
    ]
    lines += [
        f"| {name} | " + " | ".join(", ".join(map(str, numbers)) for numbers in row) + " |"
        for name, row in sorted(usage.items())
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
