"""How good restorations are after so many evaluations of the networks, and after so many seconds.

An evaluation is a pass through G, with or without D, and the gradient's way back.  A trial is a search with a budget:
each of its points is a search of its own, as a user would ask for it, from the damaged image to the blended one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast import masks
from faceinpaint_fast.config import InpaintConfig, Precision
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.evaluation.protocol import seed_of
from faceinpaint_fast.images import write_figure
from faceinpaint_fast.models import Model
from faceinpaint_fast.pipeline import Inpainter

MASKS = ("centre", "left", "free-form", "drop-80")
LONG = 1000  # iterations, the paper's
FEW = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
BATCH = 16

DEFAULT = InpaintConfig()
# the default objective, as the paper would search it
RANDOM = replace(DEFAULT, start="random")
ADAM = replace(RANDOM, optimiser="adam", learning_rate=InpaintConfig.paper().learning_rate)
YARDSTICK = "Adam"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A search, with the budgets at which it is looked at."""

    config: InpaintConfig
    budgets: tuple[int, ...]


TRIALS: Mapping[str, Trial] = {
    "paper": Trial(config=InpaintConfig.paper(), budgets=(100, 300, LONG)),
    YARDSTICK: Trial(config=ADAM, budgets=(50, 100, 300, LONG)),
    "Adam, decayed": Trial(config=replace(RANDOM, optimiser="adam", schedule="cosine"), budgets=(20, 50, 100, 200)),
    "BFGS": Trial(config=RANDOM, budgets=(*FEW[7:], 100)),
    "guided": Trial(config=DEFAULT, budgets=FEW),
    "guided, no prior": Trial(config=replace(DEFAULT, lambda_z=0.0), budgets=FEW[7:]),
    "guided, with D": Trial(config=replace(DEFAULT, lambda_d=InpaintConfig.paper().lambda_d), budgets=(10, 20)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Means over the faces; seconds are a face's, BATCH at a time; loss is Eq. 8's without D and the prior."""

    trial: str
    mask: str
    evaluations: int
    hole_psnr: float
    hole_ssim: float
    loss: float
    seconds: float


def measure(
    model: Model,
    faces: NDArray[np.uint8],
    device: torch.device,
    precision: Precision,
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Point]:
    """Every trial's points, mask by mask; faces (N, 64, 64, 3)."""
    for name, trial in TRIALS.items():
        for budget in trial.budgets:
            config = replace(trial.config, iterations=budget, precision=precision)
            inpainter = Inpainter.of(model, config=config, device=device)
            inpainter(faces[:BATCH], masks.draw(MASKS[0], faces.shape[1:3]))
            for mask in MASKS:
                progress(f"{name}, {budget}, {mask}")
                yield Point(trial=name, mask=mask, evaluations=budget, **_restored(inpainter, faces, mask, seed))


def _restored(inpainter: Inpainter, faces: NDArray[np.uint8], mask: str, seed: int) -> dict[str, float]:
    """The means of a Point."""
    config, seeds = inpainter.config, [seed_of(seed, face) for face in range(len(faces))]
    holes = np.stack([masks.draw(mask, faces.shape[1:3], each) for each in seeds])
    found, losses, seconds = [], [], 0.0
    for first in range(0, len(faces), BATCH):
        part = slice(first, first + BATCH)
        start = time.perf_counter()
        restored = inpainter(faces[part], holes[part], seed=seeds[part])
        seconds += time.perf_counter() - start
        losses.append(config.lambda_c * restored.losses["context"] + config.lambda_s * restored.losses["structural"])
        found += [quality(*each) for each in zip(restored.image / 255, faces[part] / 255, holes[part], strict=True)]
    return {
        "hole_psnr": float(np.mean([each.hole_psnr for each in found])),
        "hole_ssim": float(np.mean([each.hole_ssim for each in found])),
        "loss": float(np.concatenate(losses).mean()),
        "seconds": seconds / len(faces),
    }


def last(points: Sequence[Point], trial: str, mask: str) -> Point:
    """The point of the largest budget."""
    return max((p for p in points if (p.trial, p.mask) == (trial, mask)), key=lambda p: p.evaluations)


def reached(points: Sequence[Point], trial: str, mask: str) -> int | None:
    """The least budget from which on, as far as was tried, a trial has both the PSNR and the SSIM of the yardstick."""
    goal = last(points, YARDSTICK, mask)
    found = None
    for p in sorted((p for p in points if (p.trial, p.mask) == (trial, mask)), key=lambda p: -p.evaluations):
        if p.hole_psnr < goal.hole_psnr or p.hole_ssim < goal.hole_ssim:
            break
        found = p.evaluations
    return found


def table(points: Sequence[Point]) -> str:
    """Markdown: each trial at its last budget and what it needs for the yardstick's quality, mask by mask."""
    lines = ["| search | evaluations | " + " | ".join(MASKS) + " |", "| --- | --- |" + " --- |" * len(MASKS)]
    for name, trial in TRIALS.items():
        for budget in trial.budgets:
            cells = [
                f"{p.hole_psnr:.2f} / {p.hole_ssim:.3f}"
                for mask in MASKS
                for p in points
                if (p.trial, p.mask, p.evaluations) == (name, mask, budget)
            ]
            lines.append(f"| {name} | {budget} | " + " | ".join(cells) + " |")
        needed = [reached(points, name, mask) for mask in MASKS]
        lines.append(
            f"| {name}, as good as {LONG} of {YARDSTICK} after | | " + " | ".join(map(_or_never, needed)) + " |"
        )
    return "\n".join(lines)


def _or_never(evaluations: int | None) -> str:
    return "not reached" if evaluations is None else str(evaluations)


def draw(points: Sequence[Point], path: Path) -> None:
    """PSNR, SSIM and loss over evaluations and over seconds, a column a mask."""
    from matplotlib.figure import Figure

    rows = (
        ("hole_psnr", "evaluations", "PSNR in the hole, dB"),
        ("hole_ssim", "evaluations", "SSIM in the hole"),
        ("loss", "evaluations", "loss"),
        ("hole_psnr", "seconds", "PSNR in the hole, dB"),
    )
    figure = Figure(figsize=(3.6 * len(MASKS), 2.8 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(MASKS), squeeze=False)
    for axes_row, (y, x, label) in zip(grid, rows, strict=True):
        for axes, mask in zip(axes_row, MASKS, strict=True):
            for name in TRIALS:
                line = [p for p in points if (p.trial, p.mask) == (name, mask)]
                axes.plot([getattr(p, x) for p in line], [getattr(p, y) for p in line], marker=".", label=name)
            axes.set(xscale="log", xlabel=f"{x} a face" if x == "seconds" else x, ylabel=label, title=mask)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(TRIALS))
    write_figure(path, figure)
