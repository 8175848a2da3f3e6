"""Many more clients than can be served, with an engine that is slow: who gets an answer gets his own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.load.client import Answer, Client, form, png, request
from tests.load.pictures import aligned, marked, photograph
from tests.load.server import serving

CLIENTS, SECONDS, SLOWED = 200, 60, 0.5
QUICK = 50  # ms in which 99 of 100 hear that there is no room


def run(folder: Path, share: float) -> dict[str, Any]:
    return asyncio.run(_run(folder, max(4, round(CLIENTS * share)), max(5, SECONDS * share)))


async def _run(folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    kinds = [aligned(), *(photograph(factor)[:2] for factor in (0.7, 1.0, 1.6))]
    where = [None, *(photograph(factor)[2] for factor in (0.7, 1.0, 1.6))]
    statuses: Counter[int] = Counter()
    # of those for whom there was no room: the first of each client, which all come in one moment, and the others
    at_once: list[float] = []
    full: list[float] = []
    wrong: list[str] = []

    # all of it beforehand and afterwards: a client that is busy would take its own time for the service's
    asked, own = [], []
    for number in range(clients):
        picture, hole = kinds[number % len(kinds)]
        own.append(marked(picture, number))
        fields: dict[str, Any] = {"image": png(own[-1]), "hole": png(hole), "seed": str(number)}
        # half of the photographs have their faces found
        if (eyes := where[number % len(kinds)]) and number % 8 < 4:
            fields["eyes"] = f"[{eyes}]"
        asked.append(request("/v1/inpaint", *form(**fields)))
    restored: list[tuple[int, Answer]] = []

    async def client(number: int, port: int, until: float) -> None:
        asks, told = Client(port), at_once
        while time.monotonic() < until:
            answer = await asks.ask(asked[number], 120)
            statuses[answer.status] += 1
            if answer.status == 200:
                restored.append((number, answer))
            elif answer.status == 429:
                told.append(answer.seconds)
                await asyncio.sleep(float(answer.headers["retry-after"]))
            told = full
        await asks.close()

    with serving(folder, slowed=SLOWED, queue=32) as server:
        until = time.monotonic() + seconds
        await asyncio.gather(*(client(number, server.port, until) for number in range(clients)))
        for number, answer in restored:
            known = kinds[number % len(kinds)][1] == 0
            its_own = answer.picture.shape == own[number].shape and (answer.picture[known] == own[number][known]).all()
            if not its_own or answer.headers["x-seed"] != str(number):
                wrong.append(f"client {number}: another picture")
        p99, later = (_p99(told) for told in (at_once + full, full))
        figures = {
            "clients": clients,
            "seconds": seconds,
            "statuses": dict(statuses),
            "wrong": wrong[:5],
            "429 p99 in ms": p99,
            "... but for the first of each": later,
        }
    assert statuses.keys() <= {200, 429}, figures
    assert statuses[200], figures
    assert not wrong, figures
    assert p99 is None or p99 < QUICK, figures
    return figures


def _p99(seconds: list[float]) -> float | None:
    """Returns the time in ms within which 99 of 100 have an answer."""
    return round(1000 * float(np.percentile(seconds, 99)), 1) if seconds else None
