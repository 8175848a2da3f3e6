"""What faults are injected into: a folder of 1,500 faces restored by the command, and processes that are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.faults.waiting import wait_for

BATCH, WORKERS = 16, 2
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
}
HERE, THERE, PORT = "10.213.77.1", "10.213.77.2", 26379  # two machines' addresses


def pytest_addoption(parser):
    parser.addoption("--share", type=float, default=1.0, help="of the pictures and of the faults")


@pytest.fixture(scope="session")
def size(request):
    """How many there are of each: 1,500 pictures, 20 kills ..."""

    def of(number):
        return max(2, round(number * request.config.getoption("--share")))

    return SimpleNamespace(
        pictures=of(1500), kills=of(20), stops=of(10), poisonous=of(37), batch=BATCH, workers=WORKERS
    )


@pytest.fixture(scope="session")
def album(tmp_path_factory, faces, size):
    """1,500 faces, each a little other than the others."""
    folder = tmp_path_factory.mktemp("album") / "in"
    for i in range(size.pictures):
        path = folder / str(i % 7) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        face = np.roll(faces[i % 16], (i // 16) % 64, axis=1)
        Image.fromarray(face).save(path, compress_level=1)
    return folder


class Batch:
    """A run of `faceinpaint batch`, in a process of its own."""

    def __init__(self, images, out, model, log, *options, engine="ray", modules=""):
        self.out, self.log = out, log
        asked = [*map(str, (images, "--holes", "centre", "-o", out, "--model", model)), "--engine", engine]
        asked += ["--config", "over-z", "--set", "iterations=1", "--batch", str(BATCH), "--device", "cpu", *options]
        if engine == "ray":
            asked += ["--workers", str(WORKERS)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "faceinpaint_fast", "batch", *asked],
                stdout=log,
                stderr=log,
                env={**ENVIRONMENT, "PYTHONPATH": str(modules)},
                start_new_session=True,
            )

    def wait(self, seconds=600):
        """Returns its exit status."""
        return self.process.wait(seconds)

    def running(self):
        return self.process.poll() is None

    def workers(self):
        """Returns the processes that restore, by their numbers."""
        return [number for number, name in descendants(self.process.pid) if name.startswith("ray::MapWorker")]

    def kill(self):
        """Kills it, which ends what restores for it; what else is left of Ray would look around for a minute."""
        restoring, started = self.workers(), descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not any(map(is_there, restoring)))
        for number, _ in started:
            kill(number)
        wait_for(lambda: not any(is_there(number) for number, _ in started))

    def end(self):
        """Ends it with all that it has started."""
        for number, _ in [*descendants(self.process.pid), (self.process.pid, "")]:
            kill(number)
        self.process.wait()

    @property
    def said(self):
        return self.log.read_text()


@pytest.fixture
def batch(tmp_path, small_model):
    """Begins a run into a folder of the test's; those that are left are ended."""
    begun = []

    def begin(images, *options, out=tmp_path / "out", **asked):
        begun.append(Batch(images, out, small_model, tmp_path / f"{len(begun)}.log", *options, **asked))
        return begun[-1]

    yield begin
    for each in begun:
        each.end()


def kill(number):
    """Kills a process, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def descendants(number):
    """Returns the numbers of the processes that a process has started, and they, each with what it is called."""
    children = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            name = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append((int(path.name), name))
    found, left = [], [number]
    while left:
        more = children.get(left.pop(), [])
        found += more
        left += [child for child, _ in more]
    return found


def lines(out):
    """The lines of a manifest by what they are of; every picture has one."""
    every = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    twice = {name: times for name, times in Counter(line["output"] for line in every).items() if times > 1}
    assert twice == {}
    return {line["output"]: line for line in every}


def told(out):
    """What is said to be done, in the manifest and in its parts: outputs; lines that are cut short say nothing."""
    return {json.loads(line)["output"] for text in _told(out) for line in text.split(b"\n")[:-1]}


def count(out):
    """How many lines say that something is done: soon found, for who asks often."""
    return sum(text.count(b"\n") for text in _told(out))


def _told(out):
    for path in [out / "manifest.jsonl", *out.glob(".parts/*/*.jsonl")]:
        with suppress(FileNotFoundError):
            yield path.read_bytes()


def readable(out):
    """The restored pictures, every one of which can be read, with their times."""
    found = {}
    for path in sorted(out.rglob("*.png")):
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == (64, 64)
        found[str(path.relative_to(out))] = path.stat().st_mtime_ns
    return found


def is_there(number):
    """Says whether a process is there, and no corpse that nobody has buried."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def disk():
    """What is asked of what is on the disk, and of processes."""
    return SimpleNamespace(lines=lines, told=told, count=count, readable=readable, kill=kill)


