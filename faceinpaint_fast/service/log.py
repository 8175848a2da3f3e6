"""What a service says on stderr: a line an event, JSON where that is no terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

ITS_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class Lines(logging.Formatter):
    """Makes a line of an event, with whatever belongs to it; no sign of a client's could end it, or colour it."""

    def __init__(self, *, is_json: bool) -> None:
        super().__init__()
        self._is_json = is_json

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line of an event."""
        more = {name: value for name, value in vars(record).items() if name not in ITS_OWN}
        if record.exc_info:
            more["traceback"] = self.formatException(record.exc_info)
        message = record.getMessage()
        if self._is_json:
            when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z"
            said: dict[str, Any] = {"time": when, "level": record.levelname.lower(), "event": message, **more}
            return json.dumps(said, default=str)
        parts = [message, *(f"{name}={value}" for name, value in more.items() if name != "traceback")]
        return "\n".join([f"faceinpaint: {' '.join(parts)}", *([more["traceback"]] if "traceback" in more else [])])


def log_to_stderr() -> None:
    """Has everything that is logged said on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(is_json=not sys.stderr.isatty()))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # which says each request again
    logging.getLogger("uvicorn.access").disabled = True
