"""What one process of a cluster does: pieces of the work, one after the other, each by the engine of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.folders import photographs
from faceinpaint_fast.folders.engine import Engine
from faceinpaint_fast.folders.manifest import Part, record_of
from faceinpaint_fast.folders.plan import LOCK, Item, Task
from faceinpaint_fast.folders.work import Work
from faceinpaint_fast.models import Model
from faceinpaint_fast.photo.mirror import Mode
from faceinpaint_fast.pipeline import Inpainter

TRIES = 4  # beginnings with a piece; then its pictures are done one at a time: one of them may be what ends processes
ENDED = "its process ended while it was restored"


Piece = tuple[int, Sequence[tuple[Item, str]]]  # its number, and pictures with the keys of their lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a piece of the work: its lines are in its part of the manifest.

    piece  its number
    full   what said that nothing more can be written; None: nothing did
    told   what there is to tell, a line each
    """

    piece: int
    full: str | None
    told: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What every process makes its engine of.

    task      what is asked of the pictures
    model     on the CPU
    config    of the search
    detector  that finds faces in photographs, as `photo.detect.detector_of` has it; None: the one that comes along
    mirror    when a photograph's other half takes the place of what is missing
    parts     where each piece has its part of the manifest
    """

    task: Task
    model: Model
    config: InpaintConfig
    detector: str | None
    mirror: Mode
    parts: Path

    def made(self, device: str) -> Worker:
        """Returns what restores pieces on a device."""
        return Worker(self, device)


class Worker:
    """Restores pieces, in a process of its own."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self._task, self._parts, self._told = recipe.task, recipe.parts, list[str]()
        inpainter = Inpainter.of(recipe.model, config=recipe.config, device=device)
        whole = photographs.of(inpainter, recipe.model.config.framing, recipe.detector, recipe.mirror)
        self._engine = Engine(inpainter, whole, recipe.task.batch, self._told.append)

    def __call__(self, piece: Piece) -> Done:
        """Restores a piece, but for what an earlier beginning with it has done; the lines go into its part."""
        number, pictures = piece
        full = self._through(number, {item.name: key for item, key in pictures}, [item for item, _ in pictures])
        told, self._told[:] = [*self._told], []
        return Done(piece=number, full=full, told=told)

    def _through(self, piece: int, keys: Mapping[Path, str], items: Sequence[Item]) -> str | None:
        """Restores the pictures of a piece; returns why nothing more can be written, if that is so."""
        out = self._task.out
        if not (out / LOCK).exists():
            return f"{out}: expected a folder that every process sees, on every machine, got none"
        try:
            part = Part(self._parts, piece)
            work = Work(self._task, self._engine, part.add, keys)
            left = [item for item in items if str(item.output) not in part.done]
            if part.begun < TRIES:
                work.through(left)
            for item in left if part.begun >= TRIES else ():
                # which it is says the line that stays if the process ends once more
                part.add(record_of(item, keys[item.name], error=ENDED))
                work.through([item])
            return work.full
        except OSError as error:
            return str(error)
