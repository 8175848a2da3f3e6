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
    """Every kernel, for images of that dtype and a window of that size; 64 pixels a side, as the default model's."""
    window = Window(size=size)
    y = torch.zeros(2, 3, 64, 64)
    x, w, per_image = y.to(dtype), y[:, 0].contiguous(), y[:, 0, 0, 0].contiguous()
    taps = window.taps(y.dtype, y.device)
    mean, variance = triton_ssim_l1.window_statistics(y, taps, window.pad)
    share = mean[:, 0].contiguous()
    for with_gradient in (False, True):
        triton_ssim_l1.ssim_l1(
            x, w, y, mean, variance, share, taps, window.pad, 1e-4, 9e-4, per_image, per_image, with_gradient
        )
    triton_weighted_l1.weighted_l1(x, y, w[:, None])
    triton_weighted_l1.weighted_l1_gradient(per_image, x, y, w[:, None])


def _name(kernel: Any) -> str:
    """Of a compiled kernel, with what sets it apart from others of that name."""
    source = kernel.src
    constants = {source.fn.arg_names[place[0]]: value for place, value in source.constants.items()}
    parts = [f"x {source.signature['x'].removeprefix('*')}"] if "x" in source.signature else []
    parts += [f"window {constants['SIZE']}"] if "SIZE" in constants else []
    parts += ["no gradient"] if constants.get("GRADIENT") is False else []
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
        _launch(torch.float32, Window().size)
        _launch(torch.float32, LARGEST)
        _launch(torch.bfloat16, Window().size)
        for name, kernel in {_name(kernel): kernel for kernel in compiled}.items():
            usage.setdefault(name, []).append(_usage(kernel))
    targets = " | ".join(f"sm_{capability}" for capability in CAPABILITIES)
    lines = [
        "# What the Triton kernels take",
        "",
        f"Compiled by Triton {triton.__version__}, without a GPU: registers a thread, bytes spilled a thread,",
        "bytes of shared memory a program.",
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
