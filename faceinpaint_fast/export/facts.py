"""What a file that leaves Python says of itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.models import Model


def facts_of(model: Model, config: InpaintConfig) -> dict[str, Any]:
    """Returns size, channels, tension (of the blend), framing, search, data, licence, sha256; not what is unknown."""
    kind = model.config
    told: dict[str, Any] = {
        "size": kind.size,
        "channels": kind.channels,
        "tension": config.at_size(kind.size).tension,
        "framing": asdict(kind.framing),
        "search": config.settings(),
        "data": kind.data,
        "licence": kind.licence,
        "sha256": dict(kind.sha256),
    }
    return {name: each for name, each in told.items() if each is not None}
