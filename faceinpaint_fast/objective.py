"""What the search minimises: Eq. 3-6 and 8,  L = lambda_d L_d + lambda_c L_c + lambda_s L_s,  of x = G(z).

L_d  Eq. 3, log(1 - D(x)): pulls x towards "real".
L_c  Eq. 6, from the weighted L1 between W*M*x and W*M*I.
L_s  Eq. 5, from SSIM between W*M*x and W*M*I.

As printed, Eq. 5 and 6 are flat outside their bounds, and the bounds come from whole images: with much of the image
missing the search has no gradient.  The "masked" normalisation divides L1 by the weights it was summed over, averages
SSIM over windows by how much of each is known, and clamps neither.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.generator import Discriminator, to_unit
from faceinpaint_fast.ops import weighted_l1
from faceinpaint_fast.ops.ssim import local_mean, ssim_map

TERMS = ("discriminator", "context", "structural", "total")


def discriminator_loss(logit: Tensor) -> Tensor:
    """Eq. 3: log(1 - D(x)), where D(x) = sigmoid(logit)."""
    # softplus would switch to the identity above 20, 2e-9 off
    return logsigmoid(-logit)


def structural_loss(ssim: Tensor, normalization: Normalization) -> Tensor:
    """Eq. 5: 1 if SSIM < s_min; (s_max - SSIM) / (s_max - s_min) between; 0 if SSIM > s_max.  Any array or float."""
    low, high = normalization.s_min, normalization.s_max
    between = (ssim >= low) & (ssim <= high)
    return (ssim < low) + between * (high - ssim) / (high - low)


def context_loss(l1: Tensor, normalization: Normalization) -> Tensor:
    """Eq. 6: 1 if ||.||_1 > c_max; ||.||_1 / (c_max - c_min) between; 0 if ||.||_1 < c_min.  Any array or float.

    As printed: there is no c_min in the numerator, so the loss jumps at either bound.
    """
    low, high = normalization.c_min, normalization.c_max
    between = (l1 >= low) & (l1 <= high)
    return (l1 > high) + between * l1 / (high - low)


class Objective:
    """Eq. 8 for a batch of targets, with all that depends on them alone computed once.

    images   I, (B, 3, H, W) in [0, 1]; what its hole contains does not matter
    known    M, (B, H, W) float, 1 = known, 0 = missing
    weights  W, (B, H, W), Eq. 7
    """

    def __init__(
        self, images: Tensor, known: Tensor, weights: Tensor, discriminator: Discriminator, config: InpaintConfig
    ) -> None:
        self.D = discriminator
        self.normalization = config.normalization
        self.lambdas = {"discriminator": config.lambda_d, "context": config.lambda_c, "structural": config.lambda_s}
        channels = images.shape[-3]
        # where, not a product: the hole may hold NaN
        self.images = images.where(known.unsqueeze(-3) > 0, 0)
        self.weights = known * weights  # W*M
        self.target = self.weights.unsqueeze(-3) * self.images  # W*M*I
        self.total_weight = channels * self.weights.sum(dim=(-2, -1))
        self.window_known = local_mean(known)
        self.windows_known = channels * self.window_known.sum(dim=(-2, -1))

    def total(self, x: Tensor) -> Tensor:
        """Eq. 8 of images (B, 3, H, W) in [-1, 1] -> (B,); a term of weight 0 is not computed."""
        terms = [weight * getattr(self, name)(x) for name, weight in self.lambdas.items() if weight]
        return torch.stack(terms).sum(dim=0)

    def terms(self, x: Tensor) -> Tensor:
        """All of TERMS, of images (B, 3, H, W) in [-1, 1]: (B, 4)."""
        return torch.stack([getattr(self, name)(x) for name in TERMS], dim=1)

    def discriminator(self, x: Tensor) -> Tensor:
        """L_d, Eq. 3: (B, 3, H, W) -> (B,)."""
        return discriminator_loss(self.D(x))

    def context(self, x: Tensor) -> Tensor:
        """L_c, Eq. 6 or masked: (B, 3, H, W) -> (B,)."""
        l1 = weighted_l1(to_unit(x), self.images, self.weights)
        if isinstance(self.normalization, Normalization):
            return context_loss(l1, self.normalization)
        return l1 / self.total_weight

    def structural(self, x: Tensor) -> Tensor:
        """L_s, Eq. 5 or masked: (B, 3, H, W) -> (B,)."""
        similarity = ssim_map(self.weights.unsqueeze(-3) * to_unit(x), self.target)
        if isinstance(self.normalization, Normalization):
            return structural_loss(similarity.mean(dim=(-3, -2, -1)), self.normalization)
        known = (similarity * self.window_known.unsqueeze(-3)).sum(dim=(-3, -2, -1))
        # an image of which no window sees a known pixel has no structure to agree with
        seen = self.windows_known > 0
        return (1 - known / self.windows_known.where(seen, 1)).where(seen, 0)
