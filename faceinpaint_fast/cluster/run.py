"""A folder restored on Ray Data: pieces of the work are handed out, and their lines taken into the manifest.

Pictures are read and written where they are restored: no pixel goes through Ray, so what it holds in memory is a
piece's names at a time, whatever the number of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from faceinpaint_fast.cluster.crew import Crew, Pool
from faceinpaint_fast.cluster.worker import Done, Recipe
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.folders.engine import Engine
from faceinpaint_fast.folders.manifest import Part, Record
from faceinpaint_fast.folders.plan import Item, Plan
from faceinpaint_fast.folders.run import Begun, Summary, begun
from faceinpaint_fast.models import Model
from faceinpaint_fast.photo.mirror import Mode
from faceinpaint_fast.pipeline import Inpainter

BATCHES = 4  # of a piece, at most: within it files are read ahead and written behind
SHARE = 4  # pieces a process, at least: the last ones end at about the same time


def restore_on_ray(
    plan: Plan,
    model: Model,
    crew: Crew,
    *,
    config: InpaintConfig,
    detector: str | None = None,
    mirror: Mode = "auto",
    tell: Callable[[str], None] = lambda _: None,
    on_begin: Callable[[int, int], None] = lambda _todo, _before: None,
    on_done: Callable[[Record], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Summary:
    """Restores the pictures of a plan that are not finished, as `folders.run.restore_folder` does, by many processes.

    model     and config: of the `Inpainter` of each
    detector  and mirror: of photographs
    stopped   says between two pieces whether to leave it at that

    The folder that is written, and what is read, must be seen under the same names by all machines.  Raises InputError
    as `restore_folder` does and where Ray cannot be reached, ModelError if no process can make its engine.
    """
    # the same that another engine would have in its keys
    settings = Engine(Inpainter.of(model, config=config, device="cpu"), None, plan.task.batch, tell).settings()
    decisive = {**settings, "photographs": {"detector": detector, "mirror": mirror}}
    with begun(plan, decisive, tell) as folder:
        on_begin(len(folder.todo), folder.before)
        if not folder.todo:
            return folder.summary(0, 0, None)
        parts = Part.prepare(plan.task.out)
        recipe = Recipe(task=plan.task, model=model, config=config, detector=detector, mirror=mirror, parts=parts)
        course = _Course(folder, plan, parts, tell, on_done, stopped)
        try:
            with crew.at_work() as pool:
                course.through(recipe, pool)
        finally:
            course.take_rest()
        return folder.summary(course.restored, course.failed, course.full)


class _Course:
    """A run on a cluster, and how far it is."""

    def __init__(
        self,
        folder: Begun,
        plan: Plan,
        parts: Path,
        tell: Callable[[str], None],
        on_done: Callable[[Record], None],
        stopped: Callable[[], bool],
    ) -> None:
        self.restored, self.failed = 0, 0
        self.full: str | None = None
        self._folder, self._plan, self._parts = folder, plan, parts
        self._tell, self._on_done, self._stopped = tell, on_done, stopped
        self._left: dict[int, None] = {}

    def through(self, recipe: Recipe, pool: Pool) -> None:
        """Has the pieces restored, and takes their lines as they are done, unless it is stopped or ends."""
        keys = self._folder.keys
        pieces = [
            (number, [(item, keys[item.name]) for item in items])
            for number, items in enumerate(_pieces(self._folder.todo, self._plan.task.batch, pool.workers))
        ]
        self._left = dict.fromkeys(range(len(pieces)))
        for done in pool.through(recipe, pieces):
            self._hear(done)
            if self.full or self._stopped() or (self.failed and self._plan.task.on_error == "fail"):
                break

    def take_rest(self) -> None:
        """Takes the lines of pieces that were begun with."""
        for piece in [*self._left]:
            self._take(piece)
        Part.clear(self._parts, needed=self.restored + self.failed < len(self._folder.todo))

    def _hear(self, done: Done) -> None:
        # as one process would have told it
        for message in done.told:
            self._tell(message)
        self.full = done.full
        self._take(done.piece)

    def _take(self, piece: int) -> None:
        self._left.pop(piece, None)
        try:
            records = Part.taken(self._parts, piece, self._folder.manifest)
        except OSError as error:
            self.full = self.full or str(error)
            return
        for record in records:
            self.restored += record["error"] is None
            self.failed += record["error"] is not None
            self._on_done(record)


def _pieces(items: Sequence[Item], batch: int, workers: int) -> list[Sequence[Item]]:
    """Returns the work in pieces of whole batches: the batches are those of one process that does all of it."""
    batches = math.ceil(len(items) / (batch * workers * SHARE))
    size = batch * min(max(1, batches), BATCHES)
    return [items[i : i + size] for i in range(0, len(items), size)]
