"""What one process of a cluster does: pieces of the work, one after the other, each by the engine of a folder."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What every process makes its engine of.

    task      what is asked of the pictures
    model     on the CPU
    config    of the search
    device    that it runs on, one process a device
    threads   of a CPU
    detector  that finds faces in photographs, as `photo.detect.detector_of` has it; None: the one that comes along
    mirror    when a photograph's other half takes the place of what is missing
    folder    in which relative paths are meant
    parts     where each piece has its part of the manifest
    """

    task: Task
    model: Model
    config: InpaintConfig
    device: str
    threads: int
    detector: str | None
    mirror: Mode
    folder: Path
    parts: Path


class Worker:
    """Restores pieces; Ray makes one a process."""

    def __init__(self, recipe: Recipe) -> None:
        # a node that lacks the folder has absolute paths alone
        with suppress(OSError):
            os.chdir(recipe.folder)
        torch.set_num_threads(recipe.threads)
        self._task, self._parts, self._told = recipe.task, recipe.parts, list[str]()
        inpainter = Inpainter.of(recipe.model, config=recipe.config, device=recipe.device)
        whole = photographs.of(inpainter, recipe.model.config.framing, recipe.detector, recipe.mirror)
        self._engine = Engine(inpainter, whole, recipe.task.batch, self._told.append)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Restores a piece, but for what an earlier beginning with it has done; the lines go into its part.

        Returns the piece's number; why nothing more can be written, or ""; what there is to tell, and what was warned
        of, lists as JSON has them.
        """
        piece = int(row["piece"])
        pictures: Sequence[tuple[Item, str]] = pickle.loads(row["pictures"])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            full = self._through(piece, {item.name: key for item, key in pictures}, [item for item, _ in pictures])
        told, self._told[:] = [*self._told], []
        warned = [*dict.fromkeys(str(warning.message) for warning in caught)]
        return {"piece": piece, "full": full or "", "told": json.dumps(told), "warned": json.dumps(warned)}

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
