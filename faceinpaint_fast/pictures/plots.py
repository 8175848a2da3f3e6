"""A training run's losses of D and G over the images it has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import write_figure
from faceinpaint_fast.training.run import log_lines


def running_mean(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """(N,) -> (N,): the mean of each value and of up to `reach` neighbours on either side, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    i = np.arange(len(values))
    start, end = np.maximum(i - reach, 0), np.minimum(i + reach + 1, len(values))
    return (sums[end] - sums[start]) / (end - start)


def draw_curves(model: Path, path: Path) -> None:
    """Draw the losses of a model folder's run: as logged faintly, and their means over a twentieth of the run.

    Raises InputError if the run has left no log, or if `path` cannot be written.
    """
    from matplotlib.figure import Figure

    log = model / "training" / "log.jsonl"
    lines = list(log_lines(log))
    if not lines:
        raise InputError(f"{log}: expected the losses of a run, got none")
    images = [line["images"] for line in lines]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for name, key, colour in (("D", "loss_d", "tab:blue"), ("G", "loss_g", "tab:orange")):
        losses = np.array([line[key] for line in lines])
        axes.plot(images, losses, color=colour, alpha=0.3, linewidth=0.7)
        axes.plot(images, running_mean(losses, len(losses) // 40), color=colour, label=name)
    axes.set(xlabel="images seen", ylabel="loss", xlim=(0, None), ylim=(0, None))
    axes.legend()
    write_figure(path, figure)
