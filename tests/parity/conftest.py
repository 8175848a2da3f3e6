"""A small model, small images, and searches of a few iterations."""

from __future__ import annotations

import pytest

from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import Model, ModelConfig
from faceinpaint_fast.parity import engine, functions


@pytest.fixture
def model(generator, discriminator, encoder):
    config = ModelConfig(size=64, channels=3, framing=CELEBA_108, latent_size=100, width=4, encoder_width=4, sha256={})
    return Model(generator, discriminator, encoder, config)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Small images, and searches of a few iterations from a few starts."""
    monkeypatch.setattr(functions, "LARGE", (1, 90, 40, 3))
    for name, value in {"SHORT": 4, "STARTS": 4, "LONG": 8, "LONG_STARTS": 1}.items():
        monkeypatch.setattr(engine, name, value)


@pytest.fixture
def failing():
    """The names of the checks that fail, each once, of some that do not all fail."""

    def names(checks):
        checks = list(checks)
        failed = {check.name for check in checks if not check.passed}
        assert failed != {check.name for check in checks}
        return failed

    return names
