"""Faces of another model's size by the default model: its square of each, and the blend around it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.methods import ENLARGED, available, build
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_148
from faceinpaint_fast.models import DEFAULT, load_model, save_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANGenerator

pytest.importorskip("cv2", reason="the extra photo is not installed")


@pytest.fixture
def larger(tmp_path):
    """A model of 128 pixels, whose own search has no part here."""
    networks = DCGANGenerator(size=128, width=2), DCGANDiscriminator(size=128, width=2)
    save_model(tmp_path, *networks, framing=CELEBA_148, training={})
    return load_model(tmp_path)


def test_the_default_model_restores_what_a_larger_one_would(larger):
    names, _ = available([ENLARGED], larger)
    method = build(names, model=larger, device=torch.device("cpu"), precision="fp32")[ENLARGED]
    assert method.model == load_model(DEFAULT).config.sha256["generator"]
    face = astronaut(CELEBA_148, 128) / 255
    hole = masks.rectangle((128, 128), top=48, left=70, height=22, width=26)
    (found,) = method.restore(face[None], hole[None], [0])
    np.testing.assert_array_equal(found[~hole], face[~hole])
    # an eye is drawn where one was: nearer than the mean of what is around it
    around = np.broadcast_to(face[44:74, 66:100][~hole[44:74, 66:100]].mean(axis=0), face.shape)
    assert ((found - face)[hole] ** 2).mean() < 0.7 * ((around - face)[hole] ** 2).mean()
