"""What `evaluate --recognise` adds to the evaluation: who is who, who is recognised, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from faceinpaint_fast.cli import console, framed
from faceinpaint_fast.cli.options import OnErrorName
from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    import torch

    from faceinpaint_fast.cluster.crew import Crew
    from faceinpaint_fast.evaluation.methods import Choice, Method
    from faceinpaint_fast.evaluation.protocol import Evaluation
    from faceinpaint_fast.framing import Framing

METHODS = ("damaged", "undamaged", "default", "harmonic", "biharmonic")  # unless others are named


def masks(identities: Path | None) -> tuple[str, ...]:
    """Returns the masks of the evaluation, and where it is of people those of their eyes and mouth too."""
    from faceinpaint_fast.evaluation.protocol import MASKS
    from faceinpaint_fast.evaluation.recognition import RECOGNISED

    return MASKS if identities is None else RECOGNISED


def split(names: tuple[str, ...], identities: Path | None) -> tuple[tuple[str, ...], dict[str, Method]]:
    """Returns the methods among the names, and of people what is there without one: `damaged` and `undamaged`."""
    from faceinpaint_fast.evaluation.recognition import BOUNDS

    if identities is None:
        return names, {}
    asked = names or METHODS
    return tuple(name for name in asked if name not in BOUNDS), {name: BOUNDS[name] for name in asked if name in BOUNDS}


def run(
    identities: Path,
    bounds: Mapping[str, Method],
    asked: Evaluation,
    choice: Choice,
    crew: Crew | None,
    data: list[Path],
    shape: tuple[int, Framing],
    on_error: OnErrorName,
    limit: int | None,
    out: Path,
    device: torch.device,
) -> None:
    """Measures who is recognised among the first people of each data set, and shows how it goes on.

    Raises InputError if broken pictures are to be skipped: with other pictures people would be others too.
    """
    from faceinpaint_fast.doctor import machine
    from faceinpaint_fast.evaluation import protocol, recogniser, recognition
    from faceinpaint_fast.evaluation.identities import load_people, read_identities

    if on_error is not OnErrorName.fail:
        raise InputError(f"--on-error: expected fail with --recognise, got {on_error.value}")
    methods = {**bounds, **choice.built(device)}
    protocol.check(methods, data, out)
    describe, known = recogniser.load(*shape), read_identities(identities)
    with console.warnings_as_remarks():
        people = {
            name: load_people(part, known, size=shape[0], framing=shape[1], limit=limit)
            for name, part in protocol.parts(data).items()
        }
    probes = {name: each.probes for name, each in people.items()}
    framed.remark_on(probes, choice.model, device)
    describing = recognition.Describing(choice, probes, asked.seed, *shape)
    through = None if crew is None else partial(crew.in_order, describing)
    count = sum(len(recognition.masks_of(name, asked.masks)) for name in methods)
    with console.counting_bar() as bar:
        progress = console.restoring(bar, count * sum(map(len, people.values())))
        where = machine(device)
        recognition.recognise(
            asked, methods, people, out, recogniser=describe, machine=where, progress=progress, through=through
        )


def tables(out: Path) -> dict[str, str]:
    """Returns the tables of who was recognised, of the results in a folder."""
    from faceinpaint_fast.evaluation import recognition_tables, results

    return recognition_tables.report(results.read_all(out, results.RECOGNITION))


def elsewhere(*, quality: bool, people: bool) -> Callable[[str], bool]:
    """Returns what says of a mark's name that its table is of results in another folder, of the kind not found here."""
    return lambda name: not (people if name.startswith("recognition") else quality)


def draw(out: Path, path: Path) -> None:
    """Draws the chart of the results in a folder; InputError if nobody was looked for."""
    from faceinpaint_fast.evaluation import recognition_tables, results
    from faceinpaint_fast.pictures.plots import draw_recognition

    found = recognition_tables.shares(results.read_all(out, results.RECOGNITION))
    if not found:
        raise InputError(f"--chart: expected results of --recognise in {out}, got none")
    draw_recognition(found, path)
    print(path)
