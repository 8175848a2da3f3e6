"""The command that restores a folder: batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from faceinpaint_fast.cli import console
from faceinpaint_fast.cli.engine import Address, Engine, EngineName, Threads, Workers, crew_of
from faceinpaint_fast.cli.options import (
    Config,
    ConfigName,
    Device,
    ModelFolder,
    OnErrorName,
    Seed,
    Settings,
    settings_of,
)
from faceinpaint_fast.cli.photograph import DetectorName, MirrorName
from faceinpaint_fast.cli.photograph import Mode as MirrorMode
from faceinpaint_fast.cli.signals import ending
from faceinpaint_fast.errors import InputError, ModelError

if TYPE_CHECKING:
    from rich.progress import Progress

    from faceinpaint_fast.config import InpaintConfig
    from faceinpaint_fast.folders.manifest import Record
    from faceinpaint_fast.folders.plan import Plan
    from faceinpaint_fast.folders.run import Summary
    from faceinpaint_fast.models import Model

SOME_FAILED = 2  # exit status


class NothingDoneError(InputError):
    """Nothing was done, or nothing more could be: exit status 1."""


def batch(
    images: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="Folder of damaged pictures, and of folders of them; or s3://BUCKET/PATH and the like, or tar files,"
            " as 'shards/*.tar'.",
        ),
    ],
    holes: Annotated[
        str,
        typer.Option(
            help="Folder of holes, called as their pictures or with _mask or .mask behind that (side by side in IN,"
            " too); one picture of a hole for all; centre, random:0.4, alpha and other holes as of inpaint."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the restored pictures and of manifest.jsonl.")],
    seed: Seed = 0,
    config: Config = ConfigName.default,
    settings: Settings = None,
    model: ModelFolder = None,
    device: Device = "auto",
    size: Annotated[int, typer.Option("--batch", min=1, help="Faces at a time; fewer where memory runs out.")] = 64,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="png, tif, webp, jpg ...; by default each picture's, if that keeps all pixels."),
    ] = None,
    invert: Annotated[bool, typer.Option("--invert", help="Black = fill.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Take holes as they are, however unlikely.")] = False,
    detector: DetectorName = None,
    mirror: MirrorName = MirrorMode.auto,
    resume: Annotated[bool, typer.Option(help="Leave what is finished, or do all of it again.")] = True,
    on_error: Annotated[
        OnErrorName, typer.Option(help="What a picture does that fails: skip, and the others go on, or fail.")
    ] = OnErrorName.skip,
    engine: Engine = EngineName.local,
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 1,
) -> None:
    """Restore a folder of pictures into another; the same command goes on where it was interrupted.

    Exit status: 0, 1 if nothing was done or the disk is full, 2 if some pictures failed, 130 if it was interrupted.
    """
    from faceinpaint_fast.config import PRESETS
    from faceinpaint_fast.folders.plan import LOCK, Plan, Task
    from faceinpaint_fast.locks import check_free

    with _nothing_done(), ending() as end, console.warnings_as_remarks():
        chosen = PRESETS[config].with_settings(settings_of(settings))
        task = Task(
            images=images,
            holes=holes,
            out=out,
            seed=seed,
            extension=None if format_ is None else f".{format_.lower().removeprefix('.')}",
            invert=invert,
            force=force,
            batch=size,
            on_error=on_error.value,
            resume=resume,
        )
        crew = crew_of(engine, address, workers, threads, device)
        check_free(out / LOCK, out)
        plan = Plan.of(task)
        if plan.passed:
            console.remark(f"{images}: passed over, since no pictures: {plan.passed}")

        # torch takes seconds to import: a mistake in the line is told before
        from faceinpaint_fast.models import load_model

        loaded = load_model(model)
        with _bar() as bar:
            shown = _Shown(bar)
            end.in_steps = True
            heard: _Heard = {
                "tell": console.remark,
                "on_begin": shown.begin,
                "on_done": shown.done,
                "stopped": end.wanted,
            }
            if crew is not None:
                from faceinpaint_fast.cluster.run import restore_on_ray

                done = restore_on_ray(
                    plan, loaded, crew, config=chosen, detector=detector, mirror=mirror.value, **heard
                )
            else:
                done = _restored_here(plan, loaded, chosen, device, detector, mirror, heard)
        _print(out, done)
        if end.wanted():
            console.remark(f"{out}: {end.name}, {done.left} pictures are left; the same command goes on")
        else:
            _check(out, done)
    if done.failed:
        raise typer.Exit(SOME_FAILED)


class _Heard(TypedDict):
    """What a run tells of itself, and asks."""

    tell: Callable[[str], None]
    on_begin: Callable[[int, int], None]
    on_done: Callable[[Record], None]
    stopped: Callable[[], bool]


def _restored_here(
    plan: Plan,
    model: Model,
    config: InpaintConfig,
    device: str,
    detector: str | None,
    mirror: MirrorMode,
    heard: _Heard,
) -> Summary:
    """Restores the pictures of a plan by this process."""
    from faceinpaint_fast.folders import photographs
    from faceinpaint_fast.folders.run import restore_folder
    from faceinpaint_fast.pipeline import Inpainter

    inpainter = Inpainter.of(model, config=config, device=device)
    whole = photographs.of(inpainter, model.config.framing, detector, mirror.value)
    settings = {"detector": detector, "mirror": mirror.value}
    return restore_folder(plan, inpainter, photographs=whole, settings=settings, **heard)


def _print(out: Path, done: Summary) -> None:
    """Prints what was done."""
    parts = [f"{done.restored} restored"]
    parts += [f"{done.before} finished before"] if done.before else []
    parts += [f"{done.failed} failed"] if done.failed else []
    parts += [f"{done.left} left"] if done.left else []
    print(f"{out}: {', '.join(parts)}; manifest.jsonl has a line on each")


def _check(out: Path, done: Summary) -> None:
    """Raises NothingDoneError if nothing was done, or if the disk is full."""
    if done.full is not None:
        raise NothingDoneError(f"{done.full}; what is written is whole, and the same command goes on")
    if done.failed and not (done.restored or done.before):
        raise NothingDoneError(f"{out}: expected pictures that can be restored, got {done.failed} that fail")


@contextmanager
def _nothing_done() -> Iterator[None]:
    """Sees to the exit status of an error before anything was done."""
    try:
        yield
    except (InputError, ModelError, OSError) as error:
        raise NothingDoneError(str(error)) from error


def _bar() -> Progress:
    from rich.progress import TextColumn

    return console.counting_bar(TextColumn("{task.fields[note]}"))


class _Shown:
    """A folder on a bar: pictures a second, and those that failed, each in a line of its own."""

    def __init__(self, bar: Progress) -> None:
        self._bar, self._failed, self._done, self._begun = bar, 0, 0, 0.0

    def begin(self, todo: int, before: int) -> None:
        """Hears how many pictures there are to do, and how many are finished."""
        if before:
            console.remark(f"{before} of {before + todo} pictures are finished already")
        self._task = self._bar.add_task("restoring", total=todo, note="")
        self._begun = time.monotonic()

    def done(self, record: Record) -> None:
        """Hears the line of a picture."""
        self._done += 1
        if record["error"] is not None:
            self._failed += 1
            name = record["input"]
            console.remark(record["error"] if name in record["error"] else f"{name}: {record['error']}")
        rate = f"{self._done / (time.monotonic() - self._begun):.1f} images/s"
        note = f"{rate}, {self._failed} failed" if self._failed else rate
        self._bar.update(self._task, completed=self._done, note=note)
