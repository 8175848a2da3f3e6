"""A folder restored on Ray Data: pieces of the work are handed out, and their lines taken into the manifest.

Ray schedules, restarts what dies and repeats what it was at.  Pictures are read and written where they are restored: no
pixel goes through Ray, so what it holds in memory is a piece's names at a time, whatever the number of pictures.
"""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faceinpaint_fast.checks import whole
from faceinpaint_fast.cluster.worker import Recipe, Worker
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.cores import core_count
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.extras import of_extra
from faceinpaint_fast.folders.engine import Engine
from faceinpaint_fast.folders.manifest import Part, Record
from faceinpaint_fast.folders.plan import Item, Plan
from faceinpaint_fast.folders.run import Begun, Summary, begun
from faceinpaint_fast.models import Model
from faceinpaint_fast.photo.mirror import Mode
from faceinpaint_fast.pipeline import Inpainter

BATCHES = 4  # of a piece, at most: within it files are read ahead and written behind
SHARE = 4  # pieces a process, at least: the last ones end at about the same time
MEMORY = 2**28  # bytes of shared memory for Ray on this machine: a model and names


def restore_on_ray(
    plan: Plan,
    model: Model,
    *,
    config: InpaintConfig,
    address: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    device: str = "auto",
    detector: str | None = None,
    mirror: Mode = "auto",
    tell: Callable[[str], None] = lambda _: None,
    on_begin: Callable[[int, int], None] = lambda _todo, _before: None,
    on_done: Callable[[Record], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Summary:
    """Restores the pictures of a plan that are not finished, as `folders.run.restore_folder` does, by many processes.

    model     and config: of the `Inpainter` of each
    address   of a Ray cluster; None: Ray is started here, and ends with the work, unless it was started before
    workers   processes; by default one a GPU, or as many as the cores of the cluster allow; more than GPUs share them
    threads   of each on a CPU
    device    cpu or cuda; auto: cuda if the cluster has a GPU
    detector  and mirror: of photographs
    stopped   says between two pieces whether to leave it at that

    The folder that is written, and what is read, must be seen under the same names by all machines.  Raises InputError
    as `restore_folder` does and where Ray cannot be reached, ModelError if no process can make its engine.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device: expected auto, cpu or cuda on a cluster, got {device!r}")
    threads = whole(threads, "threads", least=1)
    if workers is not None:
        workers = whole(workers, "workers", least=1)
    # the same that another engine would have in its keys
    settings = Engine(Inpainter.of(model, config=config, device="cpu"), None, plan.task.batch, tell).settings()
    decisive = {**settings, "photographs": {"detector": detector, "mirror": mirror}}
    with begun(plan, decisive, tell) as folder:
        on_begin(len(folder.todo), folder.before)
        if not folder.todo:
            return folder.summary(0, 0, None)
        parts = Part.prepare(plan.task.out)
        with _connected(address, None if workers is None else workers * threads) as resources:
            gpus = 0 if device == "cpu" else int(resources.get("GPU", 0))
            if device == "cuda" and not gpus:
                raise InputError("device: expected a cluster with a GPU, got one without")
            most = gpus or int(resources.get("CPU", 1)) // threads
            recipe = Recipe(
                task=plan.task,
                model=model,
                config=config,
                device="cuda" if gpus else "cpu",
                threads=threads,
                detector=detector,
                mirror=mirror,
                folder=Path.cwd(),
                parts=parts,
            )
            course = _Course(folder, plan, parts, tell, on_done, stopped)
            workers = max(1, workers or most)
            course.through(recipe, workers, min(1, gpus / workers))
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

    def through(self, recipe: Recipe, workers: int, gpus: float) -> None:
        """Has the pieces restored, and takes their lines as they are done, unless it is stopped or ends."""
        import ray.data
        from ray.exceptions import RayError

        pieces = _pieces(self._folder.todo, self._plan.task.batch, workers)
        self._left = dict.fromkeys(range(len(pieces)))
        keys = self._folder.keys
        rows = [
            {"piece": number, "pictures": pickle.dumps([(item, keys[item.name]) for item in piece])}
            for number, piece in enumerate(pieces)
        ]
        done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Worker,  # type: ignore[arg-type]  # Ray makes one a process, and calls that
            fn_constructor_args=(recipe,),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=recipe.threads,
            num_gpus=gpus,
        )
        try:
            for row in done.iter_rows():
                self._hear(row)
                if self.full or self._stopped() or (self.failed and self._plan.task.on_error == "fail"):
                    break
        except RayError as error:
            self.take_rest()
            # the last line of the trace that it comes with
            said = str(error).strip().splitlines()[-1]
            raise ModelError(f"ray: expected processes that restore, got one that cannot: {said}") from error

    def take_rest(self) -> None:
        """Takes the lines of pieces that were begun with."""
        for piece in [*self._left]:
            self._take(piece)
        Part.clear(self._parts)

    def _hear(self, row: dict[str, Any]) -> None:
        # as one process would have told it
        for message in json.loads(row["told"]):
            self._tell(message)
        for message in json.loads(row["warned"]):
            warnings.warn(message, stacklevel=2)
        self.full = row["full"] or None
        self._take(row["piece"])

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


@contextmanager
def _connected(address: str | None, cores: int | None) -> Iterator[dict[str, float]]:
    """Has Ray for the work within, and says what its cluster consists of; what is started here ends with it.

    cores  that Ray may count on where it is started here; by default what this process may use
    """
    with of_extra("cluster"):
        import ray
        import ray.data
        from ray.exceptions import RayError
    if ray.is_initialized():
        yield ray.cluster_resources()
        return
    # nothing is told to anybody about its use
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    here: dict[str, Any] = {}
    if address is None:
        here = {"num_cpus": cores or core_count(), "include_dashboard": False, "object_store_memory": MEMORY}
    ending = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **here)
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        raise InputError(f"address: expected a Ray cluster that can be reached, got {address}: {error}") from error
    finally:
        # Ray has put its own in the place of who asks whether to end
        if threading.current_thread() is threading.main_thread():
            for number, handler in ending.items():
                signal.signal(number, handler)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()
