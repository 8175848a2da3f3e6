"""The body of a request: taken in memory, up to a limit and a time, and read as a form or as JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pydantic_core
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from faceinpaint_fast.service.asked import shown
from faceinpaint_fast.service.refusal import Refusal

MOST_FIELDS = 32
LONGEST_FIELD = 64 * 1024  # bytes of a field that is no file
FORM, JSON = "multipart/form-data", "application/json"


class _InMemory(MultiPartParser):
    """Holds files in memory, which the limit of a body bounds: nothing of a picture goes to a disk."""

    spool_max_size = 2**62


async def fields_of(request: Request) -> dict[str, Any]:
    """Returns the fields of a request, files as bytes.

    Raises a Refusal: 415 for a body of another kind, 400 for one that is broken, 422 for a field that is there twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        return await _form(request.headers, request.stream())
    if kind == JSON:
        body = await whole(request)
        try:
            found = pydantic_core.from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise Refusal(400, f"body: expected JSON, got: {error}") from None
        if not isinstance(found, dict):
            raise Refusal(422, "body: expected an object")
        return found
    raise Refusal(415, f"body: expected {FORM} or {JSON}")


async def whole(request: Request) -> bytes:
    """Returns the body of a request."""
    return b"".join([chunk async for chunk in request.stream()])


async def _form(headers: Headers, stream: AsyncGenerator[bytes, None]) -> dict[str, Any]:
    parser = _InMemory(headers, stream, max_files=MOST_FIELDS, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD)
    try:
        form = await parser.parse()
    except (Refusal, ClientDisconnect):
        raise
    # of what a client sends the parser stumbles over more than it says
    except Exception as error:
        said = error.message if isinstance(error, MultiPartException) else "what cannot be parsed"
        raise Refusal(400, f"body: expected a form, got: {said}") from None
    found: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name in found:
            raise Refusal(422, "fields: expected each of them once", shown(name))
        if isinstance(value, UploadFile):
            found[name] = value.file.read()
            value.file.close()
        else:
            found[name] = value
    return found
