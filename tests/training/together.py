"""Training runs as one process does them, or two: together.py FOLDER RUN..., started by torchrun.

FOLDER/faces.npy has faces of 32 pixels, FOLDER/model a model of theirs.  What comes of a run, one of RUNS, lies in
FOLDER/PROCESSES/RUN.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model, save_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator
from faceinpaint_fast.training import encoder, fine_tuning, game, ranks, run

STEPS = 50
HALF = 10  # steps of a run that others then go on with to twice as many
BATCH = 8  # of all processes together
CPU = torch.device("cpu")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def begun_with(tmp_path_factory, draw_face, lively) -> Path:
    """Makes the FOLDER that runs begin with."""
    folder = tmp_path_factory.mktemp("together")
    np.save(folder / "faces.npy", np.stack([draw_face(number, 32) for number in range(24)]))
    networks = lively(DCGANGenerator(size=32, width=2)), lively(DCGANDiscriminator(size=32, width=2))
    save_model(folder / "model", *networks, framing=CELEBA_108, training={})
    return folder


@contextmanager
def in_double() -> Iterator[None]:
    """Computes what a step does in float64, where no order of sums matters to a log in float32."""
    latent = game.Game._latent
    with (
        patch.object(torch.Tensor, "float", torch.Tensor.double),
        patch.object(game, "learning", lambda network, device: run.learning(network, device).double()),
        patch.object(game.Game, "_latent", lambda self, rng, count: latent(self, rng, count).double()),
        # a model folder has float16 and float32 alone
        patch.object(game.Game, "save", lambda *_: None),
    ):
        yield


def play(folder: Path, out: Path, steps: int = STEPS) -> None:
    """The game."""
    config = game.TrainConfig(size=32, width=2, batch=BATCH, seed=5, augment=True)
    game.train(np.load(folder / "faces.npy"), out, config, images=steps * BATCH, device=CPU)


def learn(folder: Path, out: Path, faces: np.ndarray | None) -> None:
    """An encoder, of these faces or the model's samples."""
    config = encoder.EncoderConfig(width=2, batch=BATCH, seed=5, misaligned=True)
    training = encoder.Amortisation(load_model(folder / "model"), faces, config, CPU)
    training.check_new = training.save = lambda *_: None  # a folder without a model
    run.run(training, out, out / "training", images=STEPS * BATCH)


def restore(folder: Path, out: Path) -> None:
    """A generator and its encoder."""
    model = load_model(folder / "model")
    config = fine_tuning.FineTuningConfig(origin="", width=2, batch=BATCH, seed=5, misaligned=True)
    model = replace(model, encoder=DCGANEncoder(size=32, width=2))
    training = fine_tuning.FineTuning(model, np.load(folder / "faces.npy"), config, CPU)
    training.save = lambda *_: None
    run.run(training, out, out / "training", images=STEPS * BATCH)


def play_in_double(folder: Path, out: Path, steps: int = STEPS) -> None:
    with in_double():
        play(folder, out, steps)


RUNS: dict[str, Callable[[Path, Path], None]] = {
    "game": play,
    "double": play_in_double,
    "begun": lambda folder, out: play_in_double(folder, out, HALF),
    # what one process has begun
    "further": lambda folder, _: play_in_double(folder, folder / "1" / "begun", 2 * HALF),
    "encoder": lambda folder, out: learn(folder, out, np.load(folder / "faces.npy")),
    "fine-tuning": restore,
    "samples": lambda folder, out: learn(folder, out, None),
}


@contextmanager
def one_line_a_step() -> Iterator[None]:
    with patch.object(run, "LOG_EVERY", 1), patch.object(game, "GRID", 2):
        yield


def run_all(folder: Path, names: Iterable[str]) -> None:
    with ranks.joined(CPU) as device, one_line_a_step():
        assert device == CPU
        for name in names:
            RUNS[name](folder, folder / str(ranks.count()) / name)


def run_by_two(folder: Path, names: Iterable[str]) -> None:
    subprocess.run([*TORCHRUN, __file__, folder, *names], check=True)


def log(out: Path) -> list[dict[str, float]]:
    return list(run.log_lines(out / "training" / "log.jsonl"))


def losses(out: Path) -> np.ndarray:
    """(steps, losses)"""
    return np.array([[line[name] for name in line if name.startswith("loss")] for line in log(out)])


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """How far losses are from others, of these."""
    return (np.abs(one - other) / np.abs(other)).max()


@contextmanager
def command_by_two(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Two processes that train by the command until they are stopped, and are a while into it; folder/faces is read."""
    line = ["-m", "faceinpaint_fast.training", "train", folder / "faces", "--out", folder / "model"]
    options = ["--size", 32, "--width", 2, "--batch", 8, "--images", 10**9, "--device", "cpu", "--precision", "fp32"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*TORCHRUN, *map(str, line + options)], **pipes) as agent:
        try:
            deadline = time.monotonic() + 120
            while not log(folder / "model"):
                assert agent.poll() is None, agent.communicate()
                assert time.monotonic() < deadline, "the run does not get on"
                time.sleep(0.05)
            yield agent, folder / "model"
        finally:
            left = started_by(agent.pid)
            agent.kill()
            for process in left.values():
                os.kill(process, signal.SIGKILL)


def started_by(agent: int) -> dict[int, int]:
    """The processes that torchrun has started, by their ranks."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            environment = (status.parent / "environ").read_bytes().split(b"\0") if parent == agent else []
        except OSError:
            # it has just ended
            continue
        found |= {int(each[5:]): int(status.parent.name) for each in environment if each.startswith(b"RANK=")}
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_all(Path(sys.argv[1]), sys.argv[2:])
