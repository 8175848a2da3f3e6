"""Progress in lines, where no terminal shows a bar: in files, in pipes, in the logs of a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.progress import Progress, TaskID

EVERY = 60.0  # seconds between lines


class Lines(Progress):
    """A progress bar that says a line every minute, and one of the last task at the end if it is to stay.

    A line has the share that is done, the bar's own note, if it has one, and how long the rest takes.
    """

    def __init__(self, say: Callable[[str], object], *, transient: bool) -> None:
        super().__init__(disable=True)
        self._say, self._stays = say, not transient
        self._said = time.monotonic()
        self._began: dict[TaskID, tuple[float, float]] = {}  # what was done first, and when

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Changes a task as rich's does."""
        super().update(task_id, **changes)
        self._changed(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Does a little more of a task, as rich's does."""
        super().advance(task_id, advance)
        self._changed(task_id)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._stays and error is None and (last := max(self._tasks, default=None)) in self._began:
            self._say(self._line(last))

    def _changed(self, task_id: TaskID) -> None:
        now = time.monotonic()
        self._began.setdefault(task_id, (self._tasks[task_id].completed, now))
        if now - self._said >= EVERY:
            self._say(self._line(task_id))
            self._said = now

    def _line(self, task_id: TaskID) -> str:
        task = self._tasks[task_id]
        parts = [str(task.fields["note"])] if task.fields.get("note") else []
        if task.total is None:
            return " ".join([task.description, f"{task.completed:.0f}", *parts])
        first, began = self._began[task_id]
        done, left = task.completed - first, max(task.total - task.completed, 0)
        share = f"{task.description} {task.percentage:.1f} %"
        if done > 0 or not left:
            seconds = (time.monotonic() - began) / done * left if left else 0
            parts.append(f"{timedelta(seconds=round(seconds))} left")
        return ", ".join([share, *parts])
