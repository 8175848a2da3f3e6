"""What comes along to run the service elsewhere: linted where the linters can be had."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
pytestmark = pytest.mark.skipif(not DEPLOY.is_dir(), reason="deploy/ is not part of a source distribution")


def test_the_image_is_linted():
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([found, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_of_a_user_without_rights_and_takes_what_it_needs_alone():
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001"]
    taken = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"]
    for each in taken:
        assert (DEPLOY.parent / each).exists(), each


def test_the_unit_is_verified(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    # the program lies where it is installed, and must be there
    text = (DEPLOY / "faceinpaint.service").read_text()
    assert text.count("ExecStart=/opt/faceinpaint/bin/faceinpaint") == 1
    unit = tmp_path / "faceinpaint.service"
    unit.write_text(text.replace("/opt/faceinpaint/bin/faceinpaint", shutil.which("true")))
    command = ["systemd-analyze", "verify", "--man=no", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
