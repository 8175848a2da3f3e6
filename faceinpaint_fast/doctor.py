"""What this installation consists of, what it would run on, and what a number was measured on."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import thread_count
from faceinpaint_fast.models import load_model, place_of
from faceinpaint_fast.tuning import table_of

PACKAGES = ("faceinpaint_fast", "torch", "triton", "numpy", "scipy", "scikit-image", "ray")
CUPY = ("cupy-cuda12x", "cupy-cuda13x")
# what decides speed, ours or a rival's, and whether a face is recognised
MEASURED_WITH = (
    "torch",
    "triton",
    "numpy",
    *CUPY,
    "pytorch-msssim",
    "scipy",
    "pyamg",
    "opencv-python-headless",
    "dlib-bin",
)


def examine(model: Path | None = None) -> dict[str, str]:
    """Returns findings by name, in the order to print; raises ModelError if the model is damaged."""
    loaded = load_model(model)
    training = loaded.config.training
    seen = training.get("images", "?") if isinstance(training, dict) else "?"
    cupy = next((name for name in CUPY if _version(name) != "not installed"), CUPY[0])
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in (*PACKAGES, cupy)},
        "processor": f"{torch.backends.cpu.get_cpu_capability()}, {thread_count()} threads",
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "no device: everything runs on the CPU",
        "compiled": Path(_cpu.__file__).name,
        "kernels": kernels(),
        "weight map": "C++",
        "losses": "Triton" if torch.cuda.is_available() else "C++",
        "search": "CUDA graph" if torch.cuda.is_available() else "C++, packed weights",
        "tuning": tuning_of(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "bfloat16": "the GPU's" if torch.cuda.is_available() else bfloat16(),
        "poisson": "C++, multigrid",
        "model": f"{place_of(model)}, {seen} images seen",
        "images": f"{loaded.config.size}x{loaded.config.size}, {loaded.config.framing.name}",
        **{name: f"sha256 {digest}" for name, digest in loaded.config.sha256.items()},
    }


def graph_memory(model: Path | str | None, device: torch.device, batches: Sequence[int] = (1, 64, 1024)) -> str:
    """Returns what graphs of the default's searches keep of a CUDA device's memory, by the size of a batch: measured.

    Those of a size are captured at its first call and kept; all sizes up to one keep less than four times as much
    (search/graph.py).
    """
    from faceinpaint_fast.pipeline import Inpainter

    inpainter = Inpainter.from_pretrained(model, device=device)
    told = []
    for batch in batches:
        torch.cuda.empty_cache()
        before = torch.cuda.memory_reserved(device)
        inpainter.warm_up(batch)
        # what a call leaves to the next one is not the graphs'
        torch.cuda.empty_cache()
        told.append(f"batches of {batch}: {(torch.cuda.memory_reserved(device) - before) / 2**20:.0f} MiB more")
    return ", ".join(told)


def kernels() -> str:
    """Returns which level of the compiled kernels is in use, and why no better one."""
    best = _cpu.LEVELS[-1]
    if best != _cpu.LEVEL:
        return f"{_cpu.LEVEL}, as asked for; the processor can run {best}"
    # in the order of their names, which here is none: those above the best take all that the next one does
    lacks = [f"{level} takes {what}" for level, what in _cpu.MISSING.items()]
    return f"{best}, the best that was compiled" if not lacks else f"{best}, the best here: {', '.join(lacks)}"


def bfloat16() -> str:
    """Returns how the kernels of this level compute in bfloat16."""
    if _cpu.LEVEL == "amx":
        return "matrix tiles"
    return "AVX-512's" if _cpu.MULTIPLIES_BFLOAT16 else "computed as float32, which is faster on this processor"


def tuning_of(device: torch.device) -> str:
    """Returns which table of measured choices serves a device: its card, the day, and the file."""
    table = table_of(device)
    if table is None:
        return "none: the likeliest cut of each kernel" if device.type == "cuda" else "none: tables are of GPUs"
    return f"{table.card.name}, measured {table.measured['date']}, {table.source}"


def machine(device: torch.device) -> dict[str, str]:
    """Returns what decides speed on a device, by name: what a number was measured on."""
    found = {"python": platform.python_version(), "processor": processor(), "kernels": _cpu.LEVEL}
    found["threads"] = str(torch.get_num_threads())
    if device.type == "cuda":
        query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        found["GPU"] = torch.cuda.get_device_name(device)
        found["driver"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
        found["CUDA"] = str(torch.version.cuda)
    return found | {name: _version(name) for name in MEASURED_WITH}


def processor() -> str:
    """Returns the processor's name, where the system tells, and the instructions that torch uses of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
