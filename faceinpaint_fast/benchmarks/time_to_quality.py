"""How good restorations are after so many evaluations of the networks, and after so many seconds.

An evaluation is a pass through G, or through what of it lies behind a layer, with or without D, and the gradient's way
back.  A trial is a search with a budget:
each of its points is a search of its own, as a user would ask for it, from the damaged image to the blended one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast import markdown, masks
from faceinpaint_fast.config import InpaintConfig, Precision
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.evaluation.protocol import seed_of
from faceinpaint_fast.models import Model
from faceinpaint_fast.pipeline import Inpainter

MASKS = ("centre", "left", "free-form", "drop-80")
LONG = 1000  # iterations, the paper's
FEW = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
BATCH = 16

GUIDED = InpaintConfig.over_z()
# the default objective, as the paper would search it
RANDOM = replace(GUIDED, start="random")
ADAM = replace(RANDOM, optimiser="adam", learning_rate=InpaintConfig.paper().learning_rate)
YARDSTICK = "Adam"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A search, with the budgets at which it is looked at."""

    config: InpaintConfig
    budgets: tuple[int, ...]

    def at(self, budget: int) -> InpaintConfig:
        """Returns the search with that many steps, beyond z the same number behind each layer."""
        if not self.config.stages:
            return replace(self.config, iterations=budget)
        steps = budget // len(self.config.stages)
        return replace(self.config, stages=tuple(replace(stage, steps=steps) for stage in self.config.stages))


TRIALS: Mapping[str, Trial] = {
    "paper": Trial(config=InpaintConfig.paper(), budgets=(100, 300, LONG)),
    YARDSTICK: Trial(config=ADAM, budgets=(50, 100, 300, LONG)),
    "Adam, decayed": Trial(config=replace(RANDOM, optimiser="adam", schedule="cosine"), budgets=(20, 50, 100, 200)),
    "BFGS": Trial(config=RANDOM, budgets=(*FEW[7:], 100)),
    "guided": Trial(config=GUIDED, budgets=FEW),
    "guided, no prior": Trial(config=replace(GUIDED, lambda_z=0.0), budgets=FEW[7:]),
    "guided, with D": Trial(config=replace(GUIDED, lambda_d=InpaintConfig.paper().lambda_d), budgets=(10, 20)),
    "beyond z": Trial(config=InpaintConfig(), budgets=(3, 6, 9, 15, 21, 30, 60)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a search reaches with a budget: means over the faces.

    evaluations           of the networks: its iterations
    hole_psnr, hole_ssim  of the missing pixels, PSNR in dB
    loss                  Eq. 8's without D and the prior
    seconds               a face's, BATCH at a time
    """

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
    """Yields every trial's points on the faces (N, H, W, 3), mask by mask; `progress` hears what comes next."""
    for name, trial in TRIALS.items():
        for budget in trial.budgets:
            config = replace(trial.at(budget), precision=precision)
            inpainter = Inpainter.of(model, config=config, device=device)
            inpainter(faces[:BATCH], masks.draw(MASKS[0], faces.shape[1:3]))
            for mask in MASKS:
                progress(f"{name}, {budget}, {mask}")
                yield Point(trial=name, mask=mask, evaluations=budget, **_restored(inpainter, faces, mask, seed))


def _restored(inpainter: Inpainter, faces: NDArray[np.uint8], mask: str, seed: int) -> dict[str, float]:
    """Returns the means that make a Point."""
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
    """Returns the point of the largest budget."""
    return max((p for p in points if (p.trial, p.mask) == (trial, mask)), key=lambda p: p.evaluations)


def reached(points: Sequence[Point], trial: str, mask: str) -> int | None:
    """Returns the least budget from which on a trial has both the PSNR and the SSIM of the yardstick; None for none.

    That is as far as was tried: a budget that a larger one undoes does not count.
    """
    goal = last(points, YARDSTICK, mask)
    found = None
    for p in sorted((p for p in points if (p.trial, p.mask) == (trial, mask)), key=lambda p: -p.evaluations):
        if p.hole_psnr < goal.hole_psnr or p.hole_ssim < goal.hole_ssim:
            break
        found = p.evaluations
    return found


def table(points: Sequence[Point]) -> str:
    """Returns a table of each trial at each budget, and of what it needs for the yardstick's quality, mask by mask."""
    rows = []
    for name, trial in TRIALS.items():
        for budget in trial.budgets:
            cells = [
                f"{p.hole_psnr:.2f} / {p.hole_ssim:.3f}"
                for mask in MASKS
                for p in points
                if (p.trial, p.mask, p.evaluations) == (name, mask, budget)
            ]
            rows.append([name, str(budget), *cells])
        needed = [_or_never(reached(points, name, mask)) for mask in MASKS]
        rows.append([f"{name}, as good as {LONG} of {YARDSTICK} after", "", *needed])
    return markdown.table(["search", "evaluations", *MASKS], rows)


def _or_never(evaluations: int | None) -> str:
    return "not reached" if evaluations is None else str(evaluations)
