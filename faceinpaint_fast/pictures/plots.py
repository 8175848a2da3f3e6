"""What is drawn with matplotlib: losses, Fig. 4 of a calibration, quality by mask and over time, who is recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.benchmarks import time_to_quality
from faceinpaint_fast.benchmarks.time_to_quality import TRIALS, Point
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.evaluation.protocol import MASKS
from faceinpaint_fast.evaluation.recognition import NO_HOLE, RECOGNISED, UNDAMAGED
from faceinpaint_fast.evaluation.recognition_tables import Interval
from faceinpaint_fast.evaluation.tables import Column, interval, order
from faceinpaint_fast.extras import of_extra
from faceinpaint_fast.images import write_image
from faceinpaint_fast.training.calibration import Calibration
from faceinpaint_fast.training.run import log_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS = "osD^v<>PX*"
PRINTED_SSIM, PRINTED_L1 = 0.4836, 2800  # Fig. 4's means
# what a row of the plot of quality over time shows: a Point's field over another, and the label of the first
QUALITY_ROWS = (
    ("hole_psnr", "evaluations", "PSNR in the hole, dB"),
    ("hole_ssim", "evaluations", "SSIM in the hole"),
    ("loss", "evaluations", "loss"),
    ("hole_psnr", "seconds", "PSNR in the hole, dB"),
)


def running_mean(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Returns (N,): the mean of each value and of up to `reach` neighbours on either side, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    i = np.arange(len(values))
    start, end = np.maximum(i - reach, 0), np.minimum(i + reach + 1, len(values))
    return (sums[end] - sums[start]) / (end - start)


def draw_curves(model: Path, path: Path) -> None:
    """Draws the losses of a model folder's run: as logged faintly, and their means over a twentieth of the run.

    Raises InputError if the run has left no log, or if `path` cannot be written.
    """
    with of_extra("plots"):
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
    _write(path, figure)


def draw_scatter(calibration: Calibration, path: Path, *, points: int = 20_000) -> None:
    """Draws Fig. 4: SSIM and L1 of `points` pairs, evenly taken, with their bounds, and their means beside the printed.

    Raises InputError if `path` cannot be written.
    """
    with of_extra("plots"):
        from matplotlib.figure import Figure

    bounds = calibration.normalization
    panels = (
        ("SSIM", calibration.ssim, bounds.s_min, bounds.s_max, PRINTED_SSIM, ".3f"),
        ("L1", calibration.l1, bounds.c_min, bounds.c_max, PRINTED_L1, ".0f"),
    )
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, (name, values, low, high, printed, form) in zip(figure.subplots(1, 2), panels, strict=True):
        every = max(1, values.size // points)
        shown, mean = values.ravel()[::every], values.mean(dtype=np.float64)
        axes.plot(np.arange(len(shown)) * every, shown, ".", markersize=1, alpha=0.4)
        axes.axhline(mean, color="black", label=f"mean {mean:{form}}")
        axes.axhline(printed, color="tab:orange", linestyle=":", linewidth=2, label=f"printed mean {printed:{form}}")
        axes.axhline(low, color="tab:red", linestyle="--", label=f"mean ∓ 3 std: {low:{form}}, {high:{form}}")
        axes.axhline(high, color="tab:red", linestyle="--")
        axes.set(title=f"{name} of held-out against generated images", xlabel="pair", ylabel=name)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3, fontsize=8)
    _write(path, figure)


def draw_quality(data: str, methods: Mapping[str, Column], path: Path) -> None:
    """Draws PSNR by mask of an evaluation: a mark a method, with its 95 % interval (Student's t).

    Raises InputError if `path` cannot be written.
    """
    with of_extra("plots"):
        from matplotlib.figure import Figure

    masks = sorted({mask for column in methods.values() for mask in column}, key=order(MASKS))
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    axes = figure.subplots()
    for i, (name, column) in enumerate(methods.items()):
        # beside each other within the breadth of a mask
        place = [masks.index(mask) + 0.8 * ((i + 0.5) / len(methods) - 0.5) for mask in column]
        means, halves = zip(
            *(interval(one["psnr"] for one in faces.values()) for faces in column.values()), strict=True
        )
        line = axes.errorbar(place, means, np.nan_to_num(halves), fmt=MARKS[i % len(MARKS)], markersize=5, capsize=2)
        line.set_label(name)
    for between in range(1, len(masks)):
        axes.axvline(between - 0.5, color="0.9", linewidth=0.8)
    axes.set(xlim=(-0.5, len(masks) - 0.5), ylabel="PSNR of the whole face, dB", title=data)
    axes.set_xticks(range(len(masks)), masks)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=min(len(methods), 5))
    _write(path, figure)


def draw_time_to_quality(points: Sequence[Point], path: Path) -> None:
    """Draws PSNR, SSIM and loss over evaluations of the networks, and PSNR over seconds; a column a mask."""
    with of_extra("plots"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(time_to_quality.MASKS), 2.8 * len(QUALITY_ROWS)), layout="constrained")
    grid = figure.subplots(len(QUALITY_ROWS), len(time_to_quality.MASKS), squeeze=False)
    for axes_row, (y, x, label) in zip(grid, QUALITY_ROWS, strict=True):
        for axes, mask in zip(axes_row, time_to_quality.MASKS, strict=True):
            for name in TRIALS:
                line = [p for p in points if (p.trial, p.mask) == (name, mask)]
                axes.plot([getattr(p, x) for p in line], [getattr(p, y) for p in line], marker=".", label=name)
            axes.set(xscale="log", xlabel=f"{x} a face" if x == "seconds" else x, ylabel=label, title=mask)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(TRIALS))
    _write(path, figure)


def draw_recognition(found: Mapping[str, Mapping[str, Mapping[str, Interval]]], path: Path) -> None:
    """Draws the share of true pairs accepted, by data set, method and mask (`recognition_tables.shares`).

    A row a data set; masks side by side, and in each a mark a method with its interval; undamaged faces are a band.
    """
    with of_extra("plots"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 4 * len(found)), layout="constrained")
    for axes, (data, methods) in zip(figure.subplots(len(found), 1, squeeze=False)[:, 0], found.items(), strict=True):
        holed = {name: column for name, column in methods.items() if name != UNDAMAGED}
        masks = sorted({mask for column in holed.values() for mask in column}, key=order(RECOGNISED))
        for i, (name, column) in enumerate(holed.items()):
            places = [masks.index(mask) + 0.13 * (i - (len(holed) - 1) / 2) for mask in column]
            value, low, high = np.array(list(column.values())).T
            axes.errorbar(places, value, (value - low, high - value), fmt="osD^vPX*"[i % 8], capsize=2, label=name)
        if NO_HOLE in methods.get(UNDAMAGED, {}):
            value, low, high = methods[UNDAMAGED][NO_HOLE]
            axes.axhspan(low, high, color="0.85", zorder=0)
            axes.axhline(value, color="0.5", linewidth=1, zorder=0, label=UNDAMAGED)
        axes.set(title=data, ylabel="true pairs accepted at 1 % false ones, %", ylim=(0, 100))
        axes.set_xticks(range(len(masks)), masks)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=len(methods))
    _write(path, figure)


def _write(path: Path, figure: Figure) -> None:
    """Draws a figure and writes it as `images.write_image` does."""
    with of_extra("plots"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    write_image(path, np.asarray(canvas.buffer_rgba())[..., :3])
