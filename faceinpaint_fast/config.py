"""What the paper (Qiang et al. 2019) lets one choose, with its constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any, ClassVar, Literal, get_args

from faceinpaint_fast.checks import expect_flag, expect_number, expect_positive, whole
from faceinpaint_fast.errors import InputError

Precision = Literal["fp32", "bf16"]
Optimiser = Literal["adam", "bfgs"]
Schedule = Literal["constant", "cosine"]
Start = Literal["encoder", "random"]
Blend = Literal["poisson", "biharmonic", "tension", "none"]
Unbounded = Literal["masked", "none"]  # normalizations without bounds

FACE = 64  # pixels across, of the faces that a tension is told for
TENSION = 2.0  # of the blend of that name; docs/choices.md


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


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the search beyond z: over the activations that leave one of G's layers.

    layer  whose activations are searched, counted from 1, which codes enter; behind its BatchNorm, before its ReLU
    steps  of Adam
    rate   Adam's step size, at the start
    """

    layer: int
    steps: int
    rate: float

    def __post_init__(self) -> None:
        for name in ("layer", "steps"):
            whole(getattr(self, name), f"stages, {name}", least=1)
        expect_positive(self.rate, "stages, rate")

    @classmethod
    def all_of(cls, stages: Any) -> tuple[Stage, ...]:
        """Returns the stages of a sequence of them, or of their three numbers each; InputError for anything else."""
        expected = "stages: expected (layer, steps, rate) each, the layers ascending"
        try:
            found = tuple(each if isinstance(each, cls) else cls(*each) for each in stages)
        except TypeError as error:
            raise InputError(f"{expected}, got {stages!r}") from error
        if any(after.layer <= before.layer for before, after in pairwise(found)):
            raise InputError(f"{expected}, got {stages!r}")
        return found

    @classmethod
    def from_text(cls, text: str) -> tuple[Stage, ...]:
        """Returns the stages of a text, as 1:10:0.1,2:10:0.1; "none" is that of no stage.  Raises ValueError."""
        parts = [] if text == "none" else [each.split(":") for each in text.split(",")]
        return tuple(cls(int(layer), int(steps), float(rate)) for layer, steps, rate in parts)


