"""Ray on this machine, started once, and folders of faces."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from faceinpaint_fast import InpaintConfig, Inpainter
from faceinpaint_fast.cluster.crew import Crew
from faceinpaint_fast.cluster.run import restore_on_ray
from faceinpaint_fast.folders import photographs
from faceinpaint_fast.folders.plan import Plan, Task
from faceinpaint_fast.folders.run import restore_folder
from faceinpaint_fast.models import load_model

# in the place of dlib and its weights, where they are not installed
RECOGNISER = Path(__file__).with_name("recogniser")


@pytest.fixture(scope="session")
def on_ray():
    """A Ray of two cores, without its dashboard; it keeps no token in anybody's home.

    Its processes have a recogniser of faces, and the tests that ask for it.
    """
    ray = pytest.importorskip("ray", reason="ray is not installed")
    pytest.importorskip("ray.data")
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # it would let its processes give way to all others, of which a busy machine may have many
    patch.setenv("RAY_worker_niceness", "0")
    patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    if find_spec("dlib") is None or find_spec("face_recognition_models") is None:
        patch.setenv("PYTHONPATH", str(RECOGNISER), prepend=os.pathsep)
        patch.syspath_prepend(RECOGNISER)
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=2**27,
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray
    ray.shutdown()
    patch.undo()


@pytest.fixture
def images(tmp_path, faces):
    """Twelve faces in two folders."""
    for i in range(12):
        path = tmp_path / "in" / ("sub" if i % 3 else "") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces[i]).save(path)
    return tmp_path / "in"


@pytest.fixture(scope="session")
def config():
    return InpaintConfig.over_z(iterations=1)


@pytest.fixture
def plan(images, tmp_path):
    def plan_it(out="out", holes="random:0.4", batch=2, **asked):
        asked = {"images": images, **asked}
        return Plan.of(Task(holes=str(holes), out=tmp_path / out, batch=batch, **asked))

    return plan_it


@pytest.fixture
def restore(plan, small_model, config):
    """Restores a folder on Ray; with `here=True` by this process alone."""

    def restore_it(*, here=False, heard=None, workers=1, iterations=config.iterations, **asked):
        model, chosen = load_model(small_model), replace(config, iterations=iterations)
        if here:
            inpainter = Inpainter.of(model, config=chosen, device="cpu")
            settings = {"detector": None, "mirror": "auto"}
            whole = photographs.of(inpainter, model.config.framing, **settings)
            return restore_folder(plan(**asked), inpainter, photographs=whole, settings=settings, **(heard or {}))
        crew = Crew(workers=workers, device="cpu")
        return restore_on_ray(plan(**asked), model, crew, config=chosen, **(heard or {}))

    return restore_it
