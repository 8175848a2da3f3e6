"""A training run as its command shows it: on a bar or in lines, and stopped between two steps when a signal says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceinpaint_fast.cli import console
from faceinpaint_fast.cli.signals import ending

if TYPE_CHECKING:
    from rich.progress import Progress

    from faceinpaint_fast.training import run


@contextmanager
def run_shown(images: int, log: Path) -> Iterator[tuple[Progress, Callable[[], dict[str, Any]]]]:
    """Shows how a training run of so many images goes on, and stops it between two steps when a signal says so.

    Yields a bar for what comes before, and what returns the arguments of `run.run` once the run is to begin.
    """
    from rich.progress import TextColumn

    from faceinpaint_fast.locks import check_free
    from faceinpaint_fast.training import ranks

    if ranks.is_first():
        check_free(log.parent / "lock", log.parent)
    with ending() as end, console.counting_bar(TextColumn("{task.fields[note]}")) as bar:

        def heard() -> dict[str, Any]:
            end.in_steps = True
            shown = _Shown(bar, images, log)
            return {"on_progress": shown.line, "on_step": shown.step, "stopped": end.wanted}

        yield bar, heard
        if end.wanted():
            console.remark(f"{log.parent}: {end.name}, a checkpoint is made; the same command goes on")


class _Shown:
    """A training run on a bar: images a second since it was begun or resumed, and its losses."""

    def __init__(self, bar: Progress, images: int, log: Path) -> None:
        self._bar, self._log, self._losses = bar, log, ""
        self._task = bar.add_task("training", total=images, note="")
        self._first: tuple[int, float] | None = None

    def line(self, now: run.LogLine) -> None:
        """Takes the losses of a line of the log."""
        self._losses = "  ".join(f"{name} {loss:.3f}" for name, loss in now.losses.items())
        self.step(now.images)

    def step(self, seen: int) -> None:
        """Shows how many images have been seen."""
        from faceinpaint_fast.training import run

        now = time.monotonic()
        if self._first is None:
            self._first = seen, now
            console.remark(f"{self._log}: the losses, a line every {run.LOG_EVERY} steps")
        first, begun = self._first
        rate = f"{(seen - first) / (now - begun):.0f} images/s" if seen > first else ""
        self._bar.update(self._task, completed=seen, note="  ".join(filter(None, [rate, self._losses])))
