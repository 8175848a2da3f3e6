"""The door of the service: every request gets an id, shows its token, and keeps to the bounds of bodies and time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faceinpaint_fast.service.asked import shown
from faceinpaint_fast.service.measures import Measures
from faceinpaint_fast.service.refusal import Refusal, busy, unforeseen
from faceinpaint_fast.service.settings import Settings

BODIES = 32  # of the largest size, that are held at a time
LINGER = 2.0  # seconds in which a refused request may go on sending, so that it hears why
LINGER_BYTES = 2**27
DOCUMENTS = "/docs"
ALONE = "/alone"  # where the page is that needs no service
GUARDED = ("/v1/", "/api/", "/metrics")  # what a token opens
LOG = logging.getLogger("faceinpaint_fast.service")
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; worker-src 'self' blob:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
}
# Swagger's page begins with a script of its own
OF_DOCUMENTS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; script-src 'self' 'unsafe-inline';"
    " style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
}
# that page has a policy in itself
OF_ALONE = {"content-security-policy": "frame-ancestors 'none'"}


class Door:
    """An application behind a door.

    archives  the path whose body may be an archive
    """

    def __init__(self, app: ASGIApp, settings: Settings, measures: Measures, *, archives: str) -> None:
        self._app, self._settings, self._measures, self._archives = app, settings, measures, archives
        token = settings.token
        self._token = None if token is None else _digest(token.get_secret_value().encode())
        self._held = 0  # bytes of bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(self, scope, receive, send)
        try:
            await visit.served()
        finally:
            self._held -= visit.held

    def _limit(self, path: str) -> int:
        return self._settings.archive if path == self._archives else self._settings.body

    def _is_let_in(self, path: str, headers: Headers) -> bool:
        if self._token is None or not path.startswith(GUARDED):
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        # digests are of one length, so that the time tells nothing of the token
        return scheme.lower() == "bearer" and hmac.compare_digest(_digest(token.strip().encode()), self._token)


class _Visit:
    """A request at the door."""

    def __init__(self, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
        self.door, self.scope, self._receive, self._send = door, scope, receive, send
        self.id = uuid.uuid4().hex
        self.held = 0
        self._settings = door._settings
        self._since = time.monotonic()
        self._until = self._since + self._settings.deadline
        self._headers = Headers(scope=scope)
        self._status = 0
        self._is_whole = False
        self._read = 0
        scope.setdefault("state", {}).update(request_id=self.id, until=self._until)

    async def served(self) -> None:
        path = self.scope["path"]
        try:
            if not self.door._is_let_in(path, self._headers):
                raise Refusal(401, "token: expected Authorization: Bearer and the service's token",
                              WWW_Authenticate="Bearer")  # fmt: skip
            declared = self._headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > self.door._limit(path):
                raise self._too_large()
            await self.door._app(self.scope, self.receive, self.send)
        except Refusal as refusal:
            await self._refuse(refusal)
        except Exception:
            LOG.exception("unforeseen", extra={"request_id": self.id})
            if not self._status:
                await self._refuse(unforeseen())
        finally:
            self._note()

    async def receive(self) -> Message:
        """Returns the next piece of the body, within its bounds."""
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(408, f"body: expected it whole within {self._settings.deadline:g} s") from None
        self._count(message)
        size = len(message.get("body", b""))
        self.held += size
        self.door._held += size
        limit = self.door._limit(self.scope["path"])
        if self._read > limit:
            raise self._too_large()
        if self.door._held > max(BODIES * self._settings.body, self._settings.archive):
            raise busy(1)
        return message

    async def send(self, message: Message) -> None:
        """Sends a piece of the answer; before the first one, what is still sent is heard to its end."""
        if message["type"] == "http.response.start":
            await self._linger()
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.id
            headers.update(_safe(self.scope["path"]))
            if not self._is_whole:
                headers["connection"] = "close"
        await self._send(message)

    async def _refuse(self, refusal: Refusal) -> None:
        body = json.dumps(refusal.body(self.id)).encode()
        headers = {**refusal.headers, "content-type": "application/json", "content-length": str(len(body))}
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})

    async def _linger(self) -> None:
        """Lets go of what is left of a body: a client that is sending would not hear the answer."""
        # one that waits to be told to go on has nothing on its way
        if not self._read and self._headers.get("expect", "").lower() == "100-continue":
            return
        try:
            async with asyncio.timeout(LINGER):
                while not self._is_whole and self._read < LINGER_BYTES:
                    self._count(await self._receive())
        except TimeoutError:
            pass

    def _count(self, message: Message) -> None:
        self._read += len(message.get("body", b""))
        self._is_whole = message["type"] == "http.disconnect" or not message.get("more_body", False)

    def _too_large(self) -> Refusal:
        limit = self.door._limit(self.scope["path"])
        return Refusal(413, f"body: expected {limit} bytes or fewer, got more")

    def _note(self) -> None:
        route = getattr(self.scope.get("route"), "path", "other")
        status = str(self._status or 499)  # 499: the client has gone
        self.door._measures.requests.labels(route, status).inc()
        said = {
            "request_id": self.id,
            "method": shown(self.scope["method"]),
            "path": shown(self.scope["path"]),
            "status": int(status),
            "seconds": round(time.monotonic() - self._since, 4),
        }
        LOG.info("request", extra=said)


def _safe(path: str) -> dict[str, str]:
    """Returns the headers by which a browser keeps to what a page may do."""
    if path == DOCUMENTS:
        return SAFE | OF_DOCUMENTS
    return SAFE | OF_ALONE if path.startswith(f"{ALONE}/") else SAFE


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
