"""What decides speed on this machine; `faceinpaint doctor` itself is tested as a command."""

from __future__ import annotations

import torch

from faceinpaint_fast.doctor import machine


def test_the_machine_is_told_with_every_library_that_decides_speed():
    found = machine(torch.device("cpu"))
    assert {"python", "processor", "threads", "torch", "triton", "pytorch-msssim", "pyamg"} <= found.keys()
    assert found["torch"] == torch.__version__
    assert found["threads"] == "1"
    assert torch.backends.cpu.get_cpu_capability() in found["processor"]
    assert found.keys() & {"GPU", "driver", "CUDA"} == set()
