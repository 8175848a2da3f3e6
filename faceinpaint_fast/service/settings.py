"""What a service is told: by the command line, or by environment variables that begin with FACEINPAINT_."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from faceinpaint_fast.config import PRESETS, InpaintConfig
from faceinpaint_fast.errors import InputError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SECONDS_TO_END = 10  # from SIGTERM on


class Settings(BaseSettings):
    """How a service restores, where it listens, and what bounds it.

    host, port     where it listens; a port of 0 is any that is free
    token          what a request must bear; None: nothing
    model          name or folder of a model
    device         of torch, "auto" among them
    config         preset of the search, with which results do not depend on the batch
    workers        processes that share the port, each with an engine of its own and a share of the cores
    batch, window  faces of a batch, at most, and seconds that one waits for others
    queue          requests that are worked at or wait at a time; one more is told to come again
    deadline       seconds in which a request must have come in whole and its work have begun
    body, archive  bytes of a request's body, and of an archive's
    pixels         of a picture, at most
    connections    at a time
    page           folder that `faceinpaint page` wrote, the page that needs no service; None: it is not served
    """

    model_config = SettingsConfigDict(env_prefix="FACEINPAINT_", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    token: SecretStr | None = None
    model: str | None = None
    device: str = "auto"
    config: str = "default"
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    batch: Annotated[int, Field(ge=1, le=1024)] = 16
    window: Annotated[float, Field(ge=0, le=1)] = 0.002
    queue: Annotated[int, Field(ge=1, le=4096)] = 64
    deadline: Annotated[float, Field(gt=0, le=3600)] = 30.0
    body: Annotated[int, Field(ge=1024)] = 10 * 2**20
    archive: Annotated[int, Field(ge=1024)] = 100 * 2**20
    pixels: Annotated[int, Field(ge=1)] = 40_000_000
    connections: Annotated[int, Field(ge=1)] = 1000
    page: Path | None = None

    @field_validator("config")
    @classmethod
    def _is_preset(cls, name: str) -> str:
        if name not in PRESETS:
            raise ValueError(f"expected one of {', '.join(PRESETS)}")
        return name

    @field_validator("page")
    @classmethod
    def _is_written(cls, page: Path | None) -> Path | None:
        if page is not None and not (page / "index.html").is_file():
            raise ValueError(f"expected a folder that `faceinpaint page` wrote, got {page}")
        return page

    @field_validator("token")
    @classmethod
    def _is_long_enough(cls, token: SecretStr | None) -> SecretStr | None:
        # an empty variable is an unset one, and would else let everybody in
        if token is not None and len(token.get_secret_value()) < 16:
            raise ValueError("expected 16 characters or more")
        return token

    @property
    def search(self) -> InpaintConfig:
        """The config of the search, whose results are the same in batches of any size."""
        return PRESETS[self.config].with_settings({"batch_invariant": "true"})

    @property
    def is_open(self) -> bool:
        """Whether others than this machine may ask without a token."""
        return self.host not in LOOPBACK and self.token is None


def settings_of(**told: Any) -> Settings:
    """Returns the settings that are told, or where that is None, those of the environment; InputError for others."""
    try:
        return Settings(**{name: value for name, value in told.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
