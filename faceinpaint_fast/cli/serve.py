"""The command that restores over HTTP: serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceinpaint_fast.extras import of_extra

Text = str | None
Whole = int | None
Seconds = float | None


def serve(
    host: Annotated[Text, typer.Option(help="Address to listen at; by default this machine's own, 127.0.0.1.")] = None,
    port: Annotated[Whole, typer.Option(help="Port to listen at; 0: any that is free; by default 8000.")] = None,
    token: Annotated[
        Text, typer.Option(help="What a request must bear; better told by FACEINPAINT_TOKEN, which nobody sees.")
    ] = None,
    model: Annotated[Text, typer.Option(help="Model folder, or name of one that is installed.")] = None,
    device: Annotated[Text, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = None,
    config: Annotated[Text, typer.Option(help="default, fast, over-z, paper or paper-calibrated.")] = None,
    workers: Annotated[
        Whole, typer.Option(help="Processes that share the port, and the cores; on CUDA one a device.")
    ] = None,
    batch: Annotated[Whole, typer.Option(help="Faces of a batch, at most; by default 16.")] = None,
    window: Annotated[Seconds, typer.Option(help="Seconds that a face waits for company; by default 0.002.")] = None,
    queue: Annotated[
        Whole, typer.Option(help="Requests at a time; others are told to come again; by default 64.")
    ] = None,
    deadline: Annotated[Seconds, typer.Option(help="Seconds in which work must begin; by default 30.")] = None,
    page: Annotated[
        Path | None, typer.Option(help="Folder that faceinpaint page wrote: the page without a server, at /alone/.")
    ] = None,
) -> None:
    """Restore faces and photographs over HTTP, with a page to paint holes on.

    All options, and some more bounds, can be told by the environment, as FACEINPAINT_PORT; docs/service.md lists them.
    """
    with of_extra("serve"):
        from faceinpaint_fast.service.serve import serve as run
        from faceinpaint_fast.service.settings import settings_of

    run(
        settings_of(
            host=host,
            port=port,
            token=token,
            model=model,
            device=device,
            config=config,
            workers=workers,
            batch=batch,
            window=window,
            queue=queue,
            deadline=deadline,
            page=page,
        )
    )
