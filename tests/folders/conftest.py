"""Folders of pictures and holes, and a small engine."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.folders.plan import Plan, Task
from faceinpaint_fast.folders.run import restore_folder


@pytest.fixture
def images(tmp_path):
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def put():
    """Saves a picture, by default a grey square of 64 pixels."""

    def save(path, picture=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((64, 64, 3), 128, np.uint8) if picture is None else picture).save(path)
        return path

    return save


@pytest.fixture
def put_hole(put):
    return lambda path: put(path, masks.centre((64, 64)) * np.uint8(255))


@pytest.fixture
def planned(images, out):
    """A plan of that folder, with the hole in the centre unless told otherwise."""

    def plan(holes="centre", **asked):
        return Plan.of(Task(images=images, holes=str(holes), out=out, **asked))

    return plan


@pytest.fixture
def inpainter(generator, discriminator):
    return Inpainter(generator, discriminator, config=InpaintConfig.over_z(iterations=1), device="cpu")


@pytest.fixture
def six(images, put, faces):
    """Six faces in two folders."""
    for i in range(6):
        put(images / ("" if i % 2 else "sub") / f"{i}.png", faces[i])
    return images


@pytest.fixture
def restore(planned, inpainter):
    """Restores the folder, by default with the hole in the centre, two pictures at a time."""

    def restore_it(holes="centre", *, asked=None, **heard):
        return restore_folder(planned(holes, batch=2, **(asked or {})), inpainter, **heard)

    return restore_it
