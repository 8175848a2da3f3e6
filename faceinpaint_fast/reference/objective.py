"""What the search minimises: Eq. 8, L = lambda_d L_d + lambda_c L_c + lambda_s L_s + lambda_z L_z, for autograd.

Written a second time, by other means than losses.py and ssim.py, so that the two can be held against each other.
Images are (B, C, H, W); `known` is M and `W` the weights of Eq. 7, both (B, H, W).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d, logsigmoid

from faceinpaint_fast.config import InpaintConfig, Normalization, Unbounded
from faceinpaint_fast.reference.ssim import K1, K2, SIGMA, SIZE


def objective(
    generated: Tensor,
    discriminator: Callable[[Tensor], Tensor],
    image: Tensor,
    known: Tensor,
    W: Tensor,
    config: InpaintConfig,
    z: Tensor,
    expected: Tensor | float = 0.0,
    *,
    beyond_z: bool = False,
) -> dict[str, Tensor]:
    """The terms of Eq. 8 and their total, each (B,), for G(z) in [-1, 1] and I in [0, 1].

    L_z, the prior, is not the paper's but that of Bora et al. 2017, section 4, around the code that is expected.
    Beyond z it is of the activations of a layer of G, around those that their search began at.

    Every term is listed, but one whose lambda is 0 has no part in the total, whatever it is.
    """
    if config.normalization == "model":
        raise ValueError("normalization: expected bounds, masked or none, got model: which bounds only a model knows")
    x = (generated + 1) / 2
    w = W * known
    losses = {
        # Eq. 3: log(1 - D) = log(1 - sigmoid(logit)) = log sigmoid(-logit)
        "discriminator": logsigmoid(-discriminator(generated)),
        "context": context_loss(x, image, w, config.normalization),
        "structural": structural_loss(x, image, w, known, config.normalization),
        "prior": prior(z - expected, known, "none" if beyond_z else config.normalization),
    }
    lambdas = {
        "discriminator": config.lambda_d,
        "context": config.lambda_c,
        "structural": config.lambda_s,
        "prior": config.lambda_u if beyond_z else config.lambda_z,
    }
    weighted = [lambdas[name] * loss for name, loss in losses.items() if lambdas[name] > 0]
    return {**losses, "total": torch.stack(weighted).sum(dim=0)}


def context_loss(x: Tensor, y: Tensor, w: Tensor, normalization: Normalization | Unbounded) -> Tensor:
    """Eq. 6 as printed; "masked": the mean of |x - y| over channels and the weights w = W*M; "none": the sum; (B,)."""
    l1 = (w[:, None] * (x - y).abs()).sum(dim=(1, 2, 3))
    if isinstance(normalization, Normalization):
        n = normalization
        inside = l1 / (n.c_max - n.c_min)
        return torch.where(l1 > n.c_max, 1.0, torch.where(l1 < n.c_min, 0.0, inside))
    if normalization == "none":
        return l1
    # W >= 1, so a sum below 1 is that of an image of which nothing is known: 0 / 1
    return l1 / (x.shape[1] * w.sum(dim=(1, 2)).clamp(min=1))


def structural_loss(x: Tensor, y: Tensor, w: Tensor, known: Tensor, normalization: Normalization | Unbounded) -> Tensor:
    """Eq. 5 as printed, or 1 - the mean of SSIM, "masked" over windows by how much of each is known; -> (B,)."""
    local = ssim_map(w[:, None] * x, w[:, None] * y).mean(dim=1)
    if isinstance(normalization, Normalization):
        n, s = normalization, local.mean(dim=(1, 2))
        inside = (n.s_max - s) / (n.s_max - n.s_min)
        return torch.where(s < n.s_min, 1.0, torch.where(s > n.s_max, 0.0, inside))
    if normalization == "none":
        return 1 - local.mean(dim=(1, 2))
    q = windowed_mean(known[:, None])[:, 0]
    total = q.sum(dim=(1, 2))
    return (q * (1 - local)).sum(dim=(1, 2)) / torch.where(total > 0, total, 1.0)


def prior(z: Tensor, known: Tensor, normalization: Normalization | Unbounded) -> Tensor:
    """The mean of z^2; "masked": over the share of pixels that are known, of which one is at least assumed; -> (B,)."""
    mean = z.square().flatten(1).mean(dim=1)
    return mean / known.mean(dim=(1, 2)).clamp(min=1 / known[0].numel()) if normalization == "masked" else mean


def ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """Eq. 2 for a data range of 1: (B, C, H, W) -> (B, C, H - 10, W - 10)."""
    c1, c2 = K1**2, K2**2
    mu1, mu2 = windowed_mean(x), windowed_mean(y)
    var1, var2 = windowed_mean(x**2) - mu1**2, windowed_mean(y**2) - mu2**2
    covariance = windowed_mean(x * y) - mu1 * mu2
    return (2 * mu1 * mu2 + c1) * (2 * covariance + c2) / ((mu1**2 + mu2**2 + c1) * (var1 + var2 + c2))


def windowed_mean(image: Tensor) -> Tensor:
    """Mean under Wang's window, as one convolution: (B, C, H, W) -> (B, C, H - 10, W - 10)."""
    offset = torch.arange(SIZE, dtype=image.dtype, device=image.device) - SIZE // 2
    window = torch.exp(-(offset[:, None] ** 2 + offset[None, :] ** 2) / (2 * SIGMA**2))
    window = (window / window.sum()).expand(image.shape[1], 1, SIZE, SIZE)
    return conv2d(image, window, groups=image.shape[1])
