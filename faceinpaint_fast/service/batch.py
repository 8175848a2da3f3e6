"""A batch: the pictures of an archive restored, a few at a time, and sent in an archive as they are done."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from faceinpaint_fast import holes
from faceinpaint_fast.service.archive import Archive, Item, Written
from faceinpaint_fast.service.asked import Asked, Options, file_of, options_of
from faceinpaint_fast.service.call import Call
from faceinpaint_fast.service.refusal import Refusal
from faceinpaint_fast.service.service import Answer, Service

AGAIN = 0.2  # seconds until a picture asks again for room
SUFFIXES = {"image/jpeg": ".jpg", "image/tiff": ".tif", "image/x-portable-pixmap": ".ppm"}


class BatchOptions(Options):
    """How the pictures of an archive are to be restored."""

    boxes: None = None
    eyes: None = None
    landmarks: None = None
    hole: Annotated[
        str | None, Field(max_length=100, description="The hole of pictures without one, by its name, as centre.")
    ] = None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """An archive that is to be restored by a service."""

    service: Service
    archive: Archive
    options: Options
    hole: str | None

    @classmethod
    def of(cls, service: Service, data: bytes, fields: dict[str, Any]) -> Batch:
        """Returns what a body and the fields of an address ask for; a Refusal for what does not fit."""
        told = options_of(BatchOptions, fields)
        if told.hole is not None and not holes.is_said(told.hole):
            raise Refusal(422, "hole: expected a hole's name, as centre", "hole")
        options = Options(**told.model_dump(exclude={"hole"}))
        return cls(service, Archive.of(data, service.settings.body), options, told.hole)

    async def sent(self) -> AsyncIterator[bytes]:
        """Yields the archive of what comes of it, piece by piece, in the order of names."""
        written = Written(self.archive.kind)
        left, working = deque(self.archive.items), deque[tuple[Item, asyncio.Task[Answer]]]()
        try:
            while left or working:
                while left and len(working) < self.service.settings.batch:
                    item = left.popleft()
                    working.append((item, asyncio.create_task(self._restored(item))))
                item, task = working.popleft()
                if piece := await self._added(written, item, task):
                    yield piece
            yield written.end()
        finally:
            for _, task in working:
                task.cancel()

    async def _added(self, written: Written, item: Item, task: asyncio.Task[Answer]) -> bytes:
        """Adds what came of a picture, and a line on it; returns what is to be sent now."""
        line: dict[str, Any] = {"input": item.name, "output": None, "error": None}
        piece = b""
        try:
            answer = await task
            media = answer.picture.media_type
            line["output"] = written.place(item.name, SUFFIXES.get(media, f".{media.partition('/')[2]}"))
            piece = written.add(line["output"], answer.picture.data)
            line |= {
                "faces": len(answer.faces),
                "losses": answer.losses,
                "remarks": answer.remarks,
                "seconds": answer.seconds["total"],
            }
        except Refusal as refusal:
            line["error"] = refusal.message
        written.note(line)
        return piece

    async def _restored(self, item: Item) -> Answer:
        image = await asyncio.to_thread(item.image)
        if item.hole is None and self.hole is None:
            raise Refusal(422, "hole: expected one called as its picture with _mask, or hole=NAME", "hole")
        hole = self.hole if item.hole is None else await asyncio.to_thread(item.hole)
        asked = Asked(image, file_of(hole, "hole") if isinstance(hole, bytes) else str(hole), self.options)
        while True:
            try:
                return await self.service.restore(asked, Call(time.monotonic() + self.service.settings.deadline))
            except Refusal as refusal:
                if refusal.status != 429:
                    raise
            # other requests have the room for its pixels
            await asyncio.sleep(AGAIN)
