"""Several processes that train together: their numbers are those of one, whichever way a run goes on, and none is left.

The same in float32, and what else may befall them: tests/faults/test_ranks.py.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import write_image
from faceinpaint_fast.networks.dcgan import DCGANGenerator
from faceinpaint_fast.training import ranks
from tests.training.together import (
    HALF,
    STEPS,
    apart,
    begun_with,
    command_by_two,
    losses,
    one_line_a_step,
    play_in_double,
    run_all,
    run_by_two,
    started_by,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, draw_face, lively):
    """What one process does and what two do: both all of it, and either the second half of what the other began."""
    folder = begun_with(tmp_path_factory, draw_face, lively)
    run_all(folder, ["begun"])
    run_by_two(folder, ["further", "double", "encoder", "fine-tuning", "begun"])
    run_all(folder, ["double", "encoder", "fine-tuning"])
    with one_line_a_step():
        play_in_double(folder, folder / "2" / "begun", 2 * HALF)
    return folder


def test_two_processes_play_the_game_of_one(folder):
    """In float64, so that nothing hides behind rounding: the log's float32 is what they differ in."""
    one, two = (losses(folder / name / "double") for name in "12")
    assert one.shape == (STEPS, 2)
    assert apart(two, one) < 1e-6
    states = [torch.load(folder / name / "double" / "training" / "state.pt", weights_only=True) for name in "12"]
    for part in ("G", "D", "average"):
        assert_close(states[1][part], states[0][part], rtol=1e-7, atol=1e-9)


def test_two_processes_train_the_encoder_of_one(folder):
    one, two = (losses(folder / name / "encoder") for name in "12")
    assert one.shape == (STEPS, 1)
    assert apart(two[:1], one[:1]) < 1e-6
    # in float32, of which Adam makes much
    assert apart(two, one) < 1e-2


def test_two_processes_fine_tune_the_model_of_one(folder):
    one, two = (losses(folder / name / "fine-tuning") for name in "12")
    assert one.shape == (STEPS, 2)
    # the first losses are taken before the first step of all but D
    assert apart(two[:1], one[:1]) < 1e-6
    # in float32, of which three optimisers make much
    assert apart(two, one) < 1e-2


@pytest.mark.parametrize("begun", ["1", "2"])
def test_a_run_goes_on_with_another_number_of_processes(folder, begun):
    found, whole = losses(folder / begun / "begun"), losses(folder / "1" / "double")
    assert len(found) == 2 * HALF
    assert apart(found, whole[: len(found)]) < 1e-6


def test_alone_nothing_is_shared():
    values = torch.ones(3)
    assert ranks.mean(values) is values
    assert (ranks.count(), ranks.is_first(), ranks.share(5)) == (1, True, slice(0, 5))
    assert ranks.agreed(True, torch.device("cpu"))
    assert not ranks.agreed(False, torch.device("cpu"))
    assert type(ranks.synchronised(DCGANGenerator(width=2)).layers[1]) is torch.nn.BatchNorm2d


def test_a_batch_that_cannot_be_shared_equally(monkeypatch):
    monkeypatch.setattr(ranks, "_together", lambda: True)
    monkeypatch.setattr(ranks.distributed, "get_world_size", lambda: 3)
    monkeypatch.setattr(ranks.distributed, "get_rank", lambda: 2)
    assert ranks.share(9) == slice(6, 9)
    with pytest.raises(InputError, match=r"^batch: expected a multiple of the 3 processes, got 8$"):
        ranks.share(8)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_when_one_of_two_processes_is_killed_the_other_says_so_and_ends(tmp_path, draw_face):
    for number in range(8):
        write_image(tmp_path / "faces" / f"{number}.png", draw_face(number, 32))
    with command_by_two(tmp_path) as (agent, out):
        os.kill(started_by(agent.pid)[1], signal.SIGKILL)
        _, said = agent.communicate(timeout=30)
    assert "faceinpaint: the processes of the training: expected all 2 to go on, one has ended" in said
    # the checkpoint of before is whole
    assert torch.load(out / "training" / "state.pt", weights_only=True)["step"] == 0