# Daras et al. 2021, "Intermediate layer optimization for inverse problems"; docs/choices.md
STAGES = (Stage(1, 10, 0.1), Stage(2, 10, 0.1), Stage(3, 10, 0.1))
# of a search over z, from an encoder's guess or without one
OVER_Z: Mapping[str, Any] = {
    "iterations": 30,
    "optimiser": "bfgs",
    "schedule": "constant",
    "stages": (),
    "tension": 0.5,
}

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

    iterations     steps of the search over z, each with one pass through the networks and one back; 0: none
    stages         what is searched behind z, one after the other (Daras et al. 2021): Stage(layer, steps, rate) each,
                   or its three numbers, layers ascending; (): nothing.  They go from an encoder's guess on, so without
                   one, and with a generator that cannot be cut, z is searched: see `over_z_alone`
    precision      of the networks; losses, what is searched and the optimiser's state are float32 always
    optimiser      "adam" (Kingma and Ba 2015) or, of z alone, "bfgs", quasi-Newton
    schedule       of Adam's step size, over z or in each stage: "constant", or "cosine": decayed to zero along a half
                   cosine
    start          "encoder": at the code that the model's encoder guesses, if it has one, and with the prior drawing
                   to there instead of to 0; "random": at codes of the seed alone
    restarts       starts per image, of which the one with the least loss is kept
    learning_rate  Adam's step size in z, at the start; the length of BFGS's first step
    z_max          z is clipped to [-z_max, z_max] after every step (Yeh et al. 2017); infinite: never
    lambda_*       weights of Eq. 8: of the discriminator, context and structural loss; and, which the paper does not
                   have, of the prior of z and of that of a stage's activations u; one of 0 has no part in the search
    flips          search the mirrored image, too, and take the mean of both T, at twice the cost
    symmetry       mix mirrored known pixels into T, where the face is symmetric (`symmetry.mirrored`)
    k, alpha       Eq. 7's patch size, odd, and slope
    normalization  Eq. 5 and 6 as printed, with these bounds; or "masked": L1 as a mean over the weights of the known
                   pixels, SSIM as a mean over windows by how much of each is known, neither ever clamped; or "none":
                   the plain sum of L1, and 1 - the plain mean of SSIM; or "model": as printed, with the bounds that
                   `faceinpaint calibrate` found for the model at hand
    blend          "poisson" (section 3.3); "biharmonic": with the known pixels' slopes too (Damelin and Hoang 2018);
                   "tension": smooth at known pixels, Poisson's further away (Franke 1985); or "none": G(z^) stitched
                   into the hole as it is
    tension        of the blend of that name, for faces of FACE pixels: further than 1 / sqrt(tension) of these from
                   known ones it follows G
    batch_invariant  the same bits in batches of any size, at a price: see docs/architecture.md
    """

    iterations: int = 0
    stages: tuple[Stage, ...] = STAGES
    precision: Precision = "fp32"
    optimiser: Optimiser = "adam"
    schedule: Schedule = "cosine"
    start: Start = "encoder"
    restarts: int = 1
    learning_rate: float = 0.2
    z_max: float = math.inf
    lambda_d: float = 0.0
    lambda_c: float = 0.95
    lambda_s: float = 0.05
    lambda_z: float = 0.03
    lambda_u: float = 0.5
    flips: bool = False
    symmetry: bool = False
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
        # frozen: a tuple of stages in place of what was given for it
        object.__setattr__(self, "stages", Stage.all_of(self.stages))
        if self.stages and self.optimiser != "adam":
            expected = "adam with stages, or InpaintConfig.over_z()"
            raise InputError(f"optimiser: expected {expected}, got {self.optimiser!r}")
        if self.schedule != "constant" and self.optimiser != "adam":
            raise InputError(f"schedule: expected constant with {self.optimiser}, got {self.schedule!r}")
        for name, least in (("iterations", 0 if self.stages else 1), ("restarts", 1)):
            if type(getattr(self, name)) is not int or getattr(self, name) < least:
                raise InputError(f"{name}: expected an integer >= {least}, got {getattr(self, name)!r}")
        if type(self.k) is not int or self.k < 1 or self.k % 2 == 0:
            raise InputError(f"k: expected an odd integer >= 1, got {self.k!r}")
        for name in ("lambda_d", "lambda_c", "lambda_s", "lambda_z", "lambda_u", "alpha"):
            expect_number(getattr(self, name), name, "a finite number >= 0", lambda number: 0 <= number < math.inf)
        for name in ("learning_rate", "tension"):
            expect_positive(getattr(self, name), name)
        expect_number(self.z_max, "z_max", "a number > 0", lambda number: number > 0)
        for name in ("flips", "symmetry", "batch_invariant"):
            expect_flag(getattr(self, name), name)
        named = (*get_args(Unbounded), "model")
        is_named = isinstance(self.normalization, str) and self.normalization in named
        if not (is_named or isinstance(self.normalization, Normalization)):
            expected = f"a Normalization or one of {named}"
            raise InputError(f"normalization: expected {expected}, got {self.normalization!r}")
        if self.lambda_d == self.lambda_c == self.lambda_s == 0:
            raise InputError("lambda_d, lambda_c, lambda_s: expected one of them > 0, got 0 for all")

    @property
    def steps(self) -> int:
        """Returns how many steps the whole search has, over z and beyond."""
        return self.iterations + sum(stage.steps for stage in self.stages)

    @classmethod
    def paper(cls, **changes: Any) -> InpaintConfig:
        """Returns the printed method to the letter, but for changes, which are what `InpaintConfig` takes.

        The paper names neither optimiser nor step; Adam at 0.03, without restarts, is what public DIP code uses.
        """
        printed: dict[str, Any] = {
            "iterations": 1000,
            "stages": (),
            "optimiser": "adam",
            "schedule": "constant",
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

    @classmethod
    def fast(cls, **changes: Any) -> InpaintConfig:
        """Returns the default in fewer steps, but for changes, which are what `InpaintConfig` takes."""
        short: dict[str, Any] = {
            "stages": (Stage(1, 5, 0.1), Stage(2, 5, 0.1), Stage(3, 10, 0.1)),
            "schedule": "constant",
            "lambda_u": 1.0,
        }
        return cls(**short | changes)

    @classmethod
    def over_z(cls, **changes: Any) -> InpaintConfig:
        """Returns the best search over z alone, but for changes, which are what `InpaintConfig` takes."""
        return cls(**{**OVER_Z, **changes})

    def over_z_alone(self) -> InpaintConfig:
        """Returns the config without stages, as it is where they cannot be searched.

        If there are no iterations over z either, they are those of `over_z`; so is a tension that is the default's.
        """
        if self.iterations or not self.stages:
            return replace(self, stages=())
        changes = dict(OVER_Z) if self.tension == TENSION else {**OVER_Z, "tension": self.tension}
        return replace(self, **changes)

    def at_size(self, size: int) -> InpaintConfig:
        """Returns the config for blending faces of so many pixels across; a tension falls with the square of that."""
        return replace(self, tension=self.tension * (FACE / size) ** 2)

    def with_settings(self, settings: Mapping[str, str]) -> InpaintConfig:
        """Returns the config with fields set from text.

        Numbers, words, true and false, stages as `Stage.from_text` has them, and normalizations that have a name.
        Raises InputError for a field that is none, or that the text is no value of.
        """
        parsed: dict[str, Any] = {}
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)} | {"normalization": str}
        for name, text in settings.items():
            try:
                parsed[name] = PARSERS[kinds[name]](text)
            except (KeyError, ValueError):
                expected = ", ".join(field.name for field in fields(self))
                raise InputError(f"set: expected one of {expected}, and a value for it, got {name}={text}") from None
        return replace(self, **parsed)

    def settings(self) -> dict[str, Any]:
        """Returns all fields by name, as JSON can hold them: bounds as a dict, an infinite number as text."""
        # JSON has no infinity
        return {name: str(value) if value == math.inf else value for name, value in asdict(self).items()}


# what a field of that type is read from text by
PARSERS: Mapping[type, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: {"true": True, "false": False}.__getitem__,
    tuple: Stage.from_text,
}

PRESETS: Mapping[str, InpaintConfig] = {
    "default": InpaintConfig(),
    "fast": InpaintConfig.fast(),
    "over-z": InpaintConfig.over_z(),
    "paper": InpaintConfig.paper(),
    # the paper's bounds are of its own networks and images, and found as `faceinpaint calibrate` does
    "paper-calibrated": InpaintConfig.paper(normalization="model"),
}
"""The configs that have a name: the best, in less time, over z alone; what is printed, and that with own bounds."""
