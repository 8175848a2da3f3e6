"""Ends in the midst of work: by SIGTERM all that was taken is answered, by SIGKILL the service is back soon."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.load.client import Client, form, png, request
from tests.load.pictures import aligned
from tests.load.server import Server, serving

TIMES_TERM, TIMES_KILL, CLIENTS = 20, 10, 12
BACK = 5.0  # seconds in which it serves again


def sigterm(folder: Path, share: float) -> dict[str, Any]:
    """Each time it begins anew, works for a while, and is told to end."""
    answered: Counter[str] = Counter()
    exits: Counter[int] = Counter()
    took, ready = [], []
    for _ in range(max(1, round(TIMES_TERM * share))):
        with serving(folder, wait=False) as server:
            ready.append(server.wait())
            seconds = asyncio.run(_until_ended(server, answered))
            took.append(seconds)
            exits[server.process.returncode] += 1
    figures = {
        "times": len(took),
        "answers": dict(answered),
        "exit statuses": dict(exits),
        "most seconds to end": round(max(took), 2),
        "seconds to be ready, least and most": [round(each, 1) for each in (min(ready), max(ready))],
    }
    assert exits.keys() == {0}, figures
    assert max(took) < 11, figures
    assert answered["in silence"] == 0, figures
    return figures


async def _until_ended(server: Server, answered: Counter[str]) -> float:
    over = asyncio.Event()
    clients = [asyncio.create_task(_client(server.port, over, answered)) for _ in range(CLIENTS)]
    await asyncio.sleep(1.5)
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    while server.process.poll() is None:
        await asyncio.sleep(0.02)
    seconds = time.monotonic() - start
    over.set()
    await asyncio.gather(*clients)
    return seconds


async def _client(port: int, over: asyncio.Event, answered: Counter[str]) -> None:
    """Asks again and again, each time by a connection of its own; what is taken and not answered is lost in silence."""
    picture, hole = aligned()
    asked = request("/v1/inpaint", *form(image=png(picture), hole=png(hole)), Connection="close")
    while not over.is_set():
        try:
            answer = await Client(port).ask(asked, 30)
            answered[str(answer.status)] += 1
        except ConnectionRefusedError:
            answered["nobody there"] += 1
            await asyncio.sleep(0.05)
        except (ConnectionError, TimeoutError) as error:
            # the system resets what it has taken and nobody has read
            answered["reset" if "Reset" in str(error) or "reset" in str(error) else "in silence"] += 1


def sigkill(folder: Path, share: float) -> dict[str, Any]:
    """A worker of two is killed in the midst of work; the other goes on, and soon there are two again."""
    answered: Counter[str] = Counter()
    with serving(folder, workers=2) as server:
        seconds, two = asyncio.run(_killed(server, max(1, round(TIMES_KILL * share)), answered))
    figures = {
        "times": len(seconds),
        "answers": dict(answered),
        "most seconds to the next answer": round(max(seconds), 2),
        "seconds to two workers, median and most": [round(sorted(two)[len(two) // 2], 1), round(max(two), 1)],
    }
    assert max(seconds) < BACK, figures
    return figures


async def _killed(server: Server, times: int, answered: Counter[str]) -> tuple[list[float], list[float]]:
    over = asyncio.Event()
    while len(server.workers()) < 2:
        await asyncio.sleep(0.1)
    clients = [asyncio.create_task(_client(server.port, over, answered)) for _ in range(4)]
    picture, hole = aligned()
    asked = request("/v1/inpaint", *form(image=png(picture), hole=png(hole)), Connection="close")
    seconds, two = [], []
    for turn in range(times):
        await asyncio.sleep(1)
        before = server.workers()
        killed = before[turn % 2]
        os.kill(killed, signal.SIGKILL)
        start = time.monotonic()
        while True:
            try:
                answer = await Client(server.port).ask(asked, 30)
            except (ConnectionError, TimeoutError):
                continue
            if answer.status == 200:
                break
        seconds.append(time.monotonic() - start)
        while not (len(now := server.workers()) == 2 and killed not in now):
            await asyncio.sleep(0.1)
        two.append(time.monotonic() - start)
    over.set()
    await asyncio.gather(*clients)
    return seconds, two
