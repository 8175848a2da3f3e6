"""What the paper (Qiang et al. 2019) lets one choose, with its constants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from faceinpaint_fast.errors import InputError

Precision = Literal["fp32", "bf16"]
Search = Literal["adam", "adam-cosine", "bfgs", "guided"]
Blend = Literal["poisson", "biharmonic", "tension", "none"]
Unbounded = Literal["masked", "none"]  # normalizations without bounds

TENSION = 0.5  # of the blend of that name; docs/choices.md


@dataclass(frozen=True, slots=True)
class Normalization:
    """Bounds between which Eq. 5 normalises SSIM and Eq. 6 the L1 norm; the paper: mean -+ 3 std (Fig. 4)."""

    s_min: float
    s_max: float
    c_min: float
    c_max: float

    PAPER: ClassVar[Normalization]

    def __post_init__(self) -> None:
        for low, high in (("s_min", "s_max"), ("c_min", "c_max")):
            bounds = getattr(self, low), getattr(self, high)
            if not (math.isfinite(bounds[0]) and math.isfinite(bounds[1]) and bounds[0] < bounds[1]):
                raise InputError(f"normalization: expected {low} < {high}, got {bounds[0]} and {bounds[1]}")


# as printed; s_min is a slip there: 0.1198 is the std, mean - 3 std = 0.1242
Normalization.PAPER = Normalization(s_min=0.1198, s_max=0.8431, c_min=739.0, c_max=4861.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class InpaintConfig:
    """How to restore an image.  The defaults are what works best, `InpaintConfig.paper()` is what is printed.

    iterations     steps of the search, each with one pass through the networks and one back
    precision      of the networks; losses, z and the optimiser's state are float32 always
    search         "adam": Adam at a constant step size; "adam-cosine": decayed to zero along a half cosine; "bfgs":
                   quasi-Newton; "guided": that too, from where the model's encoder guesses the code, if it has one,
                   and with the prior drawing to there instead of to 0
    restarts       starts per image, of which the one with the least loss is kept
    learning_rate  Adam's step size in z, at the start; the length of BFGS's first step
    z_max          z is clipped to [-z_max, z_max] after every step (Yeh et al. 2017); infinite: never
    lambda_*       weights of Eq. 8: of the discriminator, context and structural loss, and of the prior of z, which the
                   paper does not have; one of 0 has no part in the search
    k, alpha       Eq. 7's patch size, odd, and slope
    normalization  Eq. 5 and 6 as printed, with these bounds; or "masked": L1 as a mean over the weights of the known
                   pixels, SSIM as a mean over windows by how much of each is known, neither ever clamped; or "none":
                   the plain sum of L1, and 1 - the plain mean of SSIM
    blend          "poisson" (section 3.3); "biharmonic": with the known pixels' slopes too (Damelin and Hoang 2018);
                   "tension": smooth at known pixels, Poisson's further away (Franke 1985); or "none": G(z^) stitched
                   into the hole as it is
    tension        of the blend of that name: further than 1 / sqrt(tension) pixels away from known ones it follows G
    batch_invariant  the same bits in batches of any size, at a price: see docs/architecture.md
    """

    iterations: int = 30
    precision: Precision = "fp32"
    search: Search = "guided"
    restarts: int = 1
    learning_rate: float = 0.2
    z_max: float = math.inf
    lambda_d: float = 0.0
    lambda_c: float = 0.95
    lambda_s: float = 0.05
    lambda_z: float = 0.03
    k: int = 7
    alpha: float = 2.0
    normalization: Normalization | Unbounded = "masked"
    blend: Blend = "tension"
    tension: float = TENSION
    batch_invariant: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("precision", Precision), ("search", Search), ("blend", Blend)):
            if getattr(self, name) not in get_args(choices):
                raise InputError(f"{name}: expected one of {get_args(choices)}, got {getattr(self, name)!r}")
        for name in ("iterations", "restarts"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise InputError(f"{name}: expected an integer >= 1, got {getattr(self, name)!r}")
        if type(self.k) is not int or self.k < 1 or self.k % 2 == 0:
            raise InputError(f"k: expected an odd integer >= 1, got {self.k!r}")
        for name in ("lambda_d", "lambda_c", "lambda_s", "lambda_z", "alpha"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"{name}: expected a finite number >= 0, got {getattr(self, name)}")
        for name in ("learning_rate", "tension"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"{name}: expected a finite number > 0, got {getattr(self, name)}")
        if not self.z_max > 0:
            raise InputError(f"z_max: expected a number > 0, got {self.z_max}")
        if not (self.normalization in get_args(Unbounded) or isinstance(self.normalization, Normalization)):
            expected = f"a Normalization or one of {get_args(Unbounded)}"
            raise InputError(f"normalization: expected {expected}, got {self.normalization!r}")
        if self.lambda_d == self.lambda_c == self.lambda_s == 0:
            raise InputError("lambda_d, lambda_c, lambda_s: expected one of them > 0, got 0 for all")

    @classmethod
    def paper(cls) -> InpaintConfig:
        """The printed method to the letter.

        The paper names neither optimiser nor step; Adam at 0.03, without restarts, is what public DIP code uses.
        """
        return cls(
            iterations=1000,
            search="adam",
            learning_rate=0.03,
            lambda_d=0.003,
            lambda_c=0.2,
            lambda_s=0.797,
            lambda_z=0.0,
            normalization=Normalization.PAPER,
            blend="poisson",
        )
