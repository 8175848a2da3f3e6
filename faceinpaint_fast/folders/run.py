"""A folder restored, by the process that asks for it: what was finished before is left, and what is left is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceinpaint_fast.files import check_place, sweep
from faceinpaint_fast.folders.engine import Engine, Photographs
from faceinpaint_fast.folders.manifest import Manifest, Record, key_of
from faceinpaint_fast.folders.plan import LOCK, MANIFEST, Item, Plan
from faceinpaint_fast.folders.work import Work
from faceinpaint_fast.locks import held
from faceinpaint_fast.pipeline import Inpainter


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a folder.

    restored  pictures, by this run
    before    pictures that were finished before it
    failed    pictures that could not be restored
    left      pictures that it did not come to
    full      what said that nothing more can be written; None: nothing did
    """

    restored: int
    before: int
    failed: int
    left: int
    full: str | None


@dataclass(frozen=True, slots=True)
class Begun:
    """A folder that is being restored: its manifest, keys of all pictures by their names, and what is left to do."""

    manifest: Manifest
    keys: Mapping[Path, str]
    todo: Sequence[Item]
    before: int

    def summary(self, restored: int, failed: int, full: str | None) -> Summary:
        """Returns what became of it."""
        left = len(self.todo) - restored - failed
        return Summary(restored=restored, before=self.before, failed=failed, left=left, full=full)


@contextmanager
def begun(plan: Plan, settings: Mapping[str, Any], tell: Callable[[str], None]) -> Iterator[Begun]:
    """Has the folder of a plan to itself for the work within, and knows what was finished before.

    settings  what decides results besides the task, as JSON has it
    tell      hears of a manifest that had to be repaired

    What writers that were killed have left is removed: those of earlier runs, and at the end this one's, on Ray.

    Raises InputError while another run has the folder, and where it cannot be written.
    """
    task = plan.task
    check_place(task.out / MANIFEST)
    with held(task.out / LOCK, task.out), ExitStack() as at_last:
        for folder in {(task.out / item.output).parent for item in plan.items}:
            sweep(folder)
            at_last.callback(sweep, folder)
        manifest = Manifest(task.out / MANIFEST, tell)
        decisive = {**settings, "invert": task.invert}
        keys = {item.name: key_of(item, decisive) for item in plan.items}
        todo = [item for item in plan.items if not (task.resume and manifest.finished(item, keys[item.name]))]
        manifest.begin(todo)
        yield Begun(manifest, keys, todo, len(plan.items) - len(todo))


def restore_folder(
    plan: Plan,
    inpainter: Inpainter,
    *,
    photographs: Photographs | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda _: None,
    on_begin: Callable[[int, int], None] = lambda _todo, _before: None,
    on_done: Callable[[Record], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Summary:
    """Restores the pictures of a plan that are not finished, and writes a line on each into the manifest.

    inpainter    for pictures of its model's size, which it gets in batches
    photographs  for all others, one by one; None: they fail
    settings     what decides its results, as JSON has it: where that changes, pictures are restored again
    tell         hears of a batch that had to be smaller, and of a manifest that had to be repaired
    on_begin     hears how many pictures there are to do, and how many are finished
    on_done      hears the line of each picture, from several threads, one at a time
    stopped      says between two batches whether to leave it at that

    A restored picture is written whole, and its line follows it: whenever this is killed, the next run goes on behind
    what was written.  Raises InputError while another run has the folder, and where it cannot be written.
    """
    engine = Engine(inpainter, photographs, plan.task.batch, tell)
    decisive = {**engine.settings(), "photographs": dict(settings or {})}
    with begun(plan, decisive, tell) as folder:
        on_begin(len(folder.todo), folder.before)
        work = Work(plan.task, engine, folder.manifest.add, folder.keys, on_done, stopped)
        work.through(folder.todo)
        return folder.summary(work.restored, work.failed, work.full)
