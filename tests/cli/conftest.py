"""Running the command line, and what it is run on."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image
from skimage import data, transform

from faceinpaint_fast import InpaintConfig, Inpainter
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.images import write_image
from faceinpaint_fast.models import save_model

# what is said of a first picture of the tests' faces
TAKEN = r"faceinpaint: .*/\d\.png: 64x64 pixels, taken as they are"


@pytest.fixture
def refused(faceinpaint, tmp_path):
    """Run a command line that must be refused, with nothing written: the last line on stderr.

    Before it there may be one that says what was done with the first picture.
    """

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        status, out, err = faceinpaint(*arguments)
        assert status == 2
        assert out == ""
        assert err.endswith("\n")
        *remarks, line = err.splitlines()
        assert line.startswith("faceinpaint: ")
        assert [remark for remark in remarks if not re.fullmatch(TAKEN, remark)] == []
        assert sorted(tmp_path.rglob("*")) == before
        return line

    return run


@pytest.fixture
def model(tmp_path, generator, discriminator):
    """A model folder with the tests' small networks."""
    save_model(tmp_path / "model", generator, discriminator, framing=CELEBA_108, training={"images": 640})
    return tmp_path / "model"


@pytest.fixture(scope="module")
def face():
    """A photograph of a face: (64, 64, 3) uint8."""
    cut = transform.resize(data.astronaut()[0:200, 120:320], (64, 64), anti_aliasing=True)
    return np.round(cut * 255).astype(np.uint8)


@pytest.fixture
def picture(tmp_path, face):
    write_image(tmp_path / "face.png", face)
    return tmp_path / "face.png"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "restored" / "face.png"


@pytest.fixture
def faces(tmp_path, face):
    """A folder of eight faces, each a little lighter than the one before."""
    for i in range(8):
        write_image(tmp_path / "faces" / f"{i}.png", np.minimum(face.astype(int) + 8 * i, 255).astype(np.uint8))
    return tmp_path / "faces"


@pytest.fixture
def taken(faces):
    """What is said of them on stderr."""
    return f"faceinpaint: {faces}/0.png: 64x64 pixels, taken as they are\n"


@pytest.fixture
def celeba(tmp_path, face):
    """A folder of two pictures of CelebA's size, the same face in the square of celeba-108, a little lighter."""
    for i in range(2):
        picture = np.zeros((218, 178, 3), np.uint8)
        picture[55:163, 35:143] = np.asarray(Image.fromarray(face + np.uint8(i)).resize((108, 108)))
        write_image(tmp_path / "celeba" / f"{i}.png", picture)
    return tmp_path / "celeba"


@pytest.fixture
def restored():
    """The same by the Python interface, with three iterations unless told otherwise."""

    def run(model, face, hole, *, seed=0, config=InpaintConfig(), iterations=3):  # noqa: B008 - frozen
        inpainter = Inpainter.from_pretrained(model, config=dataclasses.replace(config, iterations=iterations))
        return inpainter(face, hole, seed=seed)

    return run
