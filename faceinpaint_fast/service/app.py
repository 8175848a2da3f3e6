"""The application: which path does what, and the documents of its interface."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from faceinpaint_fast import __version__
from faceinpaint_fast.service import answers, documents, iopaint, refusal
from faceinpaint_fast.service.archive import MEDIA
from faceinpaint_fast.service.asked import Asked, file_of
from faceinpaint_fast.service.batch import Batch
from faceinpaint_fast.service.body import fields_of, whole
from faceinpaint_fast.service.call import Call
from faceinpaint_fast.service.door import ALONE, Door
from faceinpaint_fast.service.refusal import Refusal
from faceinpaint_fast.service.service import Answer, Service

LOG = logging.getLogger(__name__)
LEFT = 499  # the status of a request whose client does not wait for an answer
INPAINT, FACES, BATCH = "/v1/inpaint", "/v1/faces", "/v1/inpaint/batch"
PAGE = files("faceinpaint_fast") / "service" / "page"


def application(service: Service) -> Door:
    """Returns the application of a service, which warms up once it is served, and ends with it."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        warming = asyncio.create_task(asyncio.to_thread(service.warm_up))
        warming.add_done_callback(_warmed)
        if service.settings.workers > 1:
            # until then the others take what comes
            await asyncio.wait([warming])
        yield {"service": service}
        await asyncio.wait([warming])
        await asyncio.to_thread(service.end)

    app = FastAPIOffline(
        redoc_url=None,
        static_url="/docs/static",
        title="faceinpaint",
        version=__version__,
        description=documents.ABOUT,
        lifespan=lifespan,
    )
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)
    app.add_exception_handler(ClientDisconnect, _unheard)
    _add_work(app, service)
    _add_state(app, service)
    _add_page(app, service.settings.page)
    return Door(app, service.settings, service.measures, archives=BATCH)


def _warmed(warming: asyncio.Task[None]) -> None:
    if not warming.cancelled() and (error := warming.exception()):
        LOG.error("cannot work", exc_info=error)


def _add_work(app: FastAPI, service: Service) -> None:
    example = _example(service.size)

    @app.post(INPAINT, **documents.inpaint(example))
    async def inpaint(request: Request) -> Response:
        """Restore a picture where its hole is missing: an aligned face, or the faces of a photograph."""
        service.room.check()
        asked = Asked.of(await fields_of(request))
        return await _answered(request, service, asked)

    @app.post(FACES, **documents.faces(example))
    async def faces(request: Request) -> Response:
        """Find the faces of a picture."""
        service.room.check()
        fields = await fields_of(request)
        image = file_of(fields.pop("image", None), "image")
        if fields:
            raise Refusal(422, "fields: expected an image alone, got another", "image")
        with service.held():
            return JSONResponse(await service.find(image, _call(request)))

    @app.post(BATCH, **documents.batch())
    async def batch(request: Request) -> Response:
        """Restore the pictures of a zip or a tar, whose holes are called as they are with _mask behind the name."""
        service.room.check()
        data = await whole(request)
        with contextlib.ExitStack() as place:
            place.enter_context(service.held())
            fields = dict(request.query_params)
            made = await asyncio.to_thread(Batch.of, service, data, fields)
            return answers.Streamed(made.sent(), media_type=MEDIA[made.archive.kind], place=place.pop_all())

    @app.post(iopaint.PATH, **documents.iopaint(example))
    async def iopaint_inpaint(request: Request) -> Response:
        """Restore a picture as IOPaint's interface has it."""
        try:
            service.room.check()
            asked = iopaint.asked(await fields_of(request))
            call = _call(request)
            read = partial(iopaint.damaged, asked, service.settings.pixels)
            with service.held():
                answer = await service.restored(asked, call, read, faceless=True)
        except Refusal as why:
            return JSONResponse(iopaint.body_of(why, request.state.request_id), why.status, why.headers)
        return answers.picture(answer, asked.options.seed)


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", **documents.state("The process runs."))
    async def healthz() -> Response:
        """Say whether the process runs."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", **documents.state("Requests are answered without delay.", 503))
    async def readyz() -> Response:
        """Say whether requests are worked at: the engine is warm, and the service does not end."""
        return JSONResponse({"ready": service.is_ready}, 200 if service.is_ready else 503)

    @app.get("/metrics", **documents.metrics())
    async def metrics() -> Response:
        """Tell numbers of requests, queue, batches and seconds, as Prometheus reads them."""
        service.measures.told(service.room.requests, service.engine.waiting)
        return Response(service.measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_page(app: FastAPI, alone: Path | None) -> None:
    folder = Path(str(PAGE))
    if alone is not None:
        app.mount(ALONE, StaticFiles(directory=alone, html=True), "alone")

    app.mount("/page", StaticFiles(directory=folder), "page")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(folder / "index.html")


def _call(request: Request) -> Call:
    return Call(request.state.until)


async def _answered(request: Request, service: Service, asked: Asked) -> Response:
    """Returns what came of a request, in the way that it accepts."""
    request_id, kind = request.state.request_id, answers.wanted(request.headers.get("accept", ""))
    call = _call(request)
    events = answers.Events(request_id) if kind == answers.EVENTS else None
    if events:
        call.heard = events.hear
    task = _begun(service, asked, call)
    if events:
        return events.of(task)
    answer = await answers.unless_left(request, task)
    if answer is None:
        return Response(status_code=LEFT)
    if kind == answers.JSON:
        return JSONResponse(answers.as_json(answer, request_id))
    return answers.picture(answer, asked.options.seed)


def _begun(service: Service, asked: Asked, call: Call) -> asyncio.Task[Answer]:
    """Returns the work of a request, which has a place until it is done; a Refusal where there is none."""
    with contextlib.ExitStack() as place:
        place.enter_context(service.held())
        task = asyncio.create_task(service.restore(asked, call))
        kept = place.pop_all()
    # not within the task: one that is given up before it begins never gets there
    task.add_done_callback(lambda _: kept.close())
    return task


async def _refused(request: Request, error: Exception) -> Response:
    """Returns an error as every refusal is answered."""
    if isinstance(error, HTTPException):
        error = Refusal(error.status_code, f"path: {error.detail}", **dict(error.headers or {}))
    assert isinstance(error, Refusal)
    return answers.refused(error, request.state.request_id)


async def _failed(request: Request, _error: Exception) -> Response:
    """Returns the answer where something has gone wrong, which the door logs."""
    return answers.refused(refusal.unforeseen(), request.state.request_id)


async def _unheard(_request: Request, _error: Exception) -> Response:
    """Returns the answer to a client that has left, which nobody hears."""
    return Response(status_code=LEFT)


def _example(size: int) -> str:
    """Returns a picture of the model's size in base64, which is no face, but can be restored."""
    rows, columns = np.indices((size, size)) * 255 // (size - 1)
    file = BytesIO()
    Image.fromarray(np.stack([rows, columns, 255 - rows], axis=-1).astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
