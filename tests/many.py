"""Memory of a folder restored on Ray, on as many faces as asked for: `python -m tests.many [--count 100000]`.

The faces are drawn, in tar files of 10,000; networks are small, and a search has one step.  Prints a line of JSON: how
long it took, how many have their lines, and how much memory (what a process has to itself, in MiB) the driver and the
processes that restore had, at most, in each tenth of the work.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import save_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANGenerator

A_SHARD = 10_000


def draw(number: int) -> bytes:
    """A face as a PNG, other than all others."""
    rng = np.random.default_rng(number)
    picture = Image.new("RGB", (64, 64), tuple(rng.integers(0, 100, 3).tolist()))
    pencil = ImageDraw.Draw(picture)
    pencil.ellipse([12, 8, 52, 56], fill=tuple(rng.integers(120, 255, 3).tolist()))
    pencil.ellipse([*rng.integers(18, 26, 2).tolist(), 30, 30], fill="black")
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def shards(folder: Path, count: int) -> None:
    folder.mkdir()
    for first in range(0, count, A_SHARD):
        with tarfile.open(folder / f"{first // A_SHARD:05}.tar", "w") as shard:
            for number in range(first, min(first + A_SHARD, count)):
                content = draw(number)
                info = tarfile.TarInfo(f"{number:09}.png")
                info.size = len(content)
                shard.addfile(info, BytesIO(content))


def own_memory(number: int) -> float:
    """What a process has to itself, in MiB."""
    try:
        said = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in said if line.startswith("Private_")) / 1024


def restoring(driver: int) -> dict[str, list[int]]:
    """The driver, and the processes that restore for it: they are its children's children."""
    found = {"driver": [driver], "workers": []}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            restores = (path / "cmdline").read_bytes().startswith(b"ray::MapWorker")
            if restores and parent(parent(int(path.name))) == driver:
                found["workers"].append(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def parent(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.many", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="in which it is done, as /dev/shm")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=told.folder) as name:
        folder = Path(name)
        shards(folder / "in", told.count)
        save_model(folder / "model", DCGANGenerator(width=4).eval(), DCGANDiscriminator(width=4).eval(),
                   framing=CELEBA_108, training={})  # fmt: skip
        options = ["--holes", "centre", "-o", folder / "out", "--model", folder / "model", "--config", "over-z"]
        options += ["--set", "iterations=1", "--engine", "ray", "--workers", told.workers, "--device", "cpu"]
        command = [sys.executable, "-m", "faceinpaint_fast", "batch", f"{folder}/in/*.tar", *options]
        start = time.monotonic()
        most: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * 10)
        with subprocess.Popen([*map(str, command)], stdout=sys.stderr) as run:
            manifest = folder / "out" / "manifest.jsonl"
            while run.poll() is None:
                done = manifest.read_bytes().count(b"\n") if manifest.exists() else 0
                tenth = min(9, 10 * done // told.count)
                for kind, numbers in restoring(run.pid).items():
                    most[kind][tenth] = max([most[kind][tenth], *map(own_memory, numbers)])
                time.sleep(1)
        seconds = time.monotonic() - start
        lines = [json.loads(line) for line in manifest.read_text().splitlines()]
        outputs = {line["output"] for line in lines if not line["error"]}
        figures = {"count": told.count, "restored": len(outputs), "lines": len(lines), "seconds": round(seconds)}
        figures |= {f"{kind}_mib_by_tenth": [round(each) for each in found] for kind, found in most.items()}
        print(json.dumps(figures))
    return int(run.returncode != 0 or len(outputs) != told.count or len(lines) != told.count)


if __name__ == "__main__":
    sys.exit(main())
