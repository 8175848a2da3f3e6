"""The window of SSIM: a Gaussian, separable, normalised to sum 1 (Wang et al. 2004)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import pad

from faceinpaint_fast import _cpu
from faceinpaint_fast.checks import expect_positive
from faceinpaint_fast.errors import InputError

Padding = Literal["valid", "same"]
LARGEST = _cpu.LARGEST_WINDOW  # two of them and a pixel between still fit a tile of 64x64


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How local means are taken.

    size     pixels a side, odd, 3 to 31
    sigma    of the Gaussian, in pixels, > 0
    padding  "valid": the windows that lie within the image, as Wang's; "same": one window a pixel, zeros beyond the
             border, as fused-ssim's
    """

    size: int = 11
    sigma: float = 1.5
    padding: Padding = "valid"

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 3 <= self.size <= LARGEST or self.size % 2 == 0:
            raise InputError(f"window_size: expected an odd integer from 3 to {LARGEST}, got {self.size!r}")
        expect_positive(self.sigma, "sigma")
        if self.padding not in get_args(Padding):
            raise InputError(f"padding: expected one of {get_args(Padding)}, got {self.padding!r}")

    @property
    def pad(self) -> int:
        """The number of zeros beyond each border."""
        return self.size // 2 if self.padding == "same" else 0

    def positions(self, side: int) -> int:
        """Returns how many windows there are along a side of the image; InputError where none fits."""
        if side < self.size:
            raise InputError(f"image: expected sides of at least {self.size}, the window, got {side}")
        return positions(side, self.size, self.pad)

    def taps(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Returns the one-dimensional window (size,)."""
        # the tensors of a trace are none to keep
        taps = _taps.__wrapped__ if torch.compiler.is_compiling() else _taps
        return taps(self.size, self.sigma, dtype, device)

    def local_mean(self, x: Tensor) -> Tensor:
        """Returns the mean of x under each window, by its definition: (..., H, W) -> (..., H', W').

        They are sums of shifted images: a product of matrices might be taken in fewer digits (autocast, TF32).
        """
        taps = self.taps(x.dtype, x.device).unbind()
        for axis in (-1, -2):
            count = self.positions(x.shape[axis])
            margin = (self.pad, self.pad) if axis == -1 else (0, 0, self.pad, self.pad)
            padded = pad(x, margin) if self.pad else x
            x = sum((tap * padded.narrow(axis, k, count) for k, tap in enumerate(taps)), x.new_zeros(()))
        return x


def banded(taps: Tensor, side: int, pad: int) -> Tensor:
    """Returns the matrix (side', side) whose product with a signal is its mean under each window, zeros beyond."""
    size = len(taps)
    first = torch.arange(positions(side, size, pad), device=taps.device)[:, None] - pad
    tap = torch.arange(side, device=taps.device) - first
    return taps[tap.clamp(0, size - 1)].where((tap >= 0) & (tap < size), 0)


def positions(side: int, size: int, pad: int) -> int:
    """Returns how many windows there are along a side, with so many zeros beyond each border."""
    return side + 2 * pad - size + 1


def windows(image: Tensor, taps: Tensor, pad: int) -> tuple[int, ...]:
    """Returns the shape of what is computed under each window: (..., H, W) -> (..., H', W')."""
    *outer, height, width = image.shape
    return (*outer, positions(height, len(taps), pad), positions(width, len(taps), pad))


@lru_cache(maxsize=16)
def _taps(size: int, sigma: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    # kept for whoever asks next, who may want to differentiate
    with torch.inference_mode(False):
        offsets = torch.arange(size, dtype=torch.float64, device="cpu") - size // 2
        window = torch.exp(-((offsets / sigma) ** 2) / 2)
        return (window / window.sum()).to(device, dtype)
