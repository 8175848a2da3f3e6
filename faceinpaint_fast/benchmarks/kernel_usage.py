"""Every kernel compiled for GPUs that need not be there: registers, shared memory and spills, as a Markdown table.

    python -m faceinpaint_fast.benchmarks.kernel_usage > benchmarks/results/kernels.md

The launchers themselves run, on CPU tensors, and Triton compiles what it would have launched: nothing about a launch is
written down twice.  Needs a process without TRITON_INTERPRET.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from faceinpaint_fast import markdown
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.ops import triton_ssim_l1 as triton_kernels
from faceinpaint_fast.ops.window import LARGEST, Window
from faceinpaint_fast.search import triton_steps
from faceinpaint_fast.search.optimisers import ATTEMPTS, BFGS, Adam

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
    """Makes launches compile instead from now on; returns the list that takes what they compiled."""
    compiled: list[Any] = []
    run = JITFunction.run

    def compile_only(kernel: Any, *args: Any, warmup: bool, **options: Any) -> None:  # noqa: ARG001
        compiled.append(run(kernel, *args, warmup=True, **options))

    JITFunction.run = compile_only
    return compiled


def _launch(dtype: torch.dtype, size: int) -> None:
    """Launches every kernel of the ops, for images of 64x64 of that dtype and a window of that size."""
    window = Window(size=size)
    y = torch.zeros(2, 3, 64, 64)
    x, w, per_image = y.to(dtype), y[:, 0].contiguous(), y[:, 0, 0, 0].contiguous()
    taps = window.taps(y.dtype, y.device)
    mean, variance = triton_kernels.window_statistics(y, taps, window.pad)
    share = mean[:, 0].contiguous()
    for with_gradient in (False, True):
        triton_kernels.ssim_l1(
            x, w, y, mean, variance, share, taps, window.pad, 1e-4, 9e-4, per_image, per_image, with_gradient
        )
    triton_kernels.weighted_l1(x, y, w[:, None])
    triton_kernels.weighted_l1_gradient(per_image, x, y, w[:, None])


def _launch_steps(rule: BFGS | Adam, rows: int, n: int) -> None:
    """Launches an iteration of that optimiser, for codes of n numbers, all terms of Eq. 8 with it."""
    # what is not read needs no memory
    z, ones = torch.zeros(1, 1).expand(rows, n), torch.ones(1).expand(rows)
    parts = ones[:, None].expand(rows, 12)
    composition = triton_steps.Composition(ones, ones, z, (0.003, 0.95, 0.05, 0.03))
    found = triton_steps.Found(parts, parts, z, ones)
    triton_steps.step_(rule, triton_steps.begin(rule, z), z.expand(ATTEMPTS, rows, n), z, composition, found)


def _name(kernel: Any) -> str:
    """Returns the name of a compiled kernel, with what sets it apart from others of that name."""
    source = kernel.src
    constants = {source.fn.arg_names[place[0]]: value for place, value in source.constants.items()}
    parts = [f"x {source.signature['x'].removeprefix('*')}"] if "x" in source.signature else []
    parts += [f"window {constants['SIZE']}"] if "SIZE" in constants else []
    parts += ["no gradient"] if constants.get("GRADIENT") is False else []
    parts += [f"n {constants['n']}"] if "n" in constants else []
    parts += [f"{constants['ROWS']} rows at a time"] if "ROWS" in constants else []
    return ", ".join([f"`{kernel.metadata.name}`", *parts])


def _usage(kernel: Any) -> tuple[int, int, int]:
    """Returns registers a thread, spilled bytes a thread, and bytes of shared memory a program."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(kernel.asm["cubin"])
        command = (CUOBJDUMP, "-res-usage", cubin)
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(line for line in (answer.stdout + answer.stderr).splitlines() if "REG:" in line)
    fields = {name: int(value) for name, _, value in (field.partition(":") for field in line.split()[:4])}
    return fields["REG"], fields["STACK"] + fields["LOCAL"], kernel.metadata.shared


def table() -> str:
    """Returns the page: every kernel as the engine launches it, a column a GPU."""
    usage: dict[str, list[tuple[int, int, int]]] = {}
    compiled = _record()
    for capability in CAPABILITIES:
        compiled.clear()
        driver.set_active(_Absent(capability))
        _launch(torch.float32, Window().size)
        _launch(torch.float32, LARGEST)
        _launch(torch.bfloat16, Window().size)
        bfgs, adam = BFGS(0.2, 9.0), Adam.of(InpaintConfig(search="adam"))
        for rule, batch, n in ((bfgs, 1, 100), (bfgs, 1024, 100), (bfgs, 1, 512), (adam, 1, 100), (adam, 1, 16384)):
            _launch_steps(rule, batch, n)
        triton_steps.discriminator_slope(torch.zeros(2), 0.003)
        for name, kernel in {_name(kernel): kernel for kernel in compiled}.items():
            usage.setdefault(name, []).append(_usage(kernel))
    heads = ["kernel", *(f"sm_{capability}" for capability in CAPABILITIES)]
    rows = [[name, *(", ".join(map(str, numbers)) for numbers in row)] for name, row in sorted(usage.items())]
    return "\n".join(
        [
            "# What the Triton kernels take",
            "",
            f"Compiled by Triton {triton.__version__}, without a GPU: registers a thread, bytes spilled a thread,",
            "bytes of shared memory a program.",
            "",
            markdown.table(heads, rows),
        ]
    )


if __name__ == "__main__":
    print(table())
