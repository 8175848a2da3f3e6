"""What a request is refused with: a status, a message that says what to do, and the field that is wrong."""

from __future__ import annotations

from typing import Any

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import FormatError, PixelsError


class Refusal(Exception):
    """A request is not done.

    status   of HTTP
    message  what was expected, and what came
    field    of the request that it is about, if it is about one
    headers  of the answer
    """

    def __init__(self, status: int, message: str, field: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.field = status, message, field
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def body(self, request_id: str) -> dict[str, Any]:
        """Returns what is answered, as JSON has it."""
        return {"error": {"message": self.message, "field": self.field}, "request_id": request_id}


def late() -> Refusal:
    """Returns the refusal of what could not begin in time."""
    return Refusal(504, "deadline: expected the work to begin in time, got a service that is too busy: try again later")


def closing() -> Refusal:
    """Returns the refusal of what is asked of a service that ends."""
    return Refusal(503, "service: expected to be running, it is ending: try again", Retry_After="1")


def busy(seconds: int) -> Refusal:
    """Returns the refusal of what there is no room for, which may be asked again after so many seconds."""
    return Refusal(429, f"queue: expected room, got none: try again in {seconds} s", Retry_After=str(seconds))


def unforeseen() -> Refusal:
    """Returns the refusal of what went wrong in a way that nobody has thought of."""
    return Refusal(500, "service: something went wrong, its log says what")


def of(error: InputError, field: str) -> Refusal:
    """Returns the refusal of a field that does not fit."""
    status = 415 if isinstance(error, FormatError) else 413 if isinstance(error, PixelsError) else 422
    return Refusal(status, str(error), field)
