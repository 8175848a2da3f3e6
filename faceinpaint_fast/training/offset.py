"""What a blend makes of generated content, near enough and smooth in it, so that a network may learn through it.

A blend (section 3.3) keeps T's slopes and meets the known pixels: in the hole it adds to T what I - T is beside it,
spread smoothly.  Here "pull and push" spreads it (Gortler et al. 1996, "The Lumigraph"), a pyramid of means in place of
the blend's equation.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d


def met(generated: Tensor, images: Tensor, known: Tensor) -> Tensor:
    """Returns F: the known pixels of images I, and T in the hole with the offset that known pixels beside it ask for.

        F = I where known,  F = T + S(I - T) in the hole,  S spreading from known pixels with a missing neighbour of 8

    generated, images  T and I, (B, C, H, W), H and W the same power of 2
    known              (B, H, W), 1 = known, 0 = missing
    """
    known = known.unsqueeze(1)
    missing = 1 - known
    beside = max_pool2d(missing, 3, stride=1, padding=1) * known
    return known * images + missing * (generated + spread((images - generated) * beside, beside))


def spread(values: Tensor, weights: Tensor) -> Tensor:
    """Returns values (B, C, n, n), n a power of 2, where their weights (B, 1, n, n) are 1, and smooth ones elsewhere.

    These are a coarser picture's, of the weighted means of 2x2 pixels, where a pixel has the sum of their weights, at
    most 1.
    """
    if values.shape[-1] == 1:
        return values
    shares = avg_pool2d(weights, 2)
    means = avg_pool2d(values * weights, 2) / shares.clamp(min=1e-6)
    coarse = spread(means, (4 * shares).clamp(max=1))
    smooth = interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return weights * values + (1 - weights) * smooth
