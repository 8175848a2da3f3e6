"""What schemathesis is told of archives: their bytes are sent as they are."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/zip", "application/x-tar")
def archive(_context: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else getattr(value, "data", str(value).encode())
