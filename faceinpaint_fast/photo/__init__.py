"""A face in a photograph: found, moved into the model's frame, restored, and moved back."""

from __future__ import annotations

import functools
from typing import Any

from faceinpaint_fast.errors import InputError

EXTRA = "the extra `photo` (python -m pip install 'faceinpaint_fast[photo]')"


@functools.cache
def cv2() -> Any:
    """Returns OpenCV, which moves and filters photographs; InputError, which names the extra, where it is missing."""
    try:
        import cv2 as module
    except ImportError:
        raise InputError(f"photographs: expected {EXTRA}, got no OpenCV") from None
    return module
