"""What the search minimises: Eq. 3-6 and 8,  L = lambda_d L_d + lambda_c L_c + lambda_s L_s + lambda_z L_z,  x = G(z).

L_d  Eq. 3, log(1 - D(x)): pulls x towards "real".
L_c  Eq. 6, from the weighted L1 between W*M*x and W*M*I.
L_s  Eq. 5, from SSIM between W*M*x and W*M*I.
L_z  the mean of (z - e)^2, which the paper does not have.  Without an encoder e = 0, which pulls z to where N(0, 1) is
     likely, as in Bora et al. 2017, "Compressed sensing using generative models", section 4.

As printed, Eq. 5 and 6 are flat outside their bounds, and the bounds come from whole images: with much of the image
missing the search has no gradient.  The "masked" normalisation divides L1 by the weights it was summed over, averages
SSIM over windows by how much of each is known, and clamps neither; what speaks against the prior is then a mean over
known pixels, however few, so L_z is divided by their share.  "none" leaves L1 the sum that it is.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.networks.adjoint import Differentiable
from faceinpaint_fast.networks.dcgan import to_unit
from faceinpaint_fast.ops.ssim_l1 import Target, ssim_l1, window_statistics
from faceinpaint_fast.ops.window import Window

TERMS = ("discriminator", "context", "structural", "prior", "total")


def discriminator_loss(logit: Tensor) -> Tensor:
    """Eq. 3: log(1 - D(x)), where D(x) = sigmoid(logit)."""
    # softplus would switch to the identity above 20, 2e-9 off; float32 would round by the place in a vector
    return logsigmoid(-logit.double()).to(logit.dtype)


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

    images         I, (B, 3, H, W) in [0, 1]; what its hole contains does not matter
    known          M, (B, H, W) float, 1 = known, 0 = missing
    weights        W, (B, H, W), Eq. 7
    discriminator  with its pullback: `adjoint.differentiable`
    expected       the prior's e, (B, latent_size); none: 0
    """

    def __init__(
        self,
        images: Tensor,
        known: Tensor,
        weights: Tensor,
        discriminator: Differentiable,
        config: InpaintConfig,
        expected: Tensor | None = None,
    ) -> None:
        self.D, self.config = discriminator, config
        self.expected = images.new_zeros(len(images), 1) if expected is None else expected
        channels = images.shape[-3]
        # W*M; where, not a product, for the image: the hole may hold NaN
        w = known * weights
        window = Window()
        # how much of each window is known
        windows, _ = window_statistics(known.unsqueeze(-3), window.taps(known.dtype, known.device), window.pad)
        windows = windows.squeeze(-3)
        if config.normalization == "masked":
            total = channels * windows.sum(dim=(-2, -1))
            windows = windows / total.where(total > 0, 1)[:, None, None]
            # W >= 1, so a sum below 1 is that of an image of which nothing is known: 0 / 1
            self.total_weight = (channels * w.sum(dim=(-2, -1))).clamp(min=1)
            self.share = known.mean(dim=(-2, -1)).clamp(min=1 / known[0].numel())
        else:
            total = self.total_weight = self.share = torch.ones_like(windows[:, 0, 0])
            windows = torch.full_like(windows, 1 / (channels * windows[0].numel()))
        # an image of which no window sees a known pixel has no structure to agree with
        self.structured = (total > 0).to(images.dtype)
        self.target = Target.of(images.where(known.unsqueeze(-3) > 0, 0), w, windows, window=window)

    @property
    def device(self) -> torch.device:
        """Of all that it holds."""
        return self.target.v.device

    def clone(self) -> Objective:
        """The same in memory of its own."""
        other = copy.copy(self)
        other.target = self.target.clone()
        other.total_weight, other.structured = self.total_weight.clone(), self.structured.clone()
        other.share, other.expected = self.share.clone(), self.expected.clone()
        return other

    def copy_(self, other: Objective) -> None:
        """Become `other`, of the same shapes and config, in place."""
        self.target.copy_(other.target)
        self.total_weight.copy_(other.total_weight)
        self.structured.copy_(other.structured)
        self.share.copy_(other.share)
        self.expected.copy_(other.expected)

    def terms(self, x: Tensor, z: Tensor) -> Tensor:
        """All of TERMS, of images x (B, 3, H, W) in [-1, 1] and their codes z (B, latent_size): (B, len(TERMS))."""
        return self._terms(discriminator_loss(self.D(x)[0]), *self._distances(x), z)

    def with_gradients(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Eq. 8 of x and z as in `terms` -> (B,), its gradient in x, and that in z; a term of weight 0 is left out."""
        config = self.config
        a, b = self._slopes(x)
        # x in [-1, 1] is twice as long as in [0, 1]
        similarity, l1, gradient = ssim_l1(to_unit(x), self.target, a / 2, b / 2)
        loss = torch.zeros_like(l1)
        if config.lambda_d:
            logit, pull = self.D(x)
            loss = discriminator_loss(logit)
            # d log(1 - sigmoid(t)) / dt = -sigmoid(t)
            gradient = gradient + pull(-config.lambda_d * torch.sigmoid(logit.double()).to(logit.dtype))
        of_z = (2 * config.lambda_z / z.shape[1]) * (z - self.expected) / self.share[:, None]
        return self._terms(loss, similarity, l1, z)[:, -1], gradient, of_z

    def _distances(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """SSIM and L1, each (B,)."""
        none = x.new_zeros(len(x))
        similarity, l1, _ = ssim_l1(to_unit(x), self.target, none, none, with_gradient=False)
        return similarity, l1

    def _terms(self, discriminator: Tensor, similarity: Tensor, l1: Tensor, z: Tensor) -> Tensor:
        config, bounds, away = self.config, self.config.normalization, z - self.expected
        if isinstance(bounds, Normalization):
            context, structural = context_loss(l1, bounds), structural_loss(similarity, bounds)
        else:
            context, structural = l1 / self.total_weight, 1 - similarity
        losses = discriminator, context, structural, (away * away).mean(dim=1) / self.share
        lambdas = config.lambda_d, config.lambda_c, config.lambda_s, config.lambda_z
        # a loss of weight 0 may be anything, NaN as well
        total = torch.stack([weight * loss for weight, loss in zip(lambdas, losses, strict=True) if weight]).sum(dim=0)
        return torch.stack([*losses, total], dim=1)

    def _slopes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of Eq. 8 in SSIM and in L1, each (B,)."""
        config, bounds = self.config, self.config.normalization
        if not isinstance(bounds, Normalization):
            return -config.lambda_s * self.structured, config.lambda_c / self.total_weight
        similarity, l1 = self._distances(x)
        # Eq. 5 and 6 are flat outside their bounds
        sloping = (similarity >= bounds.s_min) & (similarity <= bounds.s_max)
        rising = (l1 >= bounds.c_min) & (l1 <= bounds.c_max)
        return (
            sloping.to(x.dtype) * (-config.lambda_s / (bounds.s_max - bounds.s_min)),
            rising.to(x.dtype) * (config.lambda_c / (bounds.c_max - bounds.c_min)),
        )
