"""A service on its port: one process, or several that share the port, each with an engine and a share of the cores."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import tempfile
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from faceinpaint_fast.cores import core_count
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.locks import held
from faceinpaint_fast.service.door import Door
from faceinpaint_fast.service.log import log_to_stderr
from faceinpaint_fast.service.measures import FOLDER
from faceinpaint_fast.service.protocol import Protocol
from faceinpaint_fast.service.settings import SECONDS_TO_END, Settings

LOG = logging.getLogger(__name__)
HEAD_BYTES = 16 * 1024  # of a request's line and headers
IDLE_SECONDS = 5  # that a connection stays open without a request
START_SECONDS = 60  # in which a worker must say that it lives
SWITCH = 0.001  # seconds after which a thread that works lets another one have Python
M_ARENA_MAX, ARENAS = -8, 2  # glibc's name of it, and how many pieces of memory threads share
HELD = ExitStack()  # what a process holds for as long as it lives


@dataclass(frozen=True)
class Worker:
    """Makes the application in a process; of several each takes a place of its own, which tells it its device.

    places  a folder in which a worker holds the lock of its place; None: there is one worker alone
    """

    settings: Settings
    places: Path | None = None

    def __call__(self) -> Door:
        """Returns the application of a service of the settings."""
        begin()
        # torch takes seconds to import, and the supervisor has no need of it
        from faceinpaint_fast.models import load_model
        from faceinpaint_fast.service.app import application
        from faceinpaint_fast.service.service import Service

        settings = self.settings
        if self.places is not None:
            settings = settings.model_copy(update={"device": _device(settings.device, self._place(self.places))})
        return application(Service(load_model(settings.model), settings))

    def _place(self, places: Path) -> int:
        """Returns the first place that no other worker has: the system frees that of one which was killed."""
        for place in range(self.settings.workers):
            try:
                HELD.enter_context(held(places / str(place), places / str(place)))
            except InputError:
                continue
            return place
        raise InputError(f"workers: expected a free place among {self.settings.workers}, got none")


def serve(settings: Settings) -> None:
    """Serves until a signal ends it; requests that are worked at are finished first.

    Raises InputError where it cannot listen, ModelError for a model that cannot be loaded.
    """
    begin()
    if settings.is_open:
        LOG.warning("anybody who reaches this machine may use the service: there is no token")
    listener = _listener(settings)
    host, port = listener.getsockname()[:2]
    LOG.info("listening", extra={"host": host, "port": port, "workers": settings.workers})
    # uvicorn raises the signals that it caught again, at its end
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    if settings.workers == 1:
        uvicorn.Server(_config(Worker(settings)(), settings)).run([listener])
        return
    with tempfile.TemporaryDirectory(prefix="faceinpaint-") as folder:
        os.environ[FOLDER] = folder
        # what compiled code and torch take for the number of threads
        os.environ["OMP_NUM_THREADS"] = str(max(1, core_count() // settings.workers))
        config = _config(Worker(settings, Path(folder)), settings, factory=True)
        Multiprocess(config, sockets=[listener]).run()


def begin() -> None:
    """Has a process log as a service does, warn of no client's picture, and answer while its threads work."""
    log_to_stderr()
    sys.setswitchinterval(SWITCH)
    # glibc has memory for each thread, of which it gives little back; other systems have no such setting
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    # Python keeps every text that it has warned of
    warnings.simplefilter("ignore")


def _config(app: object, settings: Settings, *, factory: bool = False) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=SECONDS_TO_END,
        timeout_worker_healthcheck=START_SECONDS,
        limit_concurrency=settings.connections,
        workers=settings.workers,
        factory=factory,
    )


def _listener(settings: Settings) -> socket.socket:
    """Returns the socket that is listened at; InputError where it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise InputError(f"host: expected an address and a port to listen at, got: {error}") from error
    listener.set_inheritable(True)
    return listener


def _device(device: str, place: int) -> str:
    """Returns the device of a worker: on CUDA each has one, as far as there are."""
    import torch

    if device not in ("auto", "cuda") or not torch.cuda.is_available():
        return device
    return f"cuda:{place % torch.cuda.device_count()}"
