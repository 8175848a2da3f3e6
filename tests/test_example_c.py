"""The example in C, which restores a face without a runtime: it gives what `Inpainter` gives."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.export import search_file
from faceinpaint_fast.models import load_model

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "examples" / "c" / "restore.c"
CONFIG = InpaintConfig.fast()


@pytest.fixture(scope="module")
def restore(blend_library, search_library, tmp_path_factory):
    """Runs it with files."""
    program = tmp_path_factory.mktemp("program") / "restore"
    libraries = [folder / f"libfaceinpaint_{folder.name}.a" for folder in (search_library, blend_library)]
    line = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-I", ROOT / "csrc" / "c", SOURCE, *libraries]
    subprocess.run([*line, "-lstdc++", "-lm", "-pthread", "-o", program], check=True)
    return lambda *files: subprocess.run([program, *files], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def search(small_model, tmp_path_factory):
    file = tmp_path_factory.mktemp("search") / "faces.search"
    search_file.export(load_model(small_model), file, config=CONFIG)
    return file


@pytest.fixture
def asked(faces, tmp_path):
    """A face, its hole, and the files of both and of what is restored."""
    face, hole = faces[2], masks.draw("free-form", (64, 64), seed=1)
    Image.fromarray(face).save(tmp_path / "face.ppm")
    Image.fromarray(np.uint8(255 * hole)).save(tmp_path / "hole.pgm")
    return face, hole, [tmp_path / each for each in ("face.ppm", "hole.pgm", "restored.ppm")]


def test_it_restores_what_inpainter_restores(restore, search, small_model, asked):
    face, hole, files = asked
    done = restore(search, *files)
    assert (done.returncode, done.stderr) == (0, "")
    found = np.asarray(Image.open(files[-1]))
    assert_array_equal(found[~hole], face[~hole])
    expected = Inpainter.of(load_model(small_model), config=CONFIG, device="cpu")(face, hole).image.astype(int)
    # one of 255 levels
    assert_allclose(found.astype(int), expected, atol=1)
    assert np.abs(expected - face)[hole].mean() > 5


def test_what_it_cannot_take_is_told(restore, search, asked):
    files = asked[2]
    for given, told in (
        ([search], "expected FACES.search FACE.ppm HOLE.pgm OUT.ppm"),
        ([search.parent / "none.search", *files], "none.search: expected a file that can be read"),
        ([files[0], *files], "face.ppm: expected what faceinpaint export wrote"),
        ([search, files[1], *files[1:]], "hole.pgm: expected P6 of 64 pixels a side"),
    ):
        done = restore(*given)
        assert done.returncode == 2
        assert told in done.stderr
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(files[1])
    done = restore(search, *files)
    assert done.returncode == 2
    assert "hole.pgm: expected known and missing pixels" in done.stderr
    assert not files[-1].exists()


def test_it_is_short():
    assert len(SOURCE.read_text().splitlines()) < 100
