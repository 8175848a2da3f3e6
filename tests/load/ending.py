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
    took, ready, last = [], [], []
    for _ in range(max(1, round(TIMES_TERM * share))):
        with serving(folder, wait=False) as server:
            ready.append(server.wait())
            seconds, answer = asyncio.run(_until_ended(server, answered))
            took.append(seconds)
            last.append(answer)
            exits[server.process.returncode] += 1
    figures = {
        "times": len(took),
        "answers": dict(answered),
        "exit statuses": dict(exits),
        "most seconds to the last answer, and to the end": [round(max(last), 2), round(max(took), 2)],
        "seconds to be ready, least and most": [round(each, 1) for each in (min(ready), max(ready))],
    }
    assert exits.keys() == {0}, figures
    # and Python's own end, which a busy machine prolongs
    assert max(last) < 10, figures
    assert answered["closed without an answer"] == 0, figures
    return figures


async def _until_ended(server: Server, answered: Counter[str]) -> tuple[float, float]:
    """Returns the seconds from SIGTERM to the process's end, and to the last answer."""
    over, last = asyncio.Event(), [0.0]
    clients = [asyncio.create_task(_client(server.port, over, answered, last)) for _ in range(CLIENTS)]
    await asyncio.sleep(1.5)
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    while server.process.poll() is None:
        await asyncio.sleep(0.02)
    seconds = time.monotonic() - start
    over.set()
    await asyncio.gather(*clients)
    return seconds, last[0] - start


async def _client(port: int, over: asyncio.Event, answered: Counter[str], last: list[float]) -> None:
    """Asks again and again, each time by a connection of its own, and notes when the last answer came.

    What is taken and not answered is a connection that is closed.
    """
    picture, hole = aligned()
    asked = request("/v1/inpaint", *form(image=png(picture), hole=png(hole)), Connection="close")
    while not over.is_set():
        try:
            answer = await Client(port).ask(asked, 30)
            answered[str(answer.status)] += 1
            last[0] = time.monotonic()
        except ConnectionRefusedError:
            answered["nobody there"] += 1
            await asyncio.sleep(0.05)
        except (ConnectionError, TimeoutError) as error:
            # the system resets what it has taken and nobody has read
            answered["reset" if "Reset" in str(error) or "reset" in str(error) else "closed without an answer"] += 1


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


def _begun(server: Server) -> int:
    """How many workers have begun to take requests so far."""
    return server.log.read_bytes().count(b"Application startup complete")


async def _killed(server: Server, times: int, answered: Counter[str]) -> tuple[list[float], list[float]]:
    over = asyncio.Event()
    while _begun(server) < 2:
        await asyncio.sleep(0.1)
    clients = [asyncio.create_task(_client(server.port, over, answered, [0.0])) for _ in range(4)]
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
        while _begun(server) < 3 + turn:
            await asyncio.sleep(0.1)
        two.append(time.monotonic() - start)
    over.set()
    await asyncio.gather(*clients)
    return seconds, two
