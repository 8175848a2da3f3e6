"""Calibration of Eq. 5 and 6 (Fig. 4): how SSIM and L1 between held-out and generated images spread.

s_min, s_max = mean -+ 3 std of SSIM, c_min, c_max the same of L1, over all pairs of an image and a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast.config import Normalization
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.networks.dcgan import DCGANGenerator
from faceinpaint_fast.ops import ssim
from faceinpaint_fast.training.samples import samples_of


@dataclass(frozen=True, slots=True)
class Calibration:
    """SSIM and L1 of every pair, each (images, samples), on the [0, 1] scale."""

    ssim: NDArray[np.float32]
    l1: NDArray[np.float32]
    seed: int

    @property
    def normalization(self) -> Normalization:
        """The four bounds, mean -+ 3 std."""
        spread_s, spread_c = 3 * self.ssim.std(dtype=np.float64), 3 * self.l1.std(dtype=np.float64)
        mean_s, mean_c = self.ssim.mean(dtype=np.float64), self.l1.mean(dtype=np.float64)
        return Normalization(
            s_min=float(mean_s - spread_s),
            s_max=float(mean_s + spread_s),
            c_min=float(mean_c - spread_c),
            c_max=float(mean_c + spread_c),
        )

    def describe(self) -> dict[str, float | int]:
        """Returns what the model folder keeps: counts, means, standard deviations and the bounds."""
        images, samples = self.ssim.shape
        figures = {
            f"{name}_{figure}": float(getattr(values, figure)(dtype=np.float64))
            for name, values in (("ssim", self.ssim), ("l1", self.l1))
            for figure in ("mean", "std")
        }
        return {"images": images, "samples": samples, "seed": self.seed} | figures | asdict(self.normalization)


@torch.no_grad()
def calibrate(
    generator: DCGANGenerator,
    images: NDArray[np.uint8],
    *,
    samples: int = 12_800,
    seed: int = 0,
    device: torch.device,
    progress: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Compares held-out images (N, H, W, 3) with samples of G; `progress` hears how many samples are done."""
    if samples < 1:
        raise InputError(f"samples: expected >= 1, got {samples}")
    held_out = torch.from_numpy(images).to(device).movedim(-1, 1).float() / 255
    similarities, distances = [], []
    done = 0
    for drawn in samples_of(generator, samples, seed, device):
        similarities.append(torch.stack([_against(image, drawn) for image in held_out]).cpu())
        distances.append(torch.cdist(held_out.flatten(1), drawn.flatten(1), p=1).cpu())
        done += len(drawn)
        progress(done)
    return Calibration(torch.cat(similarities, dim=1).numpy(), torch.cat(distances, dim=1).numpy(), seed)


def _against(image: Tensor, drawn: Tensor) -> Tensor:
    return ssim(drawn, image.expand_as(drawn))
