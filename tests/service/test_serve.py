"""The service as a process, as the command starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from faceinpaint_fast import InputError
from faceinpaint_fast.service import serve as of_serve
from faceinpaint_fast.service.serve import Worker
from tests.load import server as of_server
from tests.load.client import form
from tests.load.pictures import aligned


def posted(server, png):
    """The status of a good request."""
    picture, hole = aligned()
    body, kind = form(image=png(picture), hole=png(hole))
    address = f"http://127.0.0.1:{server.port}/v1/inpaint"
    request = urllib.request.Request(address, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status


def test_it_restores_and_at_sigterm_ends_once_it_has_answered(tmp_path, png):
    with of_server.serving(tmp_path, window=0.9) as server:
        answers = []
        asks = threading.Thread(target=lambda: answers.append(posted(server, png)))
        asks.start()
        # it waits in the engine's window
        until = time.monotonic() + 60
        while b"queue_faces 1.0" not in server.get("/metrics"):
            assert time.monotonic() < until
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        asks.join()
        assert answers == [200]
    lines = of_server.lines(server.log)
    assert {"time", "level", "event"} <= lines[0].keys()
    assert lines[0]["port"] == server.port
    assert any(line.get("path") == "/v1/inpaint" and line["status"] == 200 for line in lines)
    assert not [line for line in lines if line["level"] in ("warning", "error")]


def test_two_workers_share_a_port_and_one_that_is_killed_comes_again(tmp_path, png):
    with of_server.serving(tmp_path, workers=2) as server:
        until = time.monotonic() + 240
        while len(workers := server.workers()) < 2:
            assert time.monotonic() < until
            time.sleep(0.1)

        def are_counted(answers):
            # a worker counts an answer once it has been sent
            while f'route="/v1/inpaint",status="200"}} {answers}.0'.encode() not in server.get("/metrics"):
                assert time.monotonic() < until
                time.sleep(0.1)

        assert posted(server, png) == 200
        are_counted(1)
        os.kill(workers[0], signal.SIGKILL)
        assert posted(server, png) == 200
        while len(now := server.workers()) < 2 or workers[0] in now:
            assert time.monotonic() < until
            time.sleep(0.1)
        # numbers are those of all of them, also of those that are gone
        are_counted(2)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    started = [line for line in of_server.lines(server.log) if line["event"].startswith("Started server")]
    assert len(started) >= 2


def told(*arguments, **environment):
    """What the command says when it cannot begin, and its exit status."""
    done = subprocess.run(
        [sys.executable, "-m", "faceinpaint_fast", "serve", *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


def test_what_it_cannot_begin_with_is_one_line():
    status, said = told("--port", 99999)
    assert status == 2
    assert said.startswith("faceinpaint: port: ")
    status, said = told(FACEINPAINT_BATCH="many")
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith("faceinpaint: batch: ")


def test_a_port_that_is_taken_is_told(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="host: expected an address and a port to listen at"):
            of_serve._listener(settings(port=taken.getsockname()[1]))


@pytest.mark.parametrize(
    ("told", "warned"), [({"host": "0.0.0.0"}, True), ({"host": "0.0.0.0", "token": "x" * 16}, False), ({}, False)]
)
def test_it_warns_where_anybody_may_ask(told, warned, settings, monkeypatch, caplog):
    monkeypatch.setattr(of_serve, "begin", lambda: None)
    monkeypatch.setattr(of_serve, "Worker", lambda _: lambda: None)
    monkeypatch.setattr(of_serve.uvicorn.Server, "run", lambda *_: None)
    monkeypatch.setattr(of_serve.signal, "signal", lambda *_: None)
    of_serve.serve(settings(port=0, **told))
    assert any("no token" in each.message for each in caplog.records) is warned


def test_a_worker_has_a_place_of_its_own_and_leaves_it_with_its_life(settings, tmp_path, monkeypatch):
    from contextlib import ExitStack

    first, second = ExitStack(), ExitStack()
    worker = Worker(settings(workers=2), tmp_path)
    monkeypatch.setattr(of_serve, "HELD", first)
    assert worker._place(tmp_path) == 0
    monkeypatch.setattr(of_serve, "HELD", second)
    assert worker._place(tmp_path) == 1
    with pytest.raises(InputError, match="workers: "):
        worker._place(tmp_path)
    first.close()
    assert worker._place(tmp_path) == 0
    second.close()


def test_on_cuda_each_has_a_device(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [of_serve._device("auto", place) for place in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert of_serve._device("cpu", 1) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert of_serve._device("auto", 1) == "auto"
