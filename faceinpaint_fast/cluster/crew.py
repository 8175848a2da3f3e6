"""Processes on Ray: each makes once what does the work, and has pieces of it done, one after the other.

Ray schedules, restarts what dies and repeats what it was at.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from faceinpaint_fast.checks import whole
from faceinpaint_fast.cores import core_count
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.extras import of_extra

MEMORY = 2**28  # bytes of shared memory for Ray on this machine: a model, names, faces that are judged
TRIES = 4  # processes that may end at one piece, where nothing finds out what of it ends them

P = TypeVar("P")
R = TypeVar("R")
P_contra = TypeVar("P_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Recipe(Protocol[P_contra, R_co]):
    """What every process makes of it what does the work; it is pickled."""

    def made(self, device: str) -> Callable[[P_contra], R_co]:
        """Returns what does a piece on a device, cpu or cuda."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What is asked of Ray.

    address  of a cluster; None: Ray is started here, and ends with the work, unless it was started before
    workers  processes; by default one a GPU, or as many as the cores of the cluster allow; more than GPUs share them
    threads  of each on a CPU
    device   cpu or cuda; auto: cuda if the cluster has a GPU
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f"device: expected auto, cpu or cuda on a cluster, got {self.device!r}")
        whole(self.threads, "threads", least=1)
        if self.workers is not None:
            whole(self.workers, "workers", least=1)

    def in_order(self, recipe: Recipe[P, R], pieces: Sequence[P]) -> Iterator[R]:
        """Yields what comes of each piece, in the order of the pieces; if there are none, Ray is not asked.

        Raises what a piece raises of `InputError` and `ModelError`, and as `at_work` and `Pool.through` do.
        """
        if pieces:
            with self.at_work() as pool:
                yield from pool.through(recipe, pieces, in_order=True, tries=TRIES)

    @contextmanager
    def at_work(self) -> Iterator[Pool]:
        """Has processes on Ray for the work within; InputError where Ray cannot be reached, or has no GPU as asked."""
        with _connected(self.address, None if self.workers is None else self.workers * self.threads) as resources:
            gpus = 0 if self.device == "cpu" else int(resources.get("GPU", 0))
            if self.device == "cuda" and not gpus:
                raise InputError("device: expected a cluster with a GPU, got one without")
            most = gpus or int(resources.get("CPU", 1)) // self.threads
            workers = max(1, self.workers or most)
            yield Pool(
                workers=workers,
                threads=self.threads,
                device="cuda" if gpus else "cpu",
                gpus=min(1, gpus / workers),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Processes of a cluster.

    workers  how many
    threads  of each on a CPU
    device   of each, cpu or cuda
    gpus     of each, a share of one
    """

    workers: int
    threads: int
    device: str
    gpus: float

    def through(
        self, recipe: Recipe[P, R], pieces: Sequence[P], *, in_order: bool = False, tries: int | None = None
    ) -> Iterator[R]:
        """Yields what comes of the pieces as it is done, or in the order of the pieces.

        A piece whose process ends is begun again by another, so many times in all; None: as often as that happens.
        Raises what a piece raises of `InputError` and `ModelError`; ModelError if processes cannot do the work.
        """
        import ray.data
        from ray.exceptions import RayError

        ray.data.DataContext.get_current().execution_options.preserve_order = in_order
        begun = None
        if tries is not None:
            # Ray has a limit of its own, which Ray Data does not pass on any more
            begun = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Begun).remote(tries)
        rows = [{"number": number, "piece": pickle.dumps(piece)} for number, piece in enumerate(pieces)]
        done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Member,  # type: ignore[arg-type]  # Ray makes one a process, and calls that
            fn_constructor_args=(recipe, self.device, self.threads, Path.cwd(), begun),
            compute=ray.data.ActorPoolStrategy(size=min(self.workers, len(rows))),
            num_cpus=self.threads,
            num_gpus=self.gpus,
        )
        try:
            for row in done.iter_rows():
                found, warned = pickle.loads(row["done"])
                for message in warned:
                    warnings.warn(message, stacklevel=2)
                if isinstance(found, Exception):
                    raise found
                yield found
        except RayError as error:
            # the last line of the trace that it comes with
            raise _unable(str(error).strip().splitlines()[-1]) from error


def _unable(said: str) -> ModelError:
    return ModelError(f"ray: expected processes that do the work, got one that cannot: {said}")


class Begun:
    """Knows how often each piece was begun with; Ray makes one, whom all processes ask."""

    def __init__(self, tries: int) -> None:
        self._tries, self._times = tries, Counter[int]()

    def once_more(self, number: int) -> bool:
        """Says whether a piece may be begun with once more, and counts it."""
        self._times[number] += 1
        return self._times[number] <= self._tries


class Member:
    """Does pieces; Ray makes one a process."""

    def __init__(
        self, recipe: Recipe[Any, Any], device: str, threads: int, folder: Path, begun: Any | None = None
    ) -> None:
        """Makes what does the work, with so many threads of a CPU; relative paths are meant in `folder`.

        begun  Ray's handle of a `Begun`, which is asked before each piece; None: every piece is begun with
        """
        import torch

        # a node that lacks the folder has absolute paths alone
        with suppress(OSError):
            os.chdir(folder)
        torch.set_num_threads(threads)
        self._does, self._begun = recipe.made(device), begun

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what comes of a piece, or its error, and what was warned of.

        Errors are values: of one that is raised here Ray would tell as of one of its own.
        """
        found: Any
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                found = self._done(row["number"], pickle.loads(row["piece"]))
            except (InputError, ModelError) as error:
                found = error.with_traceback(None)
            except Exception as error:
                found = _unable(f"{type(error).__name__}: {error}")
        return {"done": pickle.dumps((found, [*dict.fromkeys(str(warning.message) for warning in caught)]))}

    def _done(self, number: int, piece: Any) -> Any:
        if self._begun is not None:
            import ray

            if not ray.get(self._begun.once_more.remote(number)):
                raise ModelError(f"ray: expected pieces that end no process, got one that ended every one: {piece}")
        return self._does(piece)


@contextmanager
def _connected(address: str | None, cores: int | None) -> Iterator[dict[str, float]]:
    """Has Ray for the work within, and says what its cluster consists of; what is started here ends with it.

    cores  that Ray may count on where it is started here; by default what this process may use
    """
    with of_extra("cluster"):
        import ray
        import ray.data
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
    # of whatever kind: what does not start in time is a bare Exception
    except Exception as error:
        if address is None:
            raise InputError(f"ray: expected it to start on this machine, it does not: {error}") from error
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
