"""Weighted L1, the context loss  sum_p W_p |x_p - y_p|  of each image (Eq. 6's norm)."""

from __future__ import annotations

from torch import Tensor

from faceinpaint_fast.errors import InputError


def weighted_l1(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Sum of w |x - y| over pixels and channels: (B, C, H, W), (B, C, H, W), w -> (B,).

    w is (H, W), for all images and channels, (B, H, W), for all channels, (B, 1, H, W) or (B, C, H, W).  Without the
    batch axis, (C, H, W) -> ().  Differentiable in x and y; the gradient where they are equal is 0.
    Raises InputError where shapes do not fit.  Qiang et al. 2019, the norm of Eq. 6, with W of Eq. 7.
    """
    check_pair(x, y)
    *batch, channels, height, width = x.shape
    if w.shape in ((height, width), (*batch, height, width)):
        w = w.unsqueeze(-3)
    elif w.shape not in ((*batch, 1, height, width), (*batch, channels, height, width)):
        raise InputError(f"w: expected shape (H, W), (B, H, W) or that of x, {tuple(x.shape)}, got {tuple(w.shape)}")
    return (w * (x - y).abs()).sum(dim=(-3, -2, -1))


def check_pair(x: Tensor, y: Tensor) -> None:
    """Two images or batches of one shape and one floating dtype."""
    if x.ndim not in (3, 4) or x.shape != y.shape:
        raise InputError(f"x, y: expected one shape, (C, H, W) or (B, C, H, W), got {tuple(x.shape)}, {tuple(y.shape)}")
    if not x.is_floating_point() or x.dtype != y.dtype:
        raise InputError(f"x, y: expected one floating dtype, got {x.dtype}, {y.dtype}")
