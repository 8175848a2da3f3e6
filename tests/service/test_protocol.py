"""Connections: a head that does not come, one that is too long, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from faceinpaint_fast.service import protocol
from faceinpaint_fast.service.protocol import Protocol
from faceinpaint_fast.service.serve import HEAD_BYTES

GOOD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Service:
    """Hears of the end."""

    def __init__(self):
        self.heard = 0

    def will_end(self):
        self.heard += 1


class App:
    """Answers after a while."""

    def __init__(self):
        self.service, self.seconds = Service(), 0.0

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            scope["state"]["service"] = self.service
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        await asyncio.sleep(self.seconds)
        await PlainTextResponse("done")(scope, receive, send)


@contextlib.asynccontextmanager
async def served(app):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=Protocol, lifespan="on", log_config=None, h11_max_incomplete_event_size=HEAD_BYTES, ws="none"
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
    finally:
        server.should_exit = True
        await task


def run(work, app=None):
    app = app or App()

    async def all_of_it():
        async with served(app) as connect:
            return await asyncio.wait_for(work(connect), 20)

    return asyncio.run(all_of_it())


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)


@pytest.mark.parametrize("begun", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_closes_the_connection(begun):
    async def work(connect):
        reader, writer = await connect()
        start = time.monotonic()
        writer.write(begun)
        assert await reader.read() == b""
        writer.close()
        return time.monotonic() - start

    assert 0.2 < run(work) < 5


def test_a_head_that_comes_byte_by_byte_has_no_more_time():
    async def work(connect):
        reader, writer = await connect()
        start = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in b"GET / HTTP/1.1\r\n" + b"x" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)
                if reader.at_eof():
                    break
        writer.close()
        return time.monotonic() - start

    assert run(work) < 3


def test_who_asks_is_answered_however_long_it_takes_and_again():
    app = App()
    app.seconds = 0.6

    async def work(connect):
        reader, writer = await connect()
        for _ in range(2):
            writer.write(GOOD)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(4) == b"done"
            # longer than a head may take: a connection that is kept has a time of its own
            await asyncio.sleep(0.5)
        writer.close()

    run(work, app)


def test_a_head_that_is_too_long_is_refused():
    async def work(connect):
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * (HEAD_BYTES + 1000))
        answer = await reader.read()
        writer.close()
        return answer

    assert run(work).startswith(b"HTTP/1.1 400")


def test_the_service_hears_of_the_end_while_it_is_asked():
    app = App()
    app.seconds = 0.3

    async def work(connect):
        reader, writer = await connect()
        writer.write(GOOD)
        await asyncio.sleep(0.1)
        return reader, writer

    async def all_of_it():
        async with served(app) as connect:
            reader, writer = await work(connect)
            assert app.service.heard == 0
        answer = await reader.read()
        writer.close()
        return answer

    assert asyncio.run(all_of_it()).startswith(b"HTTP/1.1 200")
    assert app.service.heard == 1
