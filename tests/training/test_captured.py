"""A function as a graph; where there is no GPU the graph is faked: it does again what was captured, in that memory."""

from __future__ import annotations

import pytest
import torch

from faceinpaint_fast.training import captured as module
from faceinpaint_fast.training.captured import WARM_UP, Captured


@pytest.fixture
def told(monkeypatch):
    """What the device was asked for."""
    lines = []

    def captured(do):
        lines.append("captured")
        do()

        def replay():
            lines.append("replayed")
            do()

        return replay

    def aside(do):
        lines.append("aside")
        do()

    monkeypatch.setattr(module, "captured", captured)
    monkeypatch.setattr(module, "aside", aside)
    return lines


def test_each_call_is_of_its_own_inputs(told):
    """First aside, then captured once, and from then on replayed in the memory of the first inputs."""
    seen = []

    def function(x, y):
        seen.append(x.data_ptr())
        return x - 2 * y

    run = Captured(function)
    for number in range(WARM_UP + 3):
        x, y = torch.full((3,), float(number)), torch.arange(3.0)
        assert torch.equal(run(x, y), x - 2 * y)
    assert told == ["aside"] * WARM_UP + ["captured"] + ["replayed"] * 3
    assert len(set(seen[WARM_UP:])) == 1


@pytest.mark.gpu
def test_on_the_device_it_is_the_function():
    weight = torch.zeros(4, device="cuda")

    def step(x):
        weight.add_(x)
        return weight * 2

    run, expected = Captured(step), torch.zeros(4)
    for number in range(WARM_UP + 4):
        x = torch.full((4,), float(number + 1))
        expected += x
        assert torch.equal(run(x.cuda()).cpu(), 2 * expected)
