"""A photograph on the command line: where its faces lie, as a user says it, and what was done with them."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceinpaint_fast.cli import console
from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from faceinpaint_fast.config import InpaintConfig
    from faceinpaint_fast.models import Model
    from faceinpaint_fast.photo.restoration import Restoration


Steps = Annotated[
    Path | None,
    typer.Option("--steps", help="Folder for pictures of what was done with a photograph, and a sheet."),
]


class Mode(enum.StrEnum):
    """Whether the other half of a face takes the place of what was drawn: `mirror.Mode`."""

    auto = "auto"
    on = "on"
    off = "off"


Aligned = Annotated[
    bool, typer.Option("--aligned", help="The picture is an aligned face of the model's size, or it is refused.")
]
DetectorName = Annotated[
    str | None, typer.Option("--detector", help="module:function that finds faces; by default MTCNN.")
]
Landmarks = Annotated[
    Path | None,
    typer.Option(help="JSON or CSV file of five points a face: eyes, nose, corners of the mouth, left before right."),
]
Eyes = Annotated[list[str] | None, typer.Option(help="x,y,x,y of a face's eyes, in pixels; again for each face.")]
Box = Annotated[list[str] | None, typer.Option(help="x,y,width,height around a face, in pixels; again for each face.")]


MirrorName = Annotated[
    Mode,
    typer.Option(
        help="Take the other half of a face for the hole: where it can be trusted, where there is any, or never."
    ),
]


def faces_of(landmarks: Path | None, eyes: list[str] | None, boxes: list[str] | None) -> NDArray[np.float64] | None:
    """Returns the points of faces that a user gave, (N, 5, 2), or the eyes alone, (N, 2, 2); None without any.

    Raises InputError for what is none, and where they were given in two ways.
    """
    import numpy as np

    from faceinpaint_fast.photo import points

    given = {"--landmarks": landmarks, "--eyes": eyes, "--box": boxes}
    ways = [name for name, value in given.items() if value]
    if len(ways) > 1:
        raise InputError(f"{ways[1]}: expected faces to be given in one way, got {' and '.join(ways)}")
    if landmarks is not None:
        return points.read_landmarks(landmarks)
    if eyes:
        return points.checked(np.reshape([points.numbers(each, "--eyes", 4) for each in eyes], (-1, 2, 2)))
    if boxes:
        return points.checked(np.array([points.in_box(points.numbers(each, "--box", 4)) for each in boxes]))
    return None


def restored(
    model: Model,
    picture: Any,
    missing: NDArray[np.bool_],
    *,
    faces: NDArray[np.float64] | None,
    detector: str | None,
    config: InpaintConfig,
    device: str,
    mirror: Mode,
    seed: int,
) -> Restoration:
    """Returns a photograph (H, W, 3) restored where it is missing, and shows how it goes on and what was said."""
    from faceinpaint_fast.photo.detect import detector_of
    from faceinpaint_fast.photo.restorer import Restorer

    finds = None if detector is None else detector_of(detector)
    restorer = Restorer.of(model, config=config, device=device, detector=finds)
    with console.progress(transient=True) as bar, console.warnings_as_remarks():
        task = bar.add_task("restoring", total=1.0)
        result = restorer(
            picture,
            missing,
            faces=faces,
            mirror=mirror.value,
            seed=seed,
            progress=lambda share: bar.update(task, completed=share),
        )
    for note in result.notes:
        console.remark(note)
    return result


def check_steps(folder: Path | None, out: Path) -> None:
    """Raises InputError unless pictures of what was done can be written there, and beside OUT."""
    from faceinpaint_fast.images import check_writable
    from faceinpaint_fast.pictures.photo_steps import FACES, SHEET

    if folder is not None:
        for name in (FACES, SHEET):
            check_writable(folder / f"{name}.png")
        if out.resolve().parent == folder.resolve():
            raise InputError(f"--steps: expected another folder than that of {out}, got {folder}")


def write_steps(folder: Path, picture: Any, missing: NDArray[np.bool_], result: Restoration) -> None:
    """Writes a picture of each thing that was done with a photograph (H, W, 3), and a contact sheet."""
    from faceinpaint_fast.images import write_image
    from faceinpaint_fast.pictures.photo_steps import steps

    for name, image in steps(picture, missing, result).items():
        write_image(folder / f"{name}.png", image)


def told(result: Restoration) -> list[str]:
    """Returns a line on each face that was restored: where it lies, its losses, and what became of its other half."""
    lines = []
    for face in result.faces:
        x, y = face.points.mean(axis=0)
        loss = "".join(f", {name} {loss:.4f}" for name, loss in face.losses.items())
        mirror = (
            "" if face.mirror is None else f", mirror {'taken' if face.mirror.used else 'refused'}: {face.mirror.why}"
        )
        lines.append(f"face at {x:.0f},{y:.0f}, {face.frame.scale:.2f} pixels to the model's{loss}{mirror}")
    return lines