class Machines:
    """A Ray cluster of two machines, as it sees them: this one, which restores nothing, and a network namespace."""

    address = f"{HERE}:{PORT}"
    _sides = (
        ("neigh", "replace", THERE, "dev", "faces0"),
        ("-n", "faces", "neigh", "replace", HERE, "dev", "faces1"),
    )

    def __init__(self):
        self._started = []
        self._ip("netns", "add", "faces")
        self._ip("link", "add", "faces0", "type", "veth", "peer", "name", "faces1")
        self._ip("link", "set", "faces1", "netns", "faces")
        self._ip("addr", "add", f"{HERE}/24", "dev", "faces0")
        self._ip("link", "set", "faces0", "up")
        for line in (f"addr add {THERE}/24 dev faces1", "link set faces1 up", "link set lo up"):
            self._ip("-n", "faces", *line.split())
        self._start(
            "--head", f"--port={PORT}", f"--node-ip-address={HERE}", "--num-cpus=0", "--include-dashboard=false"
        )
        self._start(f"--address={self.address}", f"--node-ip-address={THERE}", f"--num-cpus={WORKERS}", there=True)

    def cut(self):
        """Cuts the link: what either side sends goes to nobody."""
        for side in self._sides:
            self._ip(*side, "lladdr", "02:00:00:00:00:01", "nud", "permanent")

    def mend(self):
        """Puts it back."""
        for side in self._sides:
            self._ip(*[{"replace": "del"}.get(word, word) for word in side])

    def add(self):
        """Adds a third machine, on this side."""
        self._start(f"--address={self.address}", f"--node-ip-address={HERE}", f"--num-cpus={WORKERS}")

    def end(self):
        for process in self._started:
            for number, _ in [*descendants(process.pid), (process.pid, "")]:
                kill(number)
            process.wait()
        for line in ("link del faces0", "netns del faces"):
            subprocess.run(["ip", *line.split()], check=False)

    def _start(self, *options, there=False):
        prefix = ["ip", "netns", "exec", "faces"] if there else []
        command = [*prefix, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *options]
        memory = f"--object-store-memory={2**27}"
        self._started.append(subprocess.Popen([*command, memory], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL, start_new_session=True))  # fmt: skip

    @staticmethod
    def _ip(*words):
        subprocess.run(["ip", *words], check=True)


@pytest.fixture
def two_machines():
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("no right to make a network")
    machines = None
    try:
        machines = Machines()
        yield machines
    finally:
        if machines is not None:
            machines.end()


class Nodes:
    """A Ray cluster on this machine: a node that restores nothing, and two that have a processor each."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        memory = {"object_store_memory": 2**27}
        self._cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory}
        )
        self._asked = {"num_cpus": 1, "wait": False, **memory}
        self.raylets = [self._add() for _ in range(WORKERS)]
        self.address = self._cluster.address

    def restoring(self):
        """Returns those whose processes restore, by the numbers of their raylets."""
        return [
            number
            for number in self.raylets
            if any(name.startswith("ray::MapWorker") for _, name in descendants(number))
        ]

    def replace(self, number):
        """Kills a node's raylet, without which all that it has started ends; another node takes its place."""
        kill(number)
        self.raylets[self.raylets.index(number)] = self._add()

    def end(self):
        for number in self.raylets:
            for each, _ in [*descendants(number), (number, "")]:
                kill(each)
        self._cluster.shutdown()

    def _add(self):
        return self._cluster.add_node(**self._asked).all_processes["raylet"][0].process.pid


@pytest.fixture
def nodes(monkeypatch):
    pytest.importorskip("ray", reason="ray is not installed")
    for name in ("RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED", "RAY_worker_niceness"):
        monkeypatch.setenv(name, ENVIRONMENT[name])
    nodes = Nodes()
    yield nodes
    nodes.end()
