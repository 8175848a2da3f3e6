"""What holds a code near where it is likely: lambda_z L_z of Eq. 8, which the paper does not have; and activations.

    L_z = mean of (code - centre)^2 / share

Without a guess the centre is 0, which pulls z to where N(0, 1) is likely, as in Bora et al. 2017, "Compressed sensing
using generative models", section 4; with one it is the guess.  What speaks against the prior is, by the "masked"
normalisation, a mean over known pixels, however few: L_z is then divided by their share.

Activations u behind a layer of G are held to where their stage began: lambda_u L_u, L_u = mean of (u - u_0)^2.  There a
share would cost 0.4 dB where 80 % is missing, and gain nothing elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.search.problem import Problem


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """The prior of a batch of codes, or of activations, (B, n).

    centre  (B, n), or (B, 1) where it is one number for all of a code
    share   (B,), of the image that is known, or 1
    weight  lambda_z, or lambda_u
    """

    centre: Tensor
    share: Tensor
    weight: float

    @classmethod
    def of(cls, problem: Problem, config: InpaintConfig) -> Prior:
        """Returns the prior of a problem's codes."""
        known = problem.known
        centre = known.new_zeros(len(known), 1) if problem.guess is None else problem.guess
        share = torch.ones_like(known[:, 0, 0])
        if config.normalization == "masked":
            share = known.mean(dim=(-2, -1)).clamp(min=1 / known[0].numel())
        return cls(centre, share, config.lambda_z)

    @classmethod
    def at(cls, began: Tensor, config: InpaintConfig) -> Prior:
        """Returns the prior of activations (B, n) whose stage began there."""
        return cls(began, torch.ones_like(began[:, 0]), config.lambda_u)

    def loss(self, code: Tensor) -> Tensor:
        """Returns L_z of codes (B, n): (B,)."""
        away = code - self.centre
        return (away * away).mean(dim=1) / self.share

    def weighted(self, code: Tensor) -> Tensor:
        """Returns lambda_z L_z of codes (B, n): (B,); with a weight of 0 it is 0, whatever the codes."""
        return self.weight * self.loss(code) if self.weight else torch.zeros_like(code[:, 0])

    def gradient(self, code: Tensor) -> Tensor:
        """Returns the gradient of `weighted` in codes (B, n): (B, n)."""
        return (2 * self.weight / code.shape[1]) * (code - self.centre) / self.share[:, None]
