"""What a request asks for: a picture, its hole, and options by the names that they have at the command line."""

from __future__ import annotations

import json
import re
from binascii import a2b_base64
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from faceinpaint_fast import holes
from faceinpaint_fast.service.refusal import Refusal

MOST_ITERATIONS = 100  # a batch of them takes seconds, and others wait
MOST_FACES = 32
FAR = 1e6  # pixels from a picture's corner, beyond which there is none
DATA_URL = re.compile(r"data:[^,]{0,100};base64,")


def _of_text(value: Any) -> Any:
    """Returns what a field of a form says as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON") from None


Number = Annotated[float, Field(ge=-FAR, le=FAR, allow_inf_nan=False)]
Four = Annotated[list[Number], Field(min_length=4, max_length=4)]
Point = Annotated[list[Number], Field(min_length=2, max_length=2)]
Five = Annotated[list[Point], Field(min_length=5, max_length=5)]
Faces = Annotated[
    Annotated[list[Four], Field(min_length=1, max_length=MOST_FACES)] | None,
    BeforeValidator(_of_text),
]
Points = Annotated[
    Annotated[list[Five], Field(min_length=1, max_length=MOST_FACES)] | None,
    BeforeValidator(_of_text),
]
Model = TypeVar("Model", bound=BaseModel)
Format = Literal["png", "jpeg", "webp", "tiff", "bmp", "ppm", "same"]


class Options(BaseModel):
    """How a picture is to be restored; lists are JSON where they stand in a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(ge=0, le=2**63 - 1, description="Of the search, and of a hole that is drawn.")] = 0
    spread: Annotated[
        float,
        Field(ge=0, le=1, description="How far from its best guess a search begins, by its seed; 0: there."),
    ] = 0.0
    iterations: Annotated[
        int | None, Field(ge=1, le=MOST_ITERATIONS, description="Steps of the search over z; by default the config's.")
    ] = None
    mirror: Annotated[
        Literal["auto", "on", "off"],
        Field(
            description="Take the other half of a face for the hole: where it can be trusted, if there is any, never."
        ),
    ] = "auto"
    boxes: Annotated[Faces, Field(description="x, y, width, height around each face; by default faces are found.")] = (
        None
    )
    eyes: Annotated[Faces, Field(description="x, y, x, y of each face's eyes.")] = None
    landmarks: Annotated[
        Points, Field(description="Five x, y a face: eyes, nose, corners of the mouth, left before right.")
    ] = None
    aligned: Annotated[bool, Field(description="The picture is an aligned face of the model's size.")] = False
    invert: Annotated[bool, Field(description="Black = fill.")] = False
    force: Annotated[bool, Field(description="Take a hole as it is, however unlikely.")] = False
    format: Annotated[
        Format, Field(description="Of the restored picture; same: the picture's own, if it is written.")
    ] = "png"

    @property
    def ways(self) -> list[str]:
        """By which fields it is said where faces lie."""
        return [name for name in ("boxes", "eyes", "landmarks") if getattr(self, name) is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a request asks for.

    image    a picture's file
    hole     its hole: a picture's file, or what `holes.is_said` knows
    options  how it is to be restored
    """

    image: bytes
    hole: bytes | str
    options: Options

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Asked:
        """Returns what the fields of a form or of JSON ask for; a Refusal that names the field which does not fit."""
        fields = dict(fields)
        image, hole = (fields.pop(name, None) for name in ("image", "hole"))
        if not isinstance(hole, str) or not holes.is_said(hole):
            hole = file_of(hole, "hole", " or a hole's name")
        options = options_of(Options, fields)
        if len(ways := options.ways) > 1:
            raise Refusal(422, f"{ways[1]}: expected faces to be given in one way, got {ways[0]} too", ways[1])
        if options.aligned and ways:
            raise Refusal(422, f"{ways[0]}: expected none of an aligned face", ways[0])
        return cls(file_of(image, "image"), hole, options)


def options_of(model: type[Model], fields: dict[str, Any]) -> Model:
    """Returns what fields say as a model has it; a Refusal that names the first field which does not fit."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name, *within = map(str, first["loc"])
        if name not in model.model_fields:
            raise Refusal(422, "fields: expected known ones, got another", shown(name)) from None
        raise Refusal(422, f"{'.'.join([name, *within])}: {first['msg']}", name) from None


def shown(text: str) -> str:
    """Returns the beginning of what a client has written, as signs that any log can take."""
    return ascii(text[:100])[1:-1]


def file_of(value: Any, name: str, otherwise: str = "") -> bytes:
    """Returns a file that a form holds, or JSON in base64, as a data URL too; a Refusal for anything else."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise Refusal(422, f"{name}: expected a picture's file{otherwise}, got none", name)
    start = DATA_URL.match(value)
    try:
        return a2b_base64(value[start.end() if start else 0 :].encode("ascii"), strict_mode=True)
    except ValueError:
        raise Refusal(422, f"{name}: expected a picture's file{otherwise}, got no base64", name) from None
