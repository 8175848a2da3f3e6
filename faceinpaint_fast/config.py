"""What the paper (Qiang et al. 2019) lets one choose, with its constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal, get_args

from faceinpaint_fast.checks import expect_flag, expect_number, expect_positive
from faceinpaint_fast.errors import InputError

Precision = Literal["fp32", "bf16"]
Optimiser = Literal["adam", "bfgs"]
Schedule = Literal["constant", "cosine"]
Start = Literal["encoder", "random"]
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
            for bound in bounds:
                expect_number(bound, "normalization", f"finite {low} and {high}", math.isfinite)
            if not bounds[0] < bounds[1]:
                raise InputError(f"normalization: expected {low} < {high}, got {bounds[0]} and {bounds[1]}")


# as printed; s_min is a slip there: 0.1198 is the std, mean - 3 std = 0.1242
Normalization.PAPER = Normalization(s_min=0.1198, s_max=0.8431, c_min=739.0, c_max=4861.0)


CHOICES: Mapping[str, tuple[str, ...]] = {
    "precision": get_args(Precision),
    "optimiser": get_args(Optimiser),
    "schedule": get_args(Schedule),
    "start": get_args(Start),
    "blend": get_args(Blend),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InpaintConfig:
    """How to restore an image.  The defaults are what works best, `InpaintConfig.paper()` is what is printed.

    iterations     steps of the search, each with one pass through the networks and one back
    precision      of the networks; losses, z and the optimiser's state are float32 always
    optimiser      "adam" (Kingma and Ba 2015) or "bfgs", quasi-Newton
    schedule       of Adam's step size: "constant", or "cosine": decayed to zero along a half cosine
    start          "encoder": near the code that the model's encoder guesses, if it has one, and with the prior drawing
                   to there instead of to 0; "random": at codes of the seed alone
    restarts       starts per image, of which the one with the least loss is kept
    learning_rate  Adam's step size in z, at the start; the length of BFGS's first step
    z_max          z is clipped to [-z_max, z_max] after every step (Yeh et al. 2017); infinite: never
    lambda_*       weights of Eq. 8: of the discriminator, context and structural loss, and of the prior of z, which the
                   paper does not have; one of 0 has no part in the search
    k, alpha       Eq. 7's patch size, odd, and slope
    normalization  Eq. 5 and 6 as printed, with these bounds; or "masked": L1 as a mean over the weights of the known
                   pixels, SSIM as a mean over windows by how much of each is known, neither ever clamped; or "none":
                   the plain sum of L1, and 1 - the plain mean of SSIM; or "model": as printed, with the bounds that
                   `faceinpaint calibrate` found for the model at hand
    blend          "poisson" (section 3.3); "biharmonic": with the known pixels' slopes too (Damelin and Hoang 2018);
                   "tension": smooth at known pixels, Poisson's further away (Franke 1985); or "none": G(z^) stitched
                   into the hole as it is
    tension        of the blend of that name: further than 1 / sqrt(tension) pixels away from known ones it follows G
    batch_invariant  the same bits in batches of any size, at a price: see docs/architecture.md
    """

    iterations: int = 30
    precision: Precision = "fp32"
    optimiser: Optimiser = "bfgs"
    schedule: Schedule = "constant"
    start: Start = "encoder"
    restarts: int = 1
    learning_rate: float = 0.2
    z_max: float = math.inf
    lambda_d: float = 0.0
    lambda_c: float = 0.95
    lambda_s: float = 0.05
    lambda_z: float = 0.03
    k: int = 7
    alpha: float = 2.0
    normalization: Normalization | Unbounded | Literal["model"] = "masked"
    blend: Blend = "tension"
    tension: float = TENSION
    batch_invariant: bool = False

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if not (isinstance(value, str) and value in choices):
                raise InputError(f"{name}: expected one of {choices}, got {value!r}")
        if self.schedule != "constant" and self.optimiser != "adam":
            raise InputError(f"schedule: expected constant with {self.optimiser}, got {self.schedule!r}")
        for name in ("iterations", "restarts"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise InputError(f"{name}: expected an integer >= 1, got {getattr(self, name)!r}")
        if type(self.k) is not int or self.k < 1 or self.k % 2 == 0:
            raise InputError(f"k: expected an odd integer >= 1, got {self.k!r}")
        for name in ("lambda_d", "lambda_c", "lambda_s", "lambda_z", "alpha"):
            expect_number(getattr(self, name), name, "a finite number >= 0", lambda number: 0 <= number < math.inf)
        for name in ("learning_rate", "tension"):
            expect_positive(getattr(self, name), name)
        expect_number(self.z_max, "z_max", "a number > 0", lambda number: number > 0)
        expect_flag(self.batch_invariant, "batch_invariant")
        named = (*get_args(Unbounded), "model")
        is_named = isinstance(self.normalization, str) and self.normalization in named
        if not (is_named or isinstance(self.normalization, Normalization)):
            expected = f"a Normalization or one of {named}"
            raise InputError(f"normalization: expected {expected}, got {self.normalization!r}")
        if self.lambda_d == self.lambda_c == self.lambda_s == 0:
            raise InputError("lambda_d, lambda_c, lambda_s: expected one of them > 0, got 0 for all")

    @classmethod
    def paper(cls, **changes: Any) -> InpaintConfig:
        """Returns the printed method to the letter, but for changes, which are what `InpaintConfig` takes.

        The paper names neither optimiser nor step; Adam at 0.03, without restarts, is what public DIP code uses.
        """
        printed: dict[str, Any] = {
            "iterations": 1000,
            "optimiser": "adam",
            "start": "random",
            "learning_rate": 0.03,
            "lambda_d": 0.003,
            "lambda_c": 0.2,
            "lambda_s": 0.797,
            "lambda_z": 0.0,
            "normalization": Normalization.PAPER,
            "blend": "poisson",
        }
        return cls(**printed | changes)

    def with_settings(self, settings: Mapping[str, str]) -> InpaintConfig:
        """Returns the config with fields set from text: numbers, words, and of normalizations those that have a name.

        Raises InputError for a field that is none, or that the text is no value of.
        """
        parsed: dict[str, Any] = {}
        for name, text in settings.items():
            kind = str if name == "normalization" else type(getattr(self, name, None))
            try:
                parsed[name] = {int: int, float: float, str: str}[kind](text)
            except (KeyError, ValueError):
                expected = ", ".join(field.name for field in fields(self))
                raise InputError(f"set: expected one of {expected}, and a value for it, got {name}={text}") from None
        return replace(self, **parsed)

    def settings(self) -> dict[str, Any]:
        """Returns all fields by name, as JSON can hold them: bounds as a dict, an infinite number as text."""
        # JSON has no infinity
        return {name: str(value) if value == math.inf else value for name, value in asdict(self).items()}


PRESETS: Mapping[str, InpaintConfig] = {
    "default": InpaintConfig(),
    "paper": InpaintConfig.paper(),
    # the paper's bounds are of its own networks and images, and found as `faceinpaint calibrate` does
    "paper-calibrated": InpaintConfig.paper(normalization="model"),
}
"""The configs that have a name: what works best, what is printed, and what is printed with this model's own bounds."""
