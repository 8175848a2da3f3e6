"""A mixed load for minutes: memory and file descriptors stay what they are once everything has been done before."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.load.client import Client, form, png, request
from tests.load.pictures import aligned, marked, photograph
from tests.load.server import serving

SECONDS, WARM_UP = 600, 120
CLIENTS = 6
GROWTH = 2**20  # bytes a minute


def run(folder: Path, share: float) -> dict[str, Any]:
    return asyncio.run(_run(folder, SECONDS * share, WARM_UP * share))


async def _run(folder: Path, seconds: float, warm_up: float) -> dict[str, Any]:
    face, hole = aligned()
    photo, part, eyes = photograph(1.0)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.png", png(face))
        archive.writestr("a_mask.png", png(hole))
        archive.writestr("b.png", png(face))
    wholes = png(photo), png(part)
    statuses: Counter[int] = Counter()
    wrong: list[str] = []

    def asked(number: int) -> tuple[bytes, set[int]]:
        own, kind = png(marked(face, number)), number % 9
        if kind < 4:
            return request("/v1/inpaint", *form(image=own, hole=png(hole), seed=str(number))), {200}
        accept = {"Accept": ["application/json", "text/event-stream"][number % 2]}
        return [
            (request("/v1/inpaint", *form(image=wholes[0], hole=wholes[1], eyes=f"[{eyes}]"), **accept), {200}),
            (request("/v1/inpaint", *form(image=wholes[0], hole=wholes[1]), **accept), {200}),
            (request("/v1/inpaint/batch", packed.getvalue(), "application/zip"), {200}),
            (request("/v1/inpaint", *form(image=own[:500], hole=png(hole), iterations=str(1 + number % 7))), {422}),
            (request("/v1/inpaint", *form(image=own, hole=png(hole), iterations=str(1 + number % 7))), {200}),
        ][kind - 4]

    async def client(first: int, port: int, until: float) -> None:
        asks, number = Client(port), first
        while time.monotonic() < until:
            number += CLIENTS
            sent, expected = asked(number)
            answer = await asks.ask(sent, 120)
            statuses[answer.status] += 1
            if answer.status not in expected | {429}:
                wrong.append(f"{answer.status}: {answer.body[:200]!r}")
        await asks.close()

    with serving(folder) as server:
        start = time.monotonic()
        clients = [asyncio.create_task(client(i, server.port, start + seconds)) for i in range(CLIENTS)]
        memory: list[tuple[float, int, int]] = []
        while not all(each.done() for each in clients):
            await asyncio.sleep(1)
            memory.append((time.monotonic() - start, server.memory(), server.files()))
        await asyncio.gather(*clients)
        await asyncio.sleep(6)  # until idle connections are closed
        at_rest = server.files()
    warm = np.array([each for each in memory if warm_up < each[0] < seconds])
    minutes = warm[:, 0] / 60
    growth = float(np.polyfit(minutes, warm[:, 1], 1)[0])
    figures = {
        "seconds": seconds,
        "statuses": dict(statuses),
        "MB after warm-up, at the end": [round(each / 2**20, 1) for each in (warm[0, 1], warm[-1, 1])],
        "MB a minute": round(growth / 2**20, 3),
        "file descriptors, least and most": [int(warm[:, 2].min()), int(warm[:, 2].max())],
        "at rest": at_rest,
        "wrong": wrong[:5],
    }
    assert not wrong, figures
    assert growth < GROWTH, figures
    # one a client, more or less
    assert np.ptp(warm[:, 2]) <= CLIENTS, figures
    return figures
