"""Who does the work of a command: this process, or many by Ray, here or on a cluster."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.extras import of_extra

if TYPE_CHECKING:
    from faceinpaint_fast.cluster.crew import Crew


class EngineName(enum.StrEnum):
    """Who does the work."""

    local = "local"
    ray = "ray"


Engine = Annotated[
    EngineName, typer.Option(help="This process, or many, here or on a cluster, by Ray: the extra cluster.")
]
Address = Annotated[
    str | None, typer.Option(help="Of a Ray cluster, as auto or HOST:6379; by default Ray is started here.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes on Ray; by default one a GPU, or one a core.")]
Threads = Annotated[int, typer.Option(min=1, help="Of each process on Ray without a GPU.")]


def crew_of(engine: EngineName, address: str | None, workers: int | None, threads: int, device: str) -> Crew | None:
    """Returns what is asked of Ray; None: this process does the work.

    Raises InputError for options of Ray without it, MissingExtraError where it is not installed.
    """
    if engine == EngineName.local:
        if (address, workers, threads) != (None, None, 1):
            raise InputError("--address, --workers, --threads: expected --engine ray with them, got local")
        return None
    from faceinpaint_fast.cluster.crew import Crew

    with of_extra("cluster"):
        import ray  # noqa: F401 - it is missed here, and not behind all that comes before it
    return Crew(address=address, workers=workers, threads=threads, device=device)
