"""What pyproject.toml says of the files that a distribution holds."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]


@pytest.mark.parametrize("pattern", [pattern for pattern in SETTINGS["sdist"]["exclude"] if pattern != ".*"])
def test_what_is_left_out_lies_at_the_top(pattern):
    # a name without its slash is left out wherever it is: the package was once shipped without its benchmarks
    assert pattern.startswith("/")
    assert (ROOT / pattern[1:]).exists() or pattern in ("/out", "/build")


def test_all_weights_can_be_left_out_as_the_readme_says():
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if "wheel.exclude=" in line)
    pattern = line.partition("wheel.exclude=")[2].partition('"')[0]
    found = {path.suffix for path in ROOT.glob(pattern)}
    assert found == {".safetensors"}
    assert set(ROOT.glob(pattern)) == set(ROOT.glob("faceinpaint_fast/**/*.safetensors"))
