"""SSIM and L1 of w x against w y, and the gradient of their weighted sum in x, from one read of x.

With u = w x, v = w y and e = u - v, per image:

    ssim = 1 - sum_q share_q (1 - S_q(u, v))     S_q  Eq. 2 under window q of a channel
    l1   = sum_p |e_p|
    gradient in x = w (a dssim/du + b dl1/du)

All that depends on y alone is computed once, in `Target`.  With

    n1 = 2 mu_u mu_v + c1,  d1 = mu_u^2 + mu_v^2 + c1 = n1 + mu_e^2,  p = mu_e^2 / d1
    n2 = 2 s_uv + c2,       d2 = s_u + s_v + c2       = n2 + s_e,     q = s_e / d2

    S = n1 n2 / (d1 d2) = (1 - p)(1 - q),  so  1 - S = p + (1 - p) q

which is exactly 0 where the images are equal, and not what two almost equal numbers leave where they almost are.  From
u = v + e, s_uv = s_v + s_ev.  The derivatives of S in mu_e (s_ev = E[ev] - mu_e mu_v and s_e = E[e^2] - mu_e^2
following it), E[ev] and E[e^2] are

    dE[ev]  = 2 (1 - p) q / d2
    dE[e^2] = -S / d2
    dmu_e   = 2 (1 - q) mu_e (mu_v mu_e / d1 - (1 - p)) / d1 - mu_v dE[ev] - 2 mu_e dE[e^2]

and what pixel p feels of them is their local mean's adjoint K^T:

    dssim/du_p = K^T[share dmu_e]_p + v_p K^T[share dE[ev]]_p + 2 e_p K^T[share dE[e^2]]_p
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor
from torch.library import custom_op

from faceinpaint_fast.ops import cpu as cpu_kernels
from faceinpaint_fast.ops.tensors import is_traced
from faceinpaint_fast.ops.window import Window, windows

K1, K2 = 0.01, 0.03


def constants(data_range: float) -> tuple[float, float]:
    """Returns c1 and c2 of Eq. 2."""
    return (K1 * data_range) ** 2, (K2 * data_range) ** 2


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What SSIM and L1 against y need of it: v = w y (B, C, H, W), and under its windows (B, C, H', W') mean, variance.

    w      (B, H, W), or (1, H, W) for all images, >= 0
    share  (B, H', W'), or (1, H', W') for all images: each window's weight in the mean, all of an image's channels 1
    taps   (size,), the window; pad, zeros beyond each border; c1, c2 of Eq. 2
    """

    v: Tensor
    mean: Tensor
    variance: Tensor
    w: Tensor
    share: Tensor
    taps: Tensor
    pad: int
    c1: float
    c2: float

    @classmethod
    def of(cls, y: Tensor, w: Tensor, share: Tensor, *, window: Window = Window(), data_range: float = 1.0) -> Target:  # noqa: B008 - frozen
        """Returns the target of y (B, C, H, W); w and share are of its dtype, float32 or float64."""
        v = w.unsqueeze(-3) * y
        taps = window.taps(y.dtype, y.device)
        mean, variance = window_statistics(v, taps, window.pad)
        c1_c2 = constants(data_range)
        return cls(v, mean, variance, w.contiguous(), share.contiguous(), taps, window.pad, *c1_c2)


def ssim_l1(
    x: Tensor, target: Target, a: Tensor, b: Tensor, *, with_gradient: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns ssim (B,), l1 (B,) and the gradient (B, C, H, W) of a ssim + b l1 in x (B, C, H, W); a and b (B,).

    All in the target's dtype; x may be of half precision.  The gradient is empty where it is not asked for.
    """
    t = target
    op = _ssim_l1 if is_traced(x, t.v) else _kernels(x).ssim_l1
    found: tuple[Tensor, Tensor, Tensor] = op(
        x, t.w, t.v, t.mean, t.variance, t.share, t.taps, t.pad, t.c1, t.c2, a, b, with_gradient
    )
    return found


def window_statistics(v: Tensor, taps: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    """Returns mean and variance of v (B, C, H, W) under each window, (B, C, H', W')."""
    op = _window_statistics if is_traced(v, taps) else _kernels(v).window_statistics
    found: tuple[Tensor, Tensor] = op(v, taps, pad)
    return found


def _kernels(x: Tensor) -> Any:
    """The module of the device's kernels."""
    if x.is_cuda:
        from faceinpaint_fast.ops import triton_ssim_l1

        return triton_ssim_l1
    return cpu_kernels


@custom_op("faceinpaint_fast::window_statistics", mutates_args=())
def _window_statistics(v: Tensor, taps: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    return cast(tuple[Tensor, Tensor], _kernels(v).window_statistics(v, taps, pad))


@_window_statistics.register_fake
def _(v: Tensor, taps: Tensor, pad: int) -> tuple[Tensor, Tensor]:
    return v.new_empty(windows(v, taps, pad)), v.new_empty(windows(v, taps, pad))


@custom_op("faceinpaint_fast::ssim_l1", mutates_args=())
def _ssim_l1(
    x: Tensor,
    w: Tensor,
    v: Tensor,
    mean: Tensor,
    variance: Tensor,
    share: Tensor,
    taps: Tensor,
    pad: int,
    c1: float,
    c2: float,
    a: Tensor,
    b: Tensor,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    found = _kernels(x).ssim_l1(x, w, v, mean, variance, share, taps, pad, c1, c2, a, b, with_gradient)
    return cast(tuple[Tensor, Tensor, Tensor], found)


@_ssim_l1.register_fake
def _(x, w, v, mean, variance, share, taps, pad, c1, c2, a, b, with_gradient):  # type: ignore[no-untyped-def] # noqa: ARG001
    images = x.shape[0]
    return v.new_empty(images), v.new_empty(images), v.new_empty(x.shape if with_gradient else 0)
