"""Many more clients than can be served, with an engine that is slow: who gets an answer gets his own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.load.client import Client, form, png, request
from tests.load.pictures import aligned, marked, photograph
from tests.load.server import serving

CLIENTS, SECONDS, SLOWED = 200, 60, 0.5
QUICK = 0.050  # seconds in which 99 of 100 hear that there is no room


def run(folder: Path, share: float) -> dict[str, Any]:
    return asyncio.run(_run(folder, max(4, round(CLIENTS * share)), max(5, SECONDS * share)))


async def _run(folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    kinds = [aligned(), *(photograph(factor)[:2] for factor in (0.7, 1.0, 1.6))]
    where = [None, *(photograph(factor)[2] for factor in (0.7, 1.0, 1.6))]
    statuses: Counter[int] = Counter()
    full: list[float] = []
    wrong: list[str] = []

    async def client(number: int, port: int, until: float) -> None:
        picture, hole = kinds[number % len(kinds)]
        own = marked(picture, number)
        fields: dict[str, Any] = {"image": png(own), "hole": png(hole), "seed": str(number)}
        # half of the photographs have their faces found
        if (eyes := where[number % len(kinds)]) and number % 8 < 4:
            fields["eyes"] = f"[{eyes}]"
        asked, asks = request("/v1/inpaint", *form(**fields)), Client(port)
        while time.monotonic() < until:
            answer = await asks.ask(asked, 120)
            statuses[answer.status] += 1
            if answer.status == 200:
                known = hole == 0
                if answer.picture.shape != own.shape or not (answer.picture[known] == own[known]).all():
                    wrong.append(f"client {number}: another picture")
                if answer.headers["x-seed"] != str(number):
                    wrong.append(f"client {number}: another seed")
            elif answer.status == 429:
                full.append(answer.seconds)
                await asyncio.sleep(float(answer.headers["retry-after"]))
        await asks.close()

    with serving(folder, slowed=SLOWED, queue=32) as server:
        until = time.monotonic() + seconds
        await asyncio.gather(*(client(number, server.port, until) for number in range(clients)))
        p99 = float(np.percentile(full, 99)) if full else None
        figures = {
            "clients": clients,
            "seconds": seconds,
            "statuses": dict(statuses),
            "wrong": wrong[:5],
            "429 p99 in ms": p99 and round(1000 * p99, 1),
        }
    assert statuses.keys() <= {200, 429}, figures
    assert statuses[200], figures
    assert not wrong, figures
    assert p99 is None or p99 < QUICK, figures
    return figures
