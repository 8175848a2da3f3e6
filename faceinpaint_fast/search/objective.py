"""What the search minimises of an image: Eq. 3-6 and 8,  L = lambda_d L_d + lambda_c L_c + lambda_s L_s,  x = G(z).

L_d  Eq. 3, log(1 - D(x)): pulls x towards "real".
L_c  Eq. 6, from the weighted L1 between W*M*x and W*M*I.
L_s  Eq. 5, from SSIM between W*M*x and W*M*I.

As printed, Eq. 5 and 6 are flat outside their bounds, and the bounds come from whole images: with much of the image
missing the search has no gradient.  The "masked" normalisation divides L1 by the weights it was summed over, averages
SSIM over windows by how much of each is known, and clamps neither.  "none" leaves L1 the sum that it is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.networks.protocols import Differentiable, to_unit
from faceinpaint_fast.ops.ssim_l1 import Target, ssim_l1, window_statistics
from faceinpaint_fast.ops.window import Window
from faceinpaint_fast.search.problem import Problem

IMAGE_TERMS = ("discriminator", "context", "structural")


def discriminator_loss(logit: Tensor) -> Tensor:
    """Returns Eq. 3, log(1 - D(x)), where D(x) = sigmoid(logit)."""
    # softplus would switch to the identity above 20, 2e-9 off; float32 would round by the place in a vector
    return logsigmoid(-logit.double()).to(logit.dtype)


def structural_loss(ssim: Tensor, normalization: Normalization) -> Tensor:
    """Returns Eq. 5: 1 if SSIM < s_min; (s_max - SSIM) / (s_max - s_min) between; 0 if SSIM > s_max.

    SSIM may be any array or float.
    """
    expect_bounds(normalization)
    low, high = normalization.s_min, normalization.s_max
    between = (ssim >= low) & (ssim <= high)
    return (ssim < low) + between * (high - ssim) / (high - low)


def context_loss(l1: Tensor, normalization: Normalization) -> Tensor:
    """Returns Eq. 6: 1 if ||.||_1 > c_max; ||.||_1 / (c_max - c_min) between; 0 if ||.||_1 < c_min.

    L1 may be any array or float.  As printed: there is no c_min in the numerator, so the loss jumps at either bound.
    """
    expect_bounds(normalization)
    low, high = normalization.c_min, normalization.c_max
    between = (l1 >= low) & (l1 <= high)
    return (l1 > high) + between * l1 / (high - low)


def expect_bounds(normalization: Any) -> None:
    """Raises InputError for anything but a Normalization."""
    if not isinstance(normalization, Normalization):
        raise InputError(f"normalization: expected a Normalization, got {normalization!r}")


class Objective:
    """Eq. 8 of images for a batch of problems, with all that depends on these alone computed once.

    discriminator  the one of `Networks`
    """

    def __init__(self, problem: Problem, discriminator: Differentiable, config: InpaintConfig) -> None:
        self.D, self.config = discriminator, config
        images, known = problem.images, problem.known
        channels = images.shape[-3]
        # W*M
        w = known * problem.weights
        window = Window()
        # how much of each window is known
        windows, _ = window_statistics(known.unsqueeze(-3), window.taps(known.dtype, known.device), window.pad)
        windows = windows.squeeze(-3)
        if config.normalization == "masked":
            total = channels * windows.sum(dim=(-2, -1))
            windows = windows / total.where(total > 0, 1)[:, None, None]
            # W >= 1, so a sum below 1 is that of an image of which nothing is known: 0 / 1
            self.total_weight = (channels * w.sum(dim=(-2, -1))).clamp(min=1)
        else:
            total = self.total_weight = torch.ones_like(windows[:, 0, 0])
            windows = torch.full_like(windows, 1 / (channels * windows[0].numel()))
        # an image of which no window sees a known pixel has no structure to agree with
        self.structured = (total > 0).to(images.dtype)
        # derivatives of Eq. 8 in SSIM and in L1, where they have no bounds
        self.of_ssim, self.of_l1 = -config.lambda_s * self.structured, config.lambda_c / self.total_weight
        self.target = Target.of(images, w, windows, window=window)

    def terms(self, x: Tensor) -> Tensor:
        """Returns IMAGE_TERMS, all of them, of images x (B, C, H, W) in [-1, 1]: (B, len(IMAGE_TERMS))."""
        return torch.stack(self._terms(discriminator_loss(self.D(x)[0]), *self._distances(x)), dim=1)

    def total(self, terms: Tensor) -> Tensor:
        """Returns Eq. 8 of the terms (B, len(IMAGE_TERMS)) of images: (B,)."""
        lambdas = self.config.lambda_d, self.config.lambda_c, self.config.lambda_s
        # a loss of weight 0 may be anything, NaN as well
        losses = [weight * loss for weight, loss in zip(lambdas, terms.unbind(dim=1), strict=True) if weight]
        return torch.stack(losses).sum(dim=0)

    def with_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns Eq. 8 of images x as in `terms`, (B,), and its gradient in x; a term of weight 0 is left out."""
        config = self.config
        a, b = self._slopes(x)
        # x in [-1, 1] is twice as long as in [0, 1]
        similarity, l1, gradient = ssim_l1(to_unit(x), self.target, a / 2, b / 2)
        loss = torch.zeros_like(l1)
        if config.lambda_d:
            logit, pull = self.D(x)
            loss = discriminator_loss(logit)
            # d log(1 - sigmoid(t)) / dt = -sigmoid(t)
            gradient = pull(-config.lambda_d * torch.sigmoid(logit.double()).to(logit.dtype), gradient)
        return self.total(torch.stack(self._terms(loss, similarity, l1), dim=1)), gradient

    def _distances(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns SSIM and L1, each (B,)."""
        none = torch.zeros_like(x[:, 0, 0, 0])
        similarity, l1, _ = ssim_l1(to_unit(x), self.target, none, none, with_gradient=False)
        return similarity, l1

    def _terms(self, discriminator: Tensor, similarity: Tensor, l1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns IMAGE_TERMS, each (B,), of Eq. 3, of SSIM and of L1."""
        bounds = self.config.normalization
        if isinstance(bounds, Normalization):
            return discriminator, context_loss(l1, bounds), structural_loss(similarity, bounds)
        return discriminator, l1 / self.total_weight, 1 - similarity

    def _slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the derivatives of Eq. 8 in SSIM and in L1, each (B,)."""
        config, bounds = self.config, self.config.normalization
        if not isinstance(bounds, Normalization):
            return self.of_ssim, self.of_l1
        similarity, l1 = self._distances(x)
        # Eq. 5 and 6 are flat outside their bounds
        sloping = (similarity >= bounds.s_min) & (similarity <= bounds.s_max)
        rising = (l1 >= bounds.c_min) & (l1 <= bounds.c_max)
        return (
            sloping.to(x.dtype) * (-config.lambda_s / (bounds.s_max - bounds.s_min)),
            rising.to(x.dtype) * (config.lambda_c / (bounds.c_max - bounds.c_min)),
        )
