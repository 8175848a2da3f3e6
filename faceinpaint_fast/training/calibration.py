"""Calibration of Eq. 5 and 6 (Fig. 4): how SSIM and L1 between held-out and generated images spread.

s_min, s_max = mean -+ 3 std of SSIM, c_min, c_max the same of L1, over all pairs of an image and a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast.config import Normalization
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.networks.dcgan import DCGANGenerator
from faceinpaint_fast.networks.protocols import frozen, to_unit
from faceinpaint_fast.ops import ssim
from faceinpaint_fast.training.samples import codes_of

Pairs = tuple[NDArray[np.float32], NDArray[np.float32]]  # SSIM and L1, each (images, samples)


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


class Comparison:
    """Holds held-out images against the samples of codes."""

    def __init__(self, generator: DCGANGenerator, images: NDArray[np.uint8], device: torch.device) -> None:
        self._G, self._device = frozen(generator, device), device
        self._held_out = torch.from_numpy(images).to(device).movedim(-1, 1).float() / 255

    @torch.no_grad()
    def __call__(self, codes: Tensor) -> Pairs:
        """Returns SSIM and L1 of every pair, each (images, B): of codes (B, n)."""
        drawn = to_unit(self._G(codes.to(self._device)))
        similarities = torch.stack([ssim(drawn, image.expand_as(drawn)) for image in self._held_out])
        distances = torch.cdist(self._held_out.flatten(1), drawn.flatten(1), p=1)
        return similarities.cpu().numpy(), distances.cpu().numpy()


@dataclass(frozen=True, slots=True, eq=False)
class Comparing:
    """What a `Comparison` is made of, by this process or by another: G on the CPU, and held-out images (N, H, W, 3)."""

    generator: DCGANGenerator
    images: NDArray[np.uint8]

    def made(self, device: str | torch.device) -> Comparison:
        """Returns one on a device."""
        return Comparison(self.generator, self.images, torch.device(device))


# has images compared with the samples of codes, batches (B, n) in their order
Through = Callable[[Comparing, Sequence[Tensor]], Iterable[Pairs]]


def calibrate(
    generator: DCGANGenerator,
    images: NDArray[np.uint8],
    *,
    samples: int = 12_800,
    seed: int = 0,
    device: torch.device,
    progress: Callable[[int], None] = lambda _: None,
    through: Through | None = None,
) -> Calibration:
    """Compares held-out images (N, H, W, 3) with samples of G.

    progress  hears how many samples are done
    through   has them compared, wherever; None: here, on the device
    """
    if samples < 1:
        raise InputError(f"samples: expected >= 1, got {samples}")
    comparing, codes = Comparing(generator, images), [*codes_of(generator.latent_size, samples, seed)]
    found: list[Pairs] = []
    for pairs in map(comparing.made(device), codes) if through is None else through(comparing, codes):
        found.append(pairs)
        progress(sum(distances.shape[1] for _, distances in found))
    similarities, distances = zip(*found, strict=True)
    return Calibration(np.concatenate(similarities, axis=1), np.concatenate(distances, axis=1), seed)
