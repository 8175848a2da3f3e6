"""DIP, the method that Qiang et al. 2019 improve on, with the networks and the engine of ours, and Poisson blending.

It is that of Yeh et al. 2017, "Semantic Image Inpainting with Deep Generative Models":

    z^ = argmin_z  L_c + lambda L_p
    L_c = || W * (G(z) - y) ||_1                      images in [-1, 1]
    W_i = sum over j in N(i) of (1 - M_j) / |N(i)|    for known i; 0 for missing ones
    L_p = log(1 - D(G(z)))                            lambda = 0.003

N(i) is the 7x7 neighbourhood, clipped at the image's border: known pixels far from the hole have no say.  After every
step z is clipped to [-1, 1], as in the paper, though its z is uniform there and ours is normal: over 8 validation faces
of CelebA a centre hole gained 0.8 dB by it, a left half 0.8 and 80 % dropped 0.1; by [-3, 3] it was 0, 0.7 and 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast.arrays import pick_device
from faceinpaint_fast.blend.doors import blended, equation_of
from faceinpaint_fast.config import InpaintConfig, Precision
from faceinpaint_fast.networks.protocols import Discriminator, Generator, frozen
from faceinpaint_fast.search.latent_search import LatentSearch
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.problem import Problem
from faceinpaint_fast.weight_map import weight_map

NEIGHBOURHOOD = 7  # pixels, N(i)'s side
PRIOR_WEIGHT = 0.003  # lambda


def context_weights(holes: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns W, the share of each known pixel's neighbours that is missing: (B, H, W) -> (B, H, W)."""

    def neighbours(pixels: NDArray[np.bool_]) -> NDArray[Any]:
        # Eq. 7 of Qiang et al. with alpha = k^2 is 1 + the count
        return weight_map(pixels, k=NEIGHBOURHOOD, alpha=float(NEIGHBOURHOOD**2)) - 1

    share = neighbours(holes) / neighbours(np.ones_like(holes[0]))
    return np.where(holes, np.float32(0), share)


class DIP:
    """Restores images by the method of Yeh et al. 2017; called as `__call__` says.

    generator, discriminator  as for `pipeline.Inpainter`
    iterations                of Adam at a constant step, 1500 in the paper; the step is ours, `InpaintConfig.paper()`
    precision, device         as for `InpaintConfig` and `pipeline.Inpainter`
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        iterations: int = 1500,
        precision: Precision = "fp32",
        device: str | torch.device = "auto",
    ) -> None:
        self._device = pick_device(device)
        self._config = InpaintConfig.paper(
            iterations=iterations,
            precision=precision,
            z_max=1.0,
            lambda_d=PRIOR_WEIGHT,
            # L1 of images in [0, 1] is half of that in [-1, 1]
            lambda_c=2.0,
            lambda_s=0.0,
            normalization="none",
        )
        self._equation = equation_of(self._config)
        G, D = frozen(generator, self._device), frozen(discriminator, self._device)
        self._networks = Networks.of(G, D, None, self._config, self._device)
        self.search = LatentSearch(self._networks, self._config, self._device)

    def __call__(
        self, images: NDArray[np.float64], holes: NDArray[np.bool_], seeds: Sequence[int]
    ) -> NDArray[np.float64]:
        """Fills the holes (B, H, W) of images (B, H, W, 3) in [0, 1], of the generator's size.

        An image's result depends on its own hole, known pixels and seed alone; what the hole holds does not matter, and
        known pixels come back bit for bit.
        Raises ModelError, naming the image, if its loss cannot be kept finite.
        """
        generated = self.search(self.problem(images, holes), seeds).generated.movedim(1, -1).cpu().numpy()
        return blended(images, generated, holes, self._equation).clip(0, 1)

    def problem(self, images: NDArray[np.float64], holes: NDArray[np.bool_]) -> Problem:
        """Returns what is asked of images (B, H, W, 3) and holes (B, H, W), with the weights of L_c."""

        def on_device(array: NDArray[Any]) -> torch.Tensor:
            return torch.tensor(array, device=self._device)

        asked = on_device(np.moveaxis(images, -1, 1).astype(np.float32))
        problem = Problem.of(asked, on_device(holes), self._networks, self._config)
        return replace(problem, weights=on_device(context_weights(holes)))
