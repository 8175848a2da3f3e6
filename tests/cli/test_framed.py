"""The remark on faces that do not lie as the model draws them."""

from __future__ import annotations

import numpy as np
import torch

from faceinpaint_fast.cli.framed import remark_on
from faceinpaint_fast.evaluation import framed
from faceinpaint_fast.models import load_model
from faceinpaint_fast.networks.protocols import to_unit

CPU = torch.device("cpu")


def test_faces_that_lie_otherwise(model, monkeypatch, capsys):
    monkeypatch.setattr(framed, "SAMPLES", 64)
    loaded = load_model(model)
    with torch.no_grad():
        drawn = to_unit(loaded.generator(torch.randn(40, loaded.generator.latent_size)))
    samples = np.round(255 * drawn.permute(0, 2, 3, 1).numpy()).astype(np.uint8)
    remark_on({"its own": samples, "upside down": samples[:, ::-1], "few": samples[:4, ::-1]}, loaded, CPU)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("faceinpaint: upside down: the mean face is 0.")
