"""A remark on data sets whose faces do not lie as the model draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from faceinpaint_fast.cli import console

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from faceinpaint_fast.models import Model


def remark_on(sets: Mapping[str, NDArray[np.uint8]], model: Model, device: torch.device) -> None:
    """Prints a remark on each data set, faces (N, H, W, 3), whose mean face is far from that of the model's samples."""
    import torch

    from faceinpaint_fast.evaluation import framed
    from faceinpaint_fast.training.samples import samples_of

    if all(len(faces) < framed.FEWEST for faces in sets.values()):
        return
    drawn = torch.cat(list(samples_of(model.generator, framed.SAMPLES, 0, device)))
    samples = drawn.permute(0, 2, 3, 1).cpu().numpy()
    for name, faces in sets.items():
        if (doubt := framed.doubt(faces, samples)) is not None:
            console.remark(f"{name}: {doubt}")
