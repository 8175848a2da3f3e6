"""What `evaluate --photos` adds to the evaluation: whole photographs, their faces found, damaged and restored."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from faceinpaint_fast.cli import console
from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    import torch

    from faceinpaint_fast.cluster.crew import Crew
    from faceinpaint_fast.evaluation.photographs import Photograph
    from faceinpaint_fast.models import Model
    from faceinpaint_fast.photo.restorer import Restorer

SHOWN = 4  # photographs on a contact sheet, the first of odd number


def run(
    folder: Path,
    crew: Crew | None,
    limit: int | None,
    out: Path | None,
    sheets: Path | None,
    device: torch.device,
    model: Model,
) -> None:
    """Measures the first photographs of a folder, by name, and draws a contact sheet a hole of some of them.

    The crew measures, if there is one; faces are found, and sheets drawn, by this process.
    """
    from faceinpaint_fast.doctor import machine
    from faceinpaint_fast.evaluation import photographs
    from faceinpaint_fast.evaluation.photo_holes import HOLES

    restorer = photographs.restorer_of(model, device)
    found = _read(folder, limit, restorer)
    if out is not None:
        through = None if crew is None else partial(crew.in_order, photographs.Judging(model, found))
        with console.counting_bar() as bar:
            task = bar.add_task("restoring", total=len(found) * len(HOLES))
            photographs.evaluate(
                restorer,
                found,
                out,
                sha256=model.config.sha256,
                machine=machine(device),
                progress=lambda what, count: bar.update(task, description=what, advance=count),
                through=through,
            )
    if sheets is not None:
        _draw(restorer, found, sheets)


def check(photos: Path | None, sheets: Path | None) -> None:
    """Raises InputError for contact sheets of no photographs, and where they cannot be written."""
    from faceinpaint_fast import images
    from faceinpaint_fast.evaluation.photo_holes import HOLES

    if sheets is not None:
        if photos is None:
            raise InputError("--sheets: expected --photos, which they are of, got none")
        for hole in HOLES:
            images.check_writable(_sheet(sheets, hole))


def tables(out: Path) -> dict[str, str]:
    """Returns the tables of photographs, of the results in a folder."""
    from faceinpaint_fast.evaluation import photo_tables, results

    return photo_tables.report(results.read_all(out, results.PHOTOGRAPHS))


def _read(folder: Path, limit: int | None, restorer: Restorer) -> list[Photograph]:
    """Returns the photographs of a folder, by name; InputError for a folder without any."""
    from faceinpaint_fast.evaluation import photographs
    from faceinpaint_fast.images import read_image
    from faceinpaint_fast.picture_folder import Passed, pictures

    paths = list(pictures(folder, Passed()))[:limit]
    if not paths:
        raise InputError(f"{folder}: expected a folder of photographs, got none")
    return photographs.found_in(restorer, {str(path): read_image(path) for path in paths})


def _draw(restorer: Restorer, found: list[Photograph], folder: Path) -> None:
    """Writes a contact sheet a hole."""
    from faceinpaint_fast.evaluation.photo_holes import HOLES
    from faceinpaint_fast.pictures import photographs

    shown = dict(list(enumerate(found))[1 : 2 * SHOWN : 2]) or {0: found[0]}
    for hole in HOLES:
        photographs.write(_sheet(folder, hole), photographs.sheet(restorer, shown, hole))
        print(_sheet(folder, hole))


def _sheet(folder: Path, hole: str) -> Path:
    from faceinpaint_fast.evaluation.results import slug

    return folder / f"{slug(hole)}.jpg"
