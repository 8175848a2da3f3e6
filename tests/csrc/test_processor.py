"""An extension that was compiled for a newer processor than it meets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

QEMU = shutil.which("qemu-x86_64")


@pytest.mark.skipif(QEMU is None, reason="qemu-user is not installed")
@pytest.mark.skipif(
    "avx512f" not in Path("/proc/cpuinfo").read_text(), reason="it was compiled for a processor without AVX-512"
)
@pytest.mark.parametrize("processor", ["Nehalem", "Haswell"])
def test_an_older_processor_is_told_how_to_build(processor):
    command = [QEMU, "-cpu", processor, sys.executable, "-c", "import faceinpaint_fast"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1  # no SIGILL
    assert "ImportError: faceinpaint_fast._cpu: expected a processor with AVX-512, for which it was" in done.stderr
    assert "FACEINPAINT_NATIVE=OFF" in done.stderr
