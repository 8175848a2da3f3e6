"""Draws docs/scaling.png and writes the tables of docs/scaling.md: what many faces cost, by what was measured.

`python docs/scaling_figure.py` draws from benchmarks/results/scaling.json, which `--measure stages` measures, and then
`--measure runs` on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "benchmarks" / "results" / "scaling.json"
PIECE = 256  # pictures: four batches of 64
BATCH, PICTURES = 16, 128  # of what is measured on a CPU
STAGES = ("read", "search", "blend", "write", "line")
# of an H200, in benchmarks/results/cuda.md: 1024 faces in bfloat16, NumPy in and out, a face; the rest is copies
GPU = {"search": 55.4e-3 / 1024, "blend": 7.0e-3 / 1024, "rest": (82.6 - 55.4 - 7.0) * 1e-3 / 1024}
GPU_ITERATION = 1659e-6 / 1024  # seconds, of the same page: without D, bf16, batches of 1024
# what is assumed, as nothing of the kind was at hand
CORES = 16  # of a machine with a GPU, all of them busy with files
FILES = 50_000  # a second, that a shared file system makes
BYTES = 10e9  # a second, that it takes or gives


# ---- measured


def measure() -> dict[str, Any]:
    """Measures what a face's stages take of a core, and what the command does with each line.

    That is the processor's time, which others that are busy do not change much; waiting for a disk is not in it.
    """
    import torch

    from faceinpaint_fast import InpaintConfig, Inpainter, doctor, masks
    from faceinpaint_fast.faces import astronaut
    from faceinpaint_fast.folders.manifest import Manifest, Part, record_of
    from faceinpaint_fast.folders.plan import Plan, Task
    from faceinpaint_fast.framing import CELEBA_108
    from faceinpaint_fast.holes import read_hole
    from faceinpaint_fast.images import write_image
    from faceinpaint_fast.picture_file import PictureFile

    torch.set_num_threads(1)
    count, rounds = BATCH, 3
    config = InpaintConfig()
    face = astronaut(CELEBA_108, 64)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(count):
            write_image(folder / "in" / f"{i}.png", np.roll(face, i, axis=1))
        items = Plan.of(Task(images=folder / "in", holes="centre", out=folder / "out")).items[:count]
        engines = {
            blend: Inpainter.from_pretrained(config=InpaintConfig(blend=blend), device="cpu")
            for blend in (config.blend, "none")
        }
        read = [PictureFile.read(item.where) for item in items]
        pixels, missing = np.stack([each.pixels for each in read]), masks.centre((64, 64))
        for engine in engines.values():
            engine(pixels, missing)
        taken: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "whole", "taken")}
        for turn in range(rounds):
            begun = time.process_time()
            for item in items:
                read_hole(str(item.hole), PictureFile.read(item.where), item.seed)
            taken["read"].append(time.process_time() - begun)
            begun = time.process_time()
            found = engines[config.blend](pixels, missing)
            taken["whole"].append(time.process_time() - begun)
            begun = time.process_time()
            engines["none"](pixels, missing)
            taken["search"].append(time.process_time() - begun)
            begun = time.process_time()
            for each, item, image in zip(read, items, found.image, strict=True):
                each.filled(image, missing).write(folder / f"out{turn}" / item.output)
            taken["write"].append(time.process_time() - begun)
            place = Part.prepare(folder / f"out{turn}")
            part = Part(place, 0)
            records = [record_of(item, "0" * 32, losses={"total": 0.1, "context": 0.1, "prior": 0.1}) for item in items]
            begun = time.process_time()
            for record in records:
                part.add(record)
            taken["line"].append(time.process_time() - begun)
            manifest = Manifest(folder / f"out{turn}" / "manifest.jsonl")
            # as of another run, which begin would take for what was left
            text = next(place.iterdir()).read_text()
            manifest.begin([])
            place = Part.prepare(folder / f"out{turn}")
            for part_of in range(PIECE // count):
                (place / f"0-{part_of}.jsonl").write_text(text.replace('"output": "', f'"output": "{part_of}/'))
            begun = time.process_time()
            assert len(Part.taken(place, 0, manifest)) == PIECE
            taken["taken"].append((time.process_time() - begun) * count / PIECE)
        seconds = {stage: float(np.median(each)) / count for stage, each in taken.items() if each}
        seconds["blend"] = max(0.0, seconds.pop("whole") - seconds["search"])
        return {
            "machine": doctor.machine(torch.device("cpu")),
            "seconds_a_face": seconds,
            "iterations": sum(stage.steps for stage in config.stages),
            "bytes_read": int(np.mean([(folder / "in" / f"{i}.png").stat().st_size for i in range(count)])),
            "bytes_written": int(np.mean([path.stat().st_size for path in (folder / "out0").glob("*.png")])),
            "bytes_of_a_line": len(text) // count,
            "runs": [],
        }


def measure_runs() -> list[dict[str, float]]:
    """Measures runs of one and two processes, on a machine that does nothing else."""
    from faceinpaint_fast.faces import astronaut
    from faceinpaint_fast.framing import CELEBA_108
    from faceinpaint_fast.images import write_image

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(PICTURES):
            write_image(folder / "in" / f"{i}.png", np.roll(astronaut(CELEBA_108, 64), i, axis=1))
        return [run(folder / "in", folder / f"ray{workers}", workers) for workers in (1, 2)]


def run(images: Path, out: Path, workers: int) -> dict[str, float]:
    """Runs the command on Ray: seconds to the first line, and faces a second from there to the last."""
    command = [
        sys.executable,
        "-m",
        "faceinpaint_fast",
        "batch",
        images,
        "--holes",
        "centre",
        "-o",
        out,
        "--engine",
        "ray",
    ]
    command += ["--workers", workers, "--device", "cpu", "--batch", BATCH]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
    begun, lines = time.monotonic(), []
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL, env=environment) as process:
        while process.poll() is None:
            done = sum(path.read_bytes().count(b"\n") for path in [*out.glob(".parts/*/*"), *out.glob("*.jsonl")])
            if not lines or done > lines[-1][1]:
                lines.append((time.monotonic() - begun, done))
            time.sleep(0.02)
    assert process.returncode == 0
    first = next(each for each in lines if each[1])
    last = lines[-1]
    return {"workers": workers, "begun": first[0], "rate": (last[1] - first[1]) / (last[0] - first[0])}


# ---- the model


def begun_of(measured: dict[str, Any]) -> float:
    """Seconds from the command to the first line, if they were measured."""
    return measured["runs"][0]["begun"] if measured["runs"] else 0.0


def rates(measured: dict[str, Any], workers: int, *, gpu: bool) -> dict[str, float]:
    """Faces a second that each of what they go through can do, with so many processes, or GPUs with a machine each."""
    cost = measured["seconds_a_face"]
    files = cost["read"] + cost["write"] + cost["line"]
    shared = {
        "files made": FILES if gpu else float("inf"),
        "bytes moved": BYTES / (measured["bytes_read"] + measured["bytes_written"]) if gpu else float("inf"),
        "lines taken in": 1 / cost["taken"],
    }
    if gpu:
        return {"search and blend": workers / sum(GPU.values()), "read and write": workers * CORES / files} | shared
    # a process that has one core does one thing after the other
    return {"search and blend": workers / (files + cost["search"] + cost["blend"])} | shared


def seconds(measured: dict[str, Any], count: float, workers: int, *, gpu: bool) -> tuple[float, str]:
    """How long so many faces take, and what decides that."""
    each = rates(measured, workers, gpu=gpu)
    slowest = min(each, key=lambda name: each[name])
    return begun_of(measured) + count / each[slowest], slowest


def simulate(measured: dict[str, Any], count: int, workers: int, *, gpu: bool, seed: int = 0) -> float:
    """How long they take where pieces come and go: a process takes a piece when it is done with one.

    What is shared (files, bytes, lines) serves one piece at a time, in the order in which they ask; a piece's own time
    varies by a tenth.
    """
    rng, each = np.random.default_rng(seed), rates(measured, workers, gpu=gpu)
    own = min(each["search and blend"], each["read and write"]) if gpu else each["search and blend"]
    shared = max(1 / each["files made"], 1 / each["bytes moved"])
    free = [(begun_of(measured), worker) for worker in range(workers)]
    store = driver = 0.0
    for _ in range(-(-count // PIECE)):
        at, worker = heapq.heappop(free)
        end = at + PIECE * workers / own * min(max(rng.normal(1, 0.1), 0.5), 1.5)
        # what it reads and writes goes on meanwhile, behind that of others
        store = max(store, at) + PIECE * shared
        end = max(end, store)
        driver = max(driver, end) + PIECE / each["lines taken in"]
        heapq.heappush(free, (end, worker))
    return max(driver, *(at for at, _ in free))


# ---- shown


def told(duration: float) -> str:
    for name, unit in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if duration >= 2 * unit:
            return f"{duration / unit:.3g} {name}"
    return f"{duration:.3g} seconds"


def tables(measured: dict[str, Any]) -> dict[str, str]:
    from faceinpaint_fast.markdown import table

    cost, runs = measured["seconds_a_face"], measured["runs"]
    stages = [
        ("read: file, decoder, hole", f"{1e3 * cost['read']:.3g} ms", ""),
        ("search", f"{1e3 * cost['search']:.3g} ms", f"{1e6 * GPU['search']:.3g} µs"),
        (
            "of it, an iteration",
            f"{1e3 * cost['search'] / measured['iterations']:.3g} ms",
            f"{1e6 * GPU_ITERATION:.3g} µs",
        ),
        ("blend", f"{1e3 * cost['blend']:.3g} ms", f"{1e6 * GPU['blend']:.3g} µs"),
        ("copies and the rest of a call", "in the search", f"{1e6 * GPU['rest']:.3g} µs"),
        ("write: encoder, file, rename, fsync", f"{1e3 * cost['write']:.3g} ms", ""),
        ("its line in a part", f"{1e3 * cost['line']:.3g} ms", ""),
        ("the line taken in by the command", f"{1e3 * cost['taken']:.3g} ms", ""),
    ]
    checked = [
        (
            str(each["workers"]),
            f"{each['rate']:.3g}",
            f"{rates(measured, each['workers'], gpu=False)['search and blend']:.3g}",
            f"{each['begun']:.3g} s",
        )
        for each in runs
    ]
    many = []
    for count in (10**6, 10**9):
        for workers in (1, 8, 1000):
            closed, why = seconds(measured, count, workers, gpu=True)
            # a billion would take as long to simulate as it takes to do: it is as many pieces of a hundredth of it
            part = min(count, 10**7)
            simulated = simulate(measured, part, workers, gpu=True)
            begun = begun_of(measured)
            many.append(
                (f"{count:.0e}".replace("e+0", "0^"), str(workers), told(closed), why,
                 told(begun + (simulated - begun) * count / part))
            )  # fmt: skip
    return {
        "stages": table(["a face of 64x64", "here, one core", "an H200"], stages),
        "checked": table(["processes", "faces a second, measured", "by the stages", "to the first line"], checked)
        if runs
        else "Runs of one and of two processes have not been measured.",
        "many": table(["faces", "GPUs", "take", "decided by", "simulated"], many),
    }


def draw(measured: dict[str, Any], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", width_ratios=[1, 1.6])
    names, here = ("read", "search", "blend", "write", "line"), measured["seconds_a_face"]
    left.barh(names, [1e3 * here[name] for name in names], color="tab:blue")
    left.set(xscale="log", xlabel="ms a face, one core, measured", title="where a face's time goes on a CPU")
    left.invert_yaxis()
    workers = np.unique(np.round(np.logspace(0, 3, 40)).astype(int))
    each = [rates(measured, int(number), gpu=True) for number in workers]
    for name, style in zip(each[0], ("-", "-", "--", "--", "--"), strict=True):
        right.loglog(workers, [one[name] for one in each], style, label=name)
    right.loglog(workers, [min(one.values()) for one in each], color="black", linewidth=4, alpha=0.25, label="all")
    begun = begun_of(measured)
    for number in (1, 3, 10, 100, 1000):
        count = 10**7
        right.plot(number, count / (simulate(measured, count, number, gpu=True) - begun), "ko", markersize=4)
    right.plot([], [], "ko", markersize=4, label="simulated")
    right.set(xlabel="GPUs", ylabel="faces a second", title="what decides, by the number of GPUs")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    from faceinpaint_fast.markdown import update

    parser = argparse.ArgumentParser(prog="python docs/scaling_figure.py", description=__doc__)
    parser.add_argument("--measure", choices=("stages", "runs"), help=f"measure, and write {MEASURED.name}")
    asked = parser.parse_args().measure
    if asked == "stages":
        MEASURED.write_text(json.dumps(measure(), indent=1) + "\n")
    measured = json.loads(MEASURED.read_text())
    if asked == "runs":
        MEASURED.write_text(json.dumps(measured | {"runs": measure_runs()}, indent=1) + "\n")
    measured = json.loads(MEASURED.read_text())
    update([ROOT / "docs" / "scaling.md"], tables(measured))
    draw(measured, ROOT / "docs" / "scaling.png")


if __name__ == "__main__":
    main()
