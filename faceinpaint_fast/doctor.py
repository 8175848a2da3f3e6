"""What this installation consists of, and what it would run on."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import torch

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import thread_count
from faceinpaint_fast.models import SHIPPED, load_model

PACKAGES = ("faceinpaint_fast", "torch", "triton", "numpy", "scipy", "scikit-image")
CUPY = ("cupy-cuda12x", "cupy-cuda13x")


def examine(model: Path | None = None) -> dict[str, str]:
    """Findings by name, in the order to print; ModelError if the model is damaged."""
    loaded = load_model(model)
    training = loaded.config.get("training")
    seen = training.get("images", "?") if isinstance(training, dict) else "?"
    cupy = next((name for name in CUPY if _version(name) != "not installed"), CUPY[0])
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in (*PACKAGES, cupy)},
        "processor": f"{torch.backends.cpu.get_cpu_capability()}, {thread_count()} threads",
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "no device: everything runs on the CPU",
        "compiled": Path(_cpu.__file__).name,
        "weight map": "C++",
        "losses": "Triton" if torch.cuda.is_available() else "C++",
        "search": "CUDA graph" if torch.cuda.is_available() else "C++, packed weights",
        "bfloat16": "the GPU's" if torch.cuda.is_available() else "matrix tiles" if _cpu.has_tiles() else "as float32",
        "poisson": "C++, multigrid",
        "model": f"{model or SHIPPED}, {seen} images seen",
        **{name: f"sha256 {digest}" for name, digest in loaded.config["sha256"].items()},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
