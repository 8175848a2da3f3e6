"""How a fast result is held against `faceinpaint_fast.reference`: the error, and what it may be and why.

An error is the largest difference, as a share of the largest number of the reference's result; a row that means the
difference itself says "absolute".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast.arrays import is_torch, to_numpy

# what docs/architecture.md promises of an operation: sums of 10^4 to 10^6 terms; of bfloat16, too, sums are float32.
# SSIM's errors are absolute: those of its variances do not shrink with it where images differ
OPERATION = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 1e-5}
# a variance in float32 is a small difference of squares; a gradient in bfloat16 is rounded to 8 bits at its end, too
SSIM_GRADIENT = {torch.float32: 1e-4, torch.float64: 1e-12, torch.bfloat16: 2**-8 + 1e-4}
# counts are exact, and W is rounded once, to 24 bits
WEIGHTS = 2**-24
# five layers of sums of up to 8192 terms; in bfloat16 each rounds weights and activations to 8 bits, 2^-8 either, and
# enlarges, by its BatchNorm, what the layers before it did
NETWORK = {"fp32": 1e-5, "bf16": 16 * 2**-8}
# back again the same; but a number that lies within rounding of a kink of ReLU takes the other slope: in bfloat16 one
# of hundreds, so that every image has some, and their pull is a tenth of the whole
PULLBACK_MEDIAN = {"fp32": 1e-5, "bf16": 0.25}
# in float32 one of millions, which a few images have: hence the median, and here a bound for all of them
PULLBACK = {"fp32": 0.02, "bf16": 0.5}
# SSIM's; with D, whose kinks are as good as any, it is PULLBACK
OBJECTIVE_GRADIENT = {torch.float32: 3e-4, torch.float64: 1e-12}
# ten and a hundred times the residual of 1e-5 that is promised, of a correction of about 1
POISSON, PLATE = 1e-4, 1e-3
# to bytes everything is rounded
HALF_A_BYTE = 0.5 / 255
# after 10 iterations, of z, of activations, and of T and F, which follow from them; a search takes a component of the
# gradient that is about 0 by its sign, so that a few images are beyond it: hence the median
Z = 1e-4
# after 100 and more trajectories have parted, and only losses agree
MEAN_LOSS = 0.02
# of what an Inpainter reports, taken from a T in float32
LOSS = 1e-4
# the same bits
NONE = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """What was compared, for an input of which shape and dtype, how far apart it was, and how far it may be."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is within tolerance (NaN is not)."""
        return self.error <= self.tolerance


def compare(name: str, of: Any, found: Any, expected: Any, tolerance: float, *, absolute: bool = False) -> Check:
    """Returns the check of what was `found` of an input, any kind of array, beside NumPy's or torch's `expected`."""
    found, expected = (as_float64(array) for array in (found, expected))
    unit = 1.0 if absolute else float(np.abs(expected).max()) or 1.0
    error = float(np.abs(found - expected).max()) / unit if found.shape == expected.shape else np.inf
    name = f"{name}, absolute" if absolute else name
    return Check(name, tuple(of.shape), str(of.dtype).removeprefix("torch."), error, tolerance)


def as_float64(array: Any) -> NDArray[np.float64]:
    """Returns any kind of array, bfloat16 too, as NumPy's, in this machine's memory."""
    # NumPy has no bfloat16
    return np.asarray(to_numpy(array.double() if is_torch(array) else array), np.float64)


def pixels(images: Any) -> NDArray[np.float64]:
    """Returns any kind of images as the reference has them, (..., H, W, C)."""
    return np.moveaxis(as_float64(images), -3, -1) if is_torch(images) else as_float64(images)
