"""Answers of requests: a picture with what was done in headers, JSON, or events as the work goes on."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from faceinpaint_fast.service import refusal
from faceinpaint_fast.service.refusal import Refusal
from faceinpaint_fast.service.service import Answer

LOG = logging.getLogger(__name__)
JSON, EVENTS = "application/json", "text/event-stream"


def wanted(accept: str) -> str:
    """Returns which of the answers a request accepts best: EVENTS or JSON where it names them, else the picture, ""."""
    kinds = [each.partition(";")[0].strip().lower() for each in accept.split(",")]
    return next((each for each in kinds if each in (JSON, EVENTS)), "")


def picture(answer: Answer, seed: int) -> Response:
    """Returns the restored picture, with what was done in headers."""
    timing = ", ".join(f"{name.replace(' ', '-')};dur={1000 * took:.1f}" for name, took in answer.seconds.items())
    headers = {
        "X-Seed": str(seed),
        "X-Faces": str(sum(face["restored"] for face in answer.faces)),
        "X-Losses": json.dumps(answer.losses),
        "X-Remarks": json.dumps(answer.remarks),
        "Server-Timing": timing,
    }
    return Response(answer.picture.data, media_type=answer.picture.media_type, headers=headers)


def as_json(answer: Answer, request_id: str) -> dict[str, Any]:
    """Returns all of an answer, as JSON has it."""
    return {
        "picture": base64.b64encode(answer.picture.data).decode(),
        "media_type": answer.picture.media_type,
        "faces": answer.faces,
        "losses": answer.losses,
        "remarks": answer.remarks,
        "seconds": answer.seconds,
        "request_id": request_id,
    }


def refused(why: Refusal, request_id: str) -> JSONResponse:
    """Returns why a request was not done."""
    return JSONResponse(why.body(request_id), why.status, why.headers)


async def unless_left(request: Request, task: asyncio.Task[Answer]) -> Answer | None:
    """Returns what comes of a request's work; None, and the work is given up, where the client leaves before."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    leaves = asyncio.create_task(left())
    try:
        await asyncio.wait({task, leaves}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        leaves.cancel()
        task.cancel()


class Streamed(StreamingResponse):
    """An answer that is sent as it is made, and has a place until it is sent, or the client has left."""

    def __init__(self, content: AsyncIterator[bytes], *, media_type: str, place: contextlib.ExitStack) -> None:
        super().__init__(content, media_type=media_type)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        with self._place:
            await super().__call__(scope, receive, send)


class Events:
    """Events that tell a client how its request goes on, and at last its result, or an error."""

    def __init__(self, request_id: str) -> None:
        self._id, self._loop = request_id, asyncio.get_running_loop()
        self._heard = asyncio.Queue[tuple[str, dict[str, Any]]]()

    def hear(self, stage: str, done: int, of: int) -> None:
        """Hears how the request goes on; called by any thread."""
        # the loop has ended, and so has the client
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(
                self._heard.put_nowait, ("progress", {"stage": stage, "done": done, "of": of})
            )

    def of(self, task: asyncio.Task[Answer]) -> Response:
        """Returns the events of a request's work, which is given up where the client leaves."""
        task.add_done_callback(lambda _: self._heard.put_nowait(self._last(task)))
        return StreamingResponse(self._told(task), media_type=EVENTS, headers={"Cache-Control": "no-store"})

    async def _told(self, task: asyncio.Task[Answer]) -> AsyncIterator[bytes]:
        kind = ""
        try:
            while kind not in ("result", "error"):
                kind, said = await self._heard.get()
                yield f"event: {kind}\ndata: {json.dumps(said)}\n\n".encode()
        finally:
            task.cancel()

    def _last(self, task: asyncio.Task[Answer]) -> tuple[str, dict[str, Any]]:
        if not task.cancelled() and task.exception() is None:
            return "result", as_json(task.result(), self._id)
        error = refusal.closing() if task.cancelled() else task.exception()
        if not isinstance(error, Refusal):
            LOG.error("unforeseen", exc_info=error, extra={"request_id": self._id})
            error = refusal.unforeseen()
        return "error", {**error.body(self._id), "status": error.status}
