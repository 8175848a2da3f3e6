"""Draws docs/poisson.png: the levels of a hole, and the cycles that holes of every kind and size take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from faceinpaint_fast import _cpu, masks
from faceinpaint_fast.blend.poisson import POISSON
from faceinpaint_fast.blend.solver import Solver

TOLERANCES = 10.0 ** -np.arange(1, 9)


def draw_level(axes: Any, inverse: Any, step: int) -> None:
    """A level where it lies on the finest: known pixels grey, missing ones white, red the conductance to the known."""
    height, width = inverse.shape
    missing = np.pad(inverse > 0, 1)
    y, x = np.mgrid[:height, :width]
    neighbours = (missing[:-2, 1:-1] + 0 + missing[2:, 1:-1] + missing[1:-1, :-2] + missing[1:-1, 2:])[inverse > 0]
    ground = 1 / inverse[inverse > 0] - neighbours
    y, x, hole = y * step, x * step, inverse > 0
    axes.scatter(x[~hole], y[~hole], s=11 * step, marker="s", color="0.75", linewidths=0)
    axes.scatter(x[hole], y[hole], s=11 * step, marker="s", facecolor="white", edgecolor="0.75", linewidths=0.5)
    axes.scatter(x[hole], y[hole], s=4 * ground * step, color="tab:red", linewidths=0)
    axes.set(xticks=[], yticks=[], aspect="equal", xlim=(-1, 24), ylim=(24, -1))
    axes.set_title(f"{height} x {width}", fontsize=9)


def cycles(hole: Any) -> list[int]:
    """Cycles to each of the tolerances, of noise on a slope."""
    height, width = hole.shape
    target = np.random.default_rng(0).random((height, width)) + np.linspace(0, 1, width)
    solver = Solver(hole[None], POISSON)
    return [
        solver.solve(target[None, ..., None], None, None, tolerance, target[None, ..., None].copy())
        for tolerance in TOLERANCES
    ]


def circle(size: int) -> Any:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return y**2 + x**2 < (size / 4) ** 2


def main() -> None:
    figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), width_ratios=[1, 1, 1, 1.5], layout="constrained")
    hole = masks.free_form((24, 24), 11)
    hole |= np.hypot(*(np.mgrid[:24, :24] - 12)) < 7
    hole[[3, 10, 15], [5, 11, 14]] = False
    for k, inverse in enumerate(_cpu.Multigrid(hole[None]).inverse_diagonals[:3]):
        draw_level(axes[k], inverse[0], 2**k)
    kinds = {
        **{
            f"circle in {size}²": (circle(size), "-", shade) for size, shade in ((64, "0.7"), (512, "0.4"), (4096, "0"))
        },
        "80 % scattered, 512²": (masks.random_pixels((512, 512), 0.8), "--", "tab:blue"),
        "scribbles, 512²": (masks.free_form((512, 512), 1), "--", "tab:green"),
        "all but a pixel, 512²": (np.arange(512 * 512).reshape(512, 512) != 70_000, "--", "tab:red"),
    }
    for name, (kind, line, colour) in kinds.items():
        axes[3].semilogy(cycles(kind), TOLERANCES, line, color=colour, marker=".", label=name)
    axes[3].axvline(15, color="0.8")
    axes[3].set(xlabel="cycles", ylabel="relative residual", xlim=(0, 25), ylim=(5e-9, 0.3))
    axes[3].legend(fontsize=7, loc="upper right")
    figure.savefig(Path(__file__).with_name("poisson.png"), dpi=110)


if __name__ == "__main__":
    main()
