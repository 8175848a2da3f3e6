"""A training that is killed at 20 moments that nobody chose, each time resumed, is the one that nobody stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
import torch

from faceinpaint_fast.errors import ModelError
from faceinpaint_fast.models import load_model
from faceinpaint_fast.training.run import log_lines

STEPS, BATCH, KILLS = 200, 4, 20
# a checkpoint every other step, so that about every moment is one of writing
RUN = f"""
import sys
from pathlib import Path
import numpy as np, torch
from faceinpaint_fast.training import game, run

torch.set_num_threads(1)
run.LOG_EVERY, game.GRID = 2, 2
config = game.TrainConfig(size=32, width=2, batch={BATCH}, seed=5)
faces, out = np.load(sys.argv[1]), Path(sys.argv[2])
game.train(faces, out, config, images={STEPS * BATCH}, device=torch.device("cpu"), checkpoint_minutes=0)
"""


@pytest.fixture
def faces(tmp_path, draw_face):
    np.save(tmp_path / "faces.npy", np.stack([draw_face(number, 32) for number in range(16)]))
    return tmp_path / "faces.npy"


def started(faces, out):
    return subprocess.Popen([sys.executable, "-c", RUN, str(faces), str(out)])


def seen(out):
    return [line["images"] for line in log_lines(out / "training" / "log.jsonl")]


def left(out):
    """All that a run leaves but the time it took."""
    losses = [
        {name: line[name] for name in ("images", "loss_d", "loss_g")}
        for line in log_lines(out / "training" / "log.jsonl")
    ]
    return losses, {path.name: path.read_bytes() for path in out.glob("*.safetensors")}


def test_twenty_kills(faces, tmp_path):
    with started(faces, tmp_path / "whole") as process:
        assert process.wait(timeout=300) == 0
    out, rng, reached = tmp_path / "killed", np.random.default_rng(28), []
    for kill in range(KILLS):
        with started(faces, out) as process:
            try:
                deadline = time.monotonic() + 120
                # somewhere behind this step
                while len(seen(out)) < (kill + 1) * STEPS // 2 // (KILLS + 1):
                    assert process.poll() is None, "the run ended by itself"
                    assert time.monotonic() < deadline, "the run does not get on"
                    time.sleep(0.002)
                time.sleep(rng.uniform(0, 0.05))
            finally:
                process.kill()
        assert process.returncode == -9, "the run was over before it was killed"
        # the state is whole, or is not there yet; a model is whole, or is refused
        state = torch.load(out / "training" / "state.pt", weights_only=True)
        reached.append(state["step"])
        with suppress(ModelError):
            assert load_model(out).config.training["images"] >= reached[-1] * BATCH
    assert reached == sorted(reached)
    assert len(set(reached)) > KILLS // 2, "the kills must not all come at one checkpoint"
    with started(faces, out) as process:
        assert process.wait(timeout=300) == 0
    found, expected = left(out), left(tmp_path / "whole")
    assert len(expected[0]) == STEPS // 2
    assert found == expected
    assert not list(out.rglob("*.partial"))
