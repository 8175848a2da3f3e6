"""A service in a process of its own, for the scenarios: as `faceinpaint serve` starts it, or with a slowed engine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLOWED = """
import sys, time
from faceinpaint_fast.models import load_model
from faceinpaint_fast.pipeline import Inpainter
from faceinpaint_fast.service import serve
from faceinpaint_fast.service.service import Service
from faceinpaint_fast.service.settings import Settings

call = Inpainter.__call__
def slowed(self, *arguments, **named):
    time.sleep(float(sys.argv[1]))
    return call(self, *arguments, **named)
Inpainter.__call__ = slowed
serve.serve(Settings())
"""


@dataclass(slots=True)
class Server:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def memory(self) -> int:
        """Bytes of the process and of its children that are in memory and its own."""
        return sum(_field(pid, "RssAnon") for pid in self.pids())

    def files(self) -> int:
        """How many file descriptors they have."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids())

    def pids(self) -> list[int]:
        """The process, and its children that serve."""
        return [self.process.pid, *self.workers()]

    def workers(self) -> list[int]:
        """Its children, but for what Python starts for itself."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def get(self, path: str, seconds: float = 5) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=seconds) as answer:
            return bytes(answer.read())

    def wait(self, seconds: float = 240) -> float:
        """Waits until it is ready; returns how long that took."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text()[-2000:])
            with contextlib.suppress(OSError):
                self.get("/readyz")
                return time.monotonic() - start
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text()[-2000:])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path, *, slowed: float | None = None, wait: bool = True, **settings: Any) -> Iterator[Server]:
    """Serves within, with settings as the environment has them."""
    port, log = free_port(), folder / "log"
    environment = {f"FACEINPAINT_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {"FACEINPAINT_PORT": str(port), "FACEINPAINT_DEVICE": "cpu", "TRITON_INTERPRET": "0"}
    command = ["-m", "faceinpaint_fast", "serve"] if slowed is None else ["-c", SLOWED, str(slowed)]
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, *command], env=os.environ | environment, stderr=file)
    server = Server(process, port, log)
    try:
        if wait:
            server.wait()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def lines(log: Path) -> list[dict[str, Any]]:
    """What a service has logged."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def _field(pid: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0
