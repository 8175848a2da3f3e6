"""What nobody should send: everything is answered as it should be, and good requests hardly notice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.load.client import Client, form, png, request
from tests.load.pictures import aligned
from tests.load.server import lines, serving

HALF_OPEN, SLOW, ROUNDS = 100, 20, 5
TOKEN = "0123456789abcdef"
MORE = 1.0  # seconds that a good request may take more
EVIL = ["../../../etc/passwd", "x\r\nSet-Cookie: a=b", "\x1b[31m", "a" * 5000, "\\\\host\\share", "nul\x00l", "日本"]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming(width: int, height: int) -> bytes:
    """A PNG that claims so many pixels, and holds a few."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def bomb(side: int) -> bytes:
    """A PNG whose pixels are there, all black."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes((side + 1) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def run(folder: Path, share: float) -> dict[str, Any]:
    return asyncio.run(_run(folder, max(4, round(HALF_OPEN * share)), max(1, round(ROUNDS * share))))


async def _run(folder: Path, half_open: int, rounds: int) -> dict[str, Any]:
    picture, hole = aligned()
    image, mask = png(picture), png(hole)
    bears = {"Authorization": f"Bearer {TOKEN}"}
    good = request("/v1/inpaint", *form(image=image, hole=mask), **bears)
    large = b"x" * (60 * 2**20)
    form_of = request

    def posted(body: bytes, kind: str, path: str = "/v1/inpaint", **headers: str) -> bytes:
        return form_of(path, body, kind, **(bears | headers))

    def with_fields(**fields: Any) -> bytes:
        return posted(*form(**fields))

    def chunked(body: bytes) -> bytes:
        head = f"POST /v1/inpaint HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head.encode() + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"

    def named(name: str) -> bytes:
        body, kind = form(image=image, hole=mask)
        return posted(body.replace(b"x.png", name.replace('"', "").encode(), 1), kind)

    told: dict[str, tuple[bytes, set[int]]] = {
        "60 MB": (posted(large, "application/json"), {413}),
        "60 MB in chunks": (chunked(large), {413}),
        "no token": (request("/v1/inpaint", *form(image=image, hole=mask)), {401}),
        "bad token": (request("/v1/inpaint", *form(image=image, hole=mask), Authorization="Bearer x"), {401}),
        "token of bytes": (request("/v1/inpaint", *form(image=image, hole=mask), Authorization="Bearer \xff"), {401}),
        "bad JSON": (posted(b'{"image": ', "application/json"), {400}),
        "deep JSON": (posted(b"[" * 100_000, "application/json"), {400}),
        "JSON of a number": (posted(b"1e999", "application/json"), {400, 422}),
        "a long number": (
            posted(b'{"image": "", "hole": "left", "seed": ' + b"9" * 5000 + b"}", "application/json"),
            {400, 422},
        ),
        "not UTF-8": (posted(b'{"image": "\xff"}', "application/json"), {400}),
        "form without limit": (posted(b"x", "multipart/form-data"), {400}),
        "form of nothing": (posted(b"", "multipart/form-data; boundary=x"), {400, 422}),
        "form that ends": (posted(form(image=image)[0][:-30], form(image=image)[1]), {400, 422}),
        "form of many": (with_fields(**{f"f{i}": "x" for i in range(100)}), {400}),
        "another kind": (posted(b"x", "text/plain"), {415}),
        "no picture": (with_fields(image=b"<svg/>", hole=mask), {415}),
        "half a picture": (with_fields(image=image[: len(image) // 2], hole=mask), {422}),
        "a claim": (with_fields(image=claiming(30_000, 30_000), hole=mask), {413}),
        "a claim beyond": (with_fields(image=claiming(2**31 - 1, 2**31 - 1), hole=mask), {413, 415, 422}),
        "a bomb": (with_fields(image=bomb(8000), hole=mask), {413}),
        "a bomb as hole": (with_fields(image=image, hole=bomb(8000)), {413}),
        "bad seed": (with_fields(image=image, hole=mask, seed="x"), {422}),
        "a field more": (with_fields(image=image, hole=mask, colour="red"), {422}),
        "a field twice": (posted(form(image=image, hole=mask)[0].replace(b'"hole"', b'"image"'), form()[1]), {422}),
        "far boxes": (with_fields(image=image, hole=mask, boxes="[[0, 0, 1e6, 1e6]]"), {422}),
        "flat boxes": (with_fields(image=image, hole=mask, boxes="[[5, 5, 0, 0]]"), {422}),
        "landmarks askew": (
            with_fields(image=image, hole=mask, landmarks="[[[9,9],[1,1],[5,5],[9,1],[1,9]]]"),
            {200, 422},
        ),
        "no archive": (posted(b"PK\x03\x04xx", "application/zip", "/v1/inpaint/batch"), {400}),
        "nowhere": (posted(b"", "text/plain", "/v1/../../etc/passwd"), {404, 405}),
        **{f"name {i}": (named(name), {200, 400}) for i, name in enumerate(EVIL)},
    }
    with serving(folder, token=TOKEN) as server:
        asks = Client(server.port)
        before = [(await asks.ask(good)).seconds for _ in range(10)]
        # the heads of requests that never end, and bodies that come byte by byte
        idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(half_open)]
        for i, (_, writer) in enumerate(idle):
            writer.write(b"POST /v1/inpaint HTTP/1.1\r\nHost: x\r\n" if i % 2 else b"")

        async def slowly() -> int | None:
            body = good[:-1]
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            with contextlib.suppress(OSError):
                for i in range(len(body)):
                    writer.write(body[i : i + 1])
                    await writer.drain()
                    await asyncio.sleep(0.05)
                    if reader.at_eof():
                        break
            writer.close()
            return None

        slow = [asyncio.create_task(slowly()) for _ in range(SLOW)]
        during: list[float] = []
        answered: Counter[str] = Counter()
        over = asyncio.Event()

        async def go_on() -> None:
            while not over.is_set():
                answer = await asks.ask(good)
                assert answer.status == 200, answer.body
                during.append(answer.seconds)
                await asyncio.sleep(0.05)

        going = asyncio.create_task(go_on())
        wrong = []
        for _ in range(rounds):
            for name, (asked, expected) in told.items():
                answer = await Client(server.port).ask(asked)
                answered[str(answer.status)] += 1
                if answer.status not in expected:
                    wrong.append(f"{name}: {answer.status} {answer.body[:200]!r}")
                elif "x-request-id" not in answer.headers:
                    wrong.append(f"{name}: no request id")
        # longer than a head may take
        await asyncio.sleep(max(0.0, 11 - sum(during)))
        over.set()
        await going
        closed = 0
        for reader, writer in idle:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(12):
                    closed += not await reader.read()
            writer.close()
        for each in slow:
            each.cancel()
        said = server.log.read_bytes()
        figures = {
            "requests": answered.total(),
            "statuses": dict(answered),
            "wrong": wrong[:8],
            "good before, median ms": round(1000 * float(np.median(before)), 1),
            "good meanwhile, median and most ms": [
                round(1000 * float(each), 1) for each in (np.median(during), max(during))
            ],
            "half-open closed": closed,
            "of": half_open,
        }
    assert not wrong, figures
    assert max(during) < max(before) + MORE, figures
    assert closed == half_open, figures
    assert b"\x1b" not in said, figures
    assert all(isinstance(line, dict) for line in map(json.loads, said.splitlines())), figures
    assert not [line for line in lines(server.log) if line.get("status") == 500], figures
    return figures
