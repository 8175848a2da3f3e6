"""The steps between a damaged image and a restored one as pictures: W and what is merged, and the panels of Fig. 6."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.blend.gradients import divergence, gradient_fields, merge
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.weight_map import weight_map

NAMES = ("weights", "generated", "gradients", "divergence")


def panels(
    image: NDArray[np.uint8], hole: NDArray[np.bool_], generated: NDArray[np.uint8], config: InpaintConfig
) -> dict[str, NDArray[np.uint8]]:
    """Returns W, G(z^), the merged gradients and their divergence v by NAMES: grey (H, W), of G(z^) (H, W, 3).

    W goes from black, 1, to white, 1 + alpha.  Of the gradients, the mean over channels of the length is shown; of
    the divergence, its mean, with grey for none.
    """
    target, source = image / 255, generated / 255
    merged = merge(gradient_fields(target), gradient_fields(source), hole)
    length = np.hypot(_padded(merged.down, axis=0), _padded(merged.right, axis=1)).mean(axis=-1)
    v = divergence(merged).mean(axis=-1)
    weights = weight_map(hole, k=config.k, alpha=config.alpha)
    pictures = (
        _grey((weights - 1) / config.alpha if config.alpha else weights - 1),
        generated,
        _grey(length / max(length.max(), np.finfo(float).tiny)),
        _signed(v[..., None], abs(v).max()),
    )
    return dict(zip(NAMES, pictures, strict=True))


def steps(
    damaged: NDArray[np.uint8], hole: NDArray[np.bool_], generated: NDArray[np.uint8], restored: NDArray[np.uint8]
) -> dict[str, NDArray[np.uint8]]:
    """Returns the nine panels of Fig. 6 for images (H, W, 3) by name, grey (H, W): section 3.3, step by step.

    They are the gradients of I, of T and merged, in x and in y, T, the divergence of the merged ones, and F.  Of a
    gradient and of the divergence grey is none, and all gradients have one scale.
    """
    grey = [image.mean(axis=-1, keepdims=True) / 255 for image in (damaged, generated, restored)]
    nothing = gradient_fields(np.zeros_like(grey[0]))
    # what the hole holds is no part of I
    of_target, of_source = merge(gradient_fields(grey[0]), nothing, hole), gradient_fields(grey[1])
    merged = merge(of_target, of_source, hole)
    fields = {"I": of_target, "T": of_source, "merged": merged}
    largest = max(abs(differences).max() for field in fields.values() for differences in field)
    panels = {f"{name}, in x": _signed(_padded(field.right, axis=1), largest) for name, field in fields.items()}
    panels |= {f"{name}, in y": _signed(_padded(field.down, axis=0), largest) for name, field in fields.items()}
    v = divergence(merged)
    return panels | {"T": _grey(grey[1][..., 0]), "divergence": _signed(v, abs(v).max()), "F": _grey(grey[2][..., 0])}


def _signed(levels: NDArray[Any], largest: float) -> NDArray[np.uint8]:
    """Returns levels (H, W, C) as grey (H, W): their mean, -largest black and largest white."""
    return _grey(0.5 + levels.mean(axis=-1) / (2 * max(largest, np.finfo(float).tiny)))


def _padded(differences: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """Returns differences in the image's shape: no edge leaves the last row or column."""
    return np.concatenate([differences, np.zeros_like(np.take(differences, [0], axis))], axis)


def _grey(levels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.round(np.clip(levels, 0, 1) * 255).astype(np.uint8)
