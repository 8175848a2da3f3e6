"""IOPaint's interface: what is asked and answered there, so that a program written for it needs another address."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.service import pictures
from faceinpaint_fast.service.asked import Asked, Options, file_of, options_of
from faceinpaint_fast.service.pictures import Damaged
from faceinpaint_fast.service.refusal import Refusal

PATH = "/api/v1/inpaint"


class Body(BaseModel):
    """What IOPaint is asked, as far as it is of use here; its other fields are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image: Annotated[str, Field(description="A picture in base64, or as a data URL.")]
    mask: Annotated[str, Field(description="Its mask, white = fill, in base64, or as a data URL.")]
    sd_seed: Annotated[int, Field(ge=-1, le=2**63 - 1, description="-1: any.")] = 42


def asked(fields: dict[str, Any]) -> Asked:
    """Returns what the fields of such a body ask for; a Refusal that names the field which does not fit."""
    body = options_of(Body, fields)
    seed = secrets.randbelow(2**31) if body.sd_seed == -1 else body.sd_seed
    return Asked(file_of(body.image, "image"), file_of(body.mask, "mask"), Options(seed=seed))


def damaged(asked: Asked, most: int) -> Damaged:
    """Returns the picture of a request with the hole that its mask shows; a Refusal for what does not fit."""
    its_format = pictures.claim(asked.image, "image", most).format
    picture = pictures.read(asked.image)
    assert isinstance(asked.hole, bytes)
    try:
        missing = pictures.mask(asked.hole, picture)
    except InputError as error:
        # as IOPaint says of one of another size
        raise Refusal(400, str(error), "mask") from error
    return Damaged(picture, its_format, picture.pixels, missing)


def body_of(why: Refusal, request_id: str) -> dict[str, Any]:
    """Returns what IOPaint answers where something is wrong, and the request's id."""
    return {
        "error": "HTTPException",
        "detail": why.message,
        "body": "",
        "errors": why.message,
        "request_id": request_id,
    }
