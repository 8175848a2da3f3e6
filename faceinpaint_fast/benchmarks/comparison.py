"""How two functions are compared, on the device at hand, and how comparisons are shown.

Both sides of a comparison are measured in one process, in turns of a few runs each after one that is not counted: in
use, either finds in the caches what it left there itself.  A run longer than LONG has little use of that: it is the
only one of its turn, and counts.  A side whose runs took ENOUGH has no more turns.  A ratio is that of medians.  On a
shared machine the ratios of two runs of this differ by up to NOISE.
"""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

NOISE = 0.1
TURNS, RUNS = 9, 3
LONG, ENOUGH = 1.0, 8.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Two functions to compare.

    at_least  what theirs / ours, in seconds, should be; None where the row only informs
    work      what ours and theirs do in a run, if not the same: the ratio is then that of rates
    check     raises AssertionError if ours does not give what it should
    """

    what: str
    rival: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    at_least: float | None
    work: tuple[float, float] = (1.0, 1.0)
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Measured:
    """A row with what came of it; medians, in seconds."""

    row: Row
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is; of rates, where the work differs."""
        return (self.row.work[0] / self.ours) / (self.row.work[1] / self.theirs)

    @property
    def falls_short(self) -> bool:
        """By more than noise."""
        return self.row.at_least is not None and self.ratio < self.row.at_least * (1 - NOISE)


def measure(row: Row, device: torch.device) -> Measured:
    row.check()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for function, column in zip((row.ours, row.theirs), times, strict=True):
            if sum(column) >= ENOUGH:
                continue
            first = seconds(function, device)
            column += [first] if first > LONG else [seconds(function, device) for _ in range(RUNS)]
    return Measured(row, *(statistics.median(column) for column in times))


def seconds(function: Callable[[], Any], device: torch.device) -> float:
    """Of one run, until the device has done it."""
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def machine(device: torch.device) -> dict[str, str]:
    """What decides speed, by name."""
    found = {"python": platform.python_version(), "processor": processor(), "threads": str(torch.get_num_threads())}
    if device.type == "cuda":
        query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        found["GPU"] = torch.cuda.get_device_name(device)
        found["driver"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
        found["CUDA"] = str(torch.version.cuda)
    for package in (
        "torch",
        "triton",
        "numpy",
        "cupy-cuda12x",
        "cupy-cuda13x",
        "pytorch-msssim",
        "scipy",
        "pyamg",
        "opencv-python-headless",
    ):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def processor() -> str:
    """Its name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def markdown(measured: list[Measured], found: dict[str, str]) -> str:
    """The table, and below it what it was measured on."""
    lines = ["| what | ours | beside | theirs | ratio | at least |", "| --- | --- | --- | --- | --- | --- |"]
    for one in measured:
        wanted = "" if one.row.at_least is None else f"{one.row.at_least:g}{', missed' if one.falls_short else ''}"
        times = [f"{1e3 * seconds:.3g} ms" for seconds in (one.ours, one.theirs)]
        lines.append(f"| {one.row.what} | {times[0]} | {one.row.rival} | {times[1]} | {one.ratio:.2f} | {wanted} |")
    return page(lines, found)


def page(lines: list[str], found: dict[str, str]) -> str:
    """The lines of a table, and below them what `machine` found."""
    return "\n".join([*lines, "", *(f"- {name}: {value}" for name, value in found.items()), ""])
