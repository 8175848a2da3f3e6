"""What several commands ask for, each with its type, its bounds and its help in one place.

Nothing here imports torch: `faceinpaint --help` reads this file.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    from faceinpaint_fast.framing import Framing
    from faceinpaint_fast.models import ModelConfig

MAX_SEED = 2**63 - 1  # what torch takes
HELD_OUT = 64  # images that a calibration compares with samples, as in the paper


class ConfigName(enum.StrEnum):
    """Presets of `InpaintConfig`."""

    default = "default"
    fast = "fast"
    over_z = "over-z"
    paper = "paper"
    paper_calibrated = "paper-calibrated"


class OnErrorName(enum.StrEnum):
    """What a picture of the data that fails does."""

    fail = "fail"
    skip = "skip"


Seed = Annotated[
    int, typer.Option(min=0, max=MAX_SEED, help="Of all that is drawn at random: holes, starts, samples, weights.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Iterations = Annotated[int | None, typer.Option(help="Steps of the search over z; by default the config's.")]
Config = Annotated[
    ConfigName, typer.Option(help="The best, in less time, over z alone, or the paper: as printed, or calibrated.")
]
ModelFolder = Annotated[
    Path | None, typer.Option("--model", help="Model folder, or name of a model that is installed; by default faces64.")
]
Precision = Annotated[str, typer.Option(help="Of the networks: fp32 or bf16.")]
Size = Annotated[int | None, typer.Option(help="Pixels across a face; the model's, or it is refused.")]
Crop = Annotated[
    str | None,
    typer.Option(help="Square of other pictures: celeba-108, celeba-148 or x,y,side; by default the model's."),
]
OnError = Annotated[
    OnErrorName, typer.Option(help="What a broken or unfitting picture does: fail, all of them told, or skip, counted.")
]
Settings = Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE of the engine's config, as flips=true.")]
Report = Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table there, as Markdown.")]


def geometry(model: ModelConfig, size: int | None, crop: str | None) -> tuple[int, Framing]:
    """Returns the pixels across a face and the square of other pictures that a model asks for.

    Raises InputError for another size, and for the crop of another framing; three numbers may be of any pictures.
    """
    from faceinpaint_fast.framing import Framing

    if size not in (None, model.size):
        raise InputError(f"--size: expected the model's, {model.size}, got {size}")
    asked = model.framing if crop is None else Framing.parse(crop)
    squares = [(framing.x, framing.y, framing.side) for framing in (asked, model.framing)]
    if asked.picture is not None and squares[0] != squares[1]:
        raise InputError(f"--crop: expected the model's, {model.framing}, or x,y,side, got {crop}")
    return model.size, asked


def settings_of(texts: list[str] | None) -> dict[str, str]:
    """Returns what `--set` says of each field, as text; InputError for what is not FIELD=VALUE."""
    pairs = [text.partition("=") for text in texts or []]
    for text, (_, sign, _) in zip(texts or [], pairs, strict=True):
        if not sign:
            raise InputError(f"--set: expected FIELD=VALUE, got {text!r}")
    return {field: value for field, _, value in pairs}


def listed(values: list[str] | None) -> tuple[str, ...]:
    """Returns what an option named, by commas or by repeating it, each name once and in that order."""
    return tuple(dict.fromkeys(name for value in values or [] for name in value.split(",") if name))
