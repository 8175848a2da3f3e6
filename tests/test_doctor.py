"""What decides speed on this machine; `faceinpaint doctor` itself is tested as a command."""

from __future__ import annotations

import torch

from faceinpaint_fast import _cpu, doctor
from faceinpaint_fast.doctor import machine, tuning_of
from faceinpaint_fast.tuning import Card, table_for


def test_the_machine_is_told_with_every_library_that_decides_speed():
    found = machine(torch.device("cpu"))
    assert {"python", "processor", "threads", "torch", "triton", "pytorch-msssim", "pyamg"} <= found.keys()
    assert found["torch"] == torch.__version__
    assert found["threads"] == "1"
    assert found["kernels"] == _cpu.LEVEL
    assert torch.backends.cpu.get_cpu_capability() in found["processor"]
    assert found.keys() & {"GPU", "driver", "CUDA"} == set()


def test_the_table_that_serves_a_gpu_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "table_of", lambda _: table_for(Card("NVIDIA H100", (9, 0), 132)))
    assert tuning_of(torch.device("cuda")).startswith("NVIDIA H200, measured 2026-")
    assert tuning_of(torch.device("cuda")).endswith("nvidia-h200.json")
    monkeypatch.setattr(doctor, "table_of", lambda _: None)
    assert tuning_of(torch.device("cuda")) == "none: the likeliest cut of each kernel"
