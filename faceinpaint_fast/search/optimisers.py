"""What the search steps by: pure functions of a state and of the loss and gradient where it stands.

Every row is a latent code, or activations of a layer of G, and steps on its own; nothing waits for the device.  A row
that has no finite loss begins again, alone, from its next start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig, Schedule, Stage

ARMIJO = 1e-4  # Nocedal and Wright 2006, eq. 3.4 and after it
TINY = 1e-30
CURVED = 1e-4  # least cosine between a step and the gradient's change that BFGS learns from
ATTEMPTS = 4  # starts of one latent code before its image is given up


class State(Protocol):
    """Where the search is; a frozen dataclass of tensors.

    z          (B, n), where it wants the loss and its gradient next
    found      (B, n), z^ if it ended here
    attempt    (B,), which of its starts a row is at; their number once it has none left
    iteration  (1,), of the search
    """

    @property
    def z(self) -> Tensor:
        """Returns where the search stands."""

    @property
    def found(self) -> Tensor:
        """Returns where it would end now."""

    @property
    def attempt(self) -> Tensor:
        """Returns which of its starts each row is at."""

    @property
    def iteration(self) -> Tensor:
        """Returns how many iterations it has done."""


class Optimiser(Protocol):
    """What steps: Adam or BFGS."""

    def begin(self, z: Tensor) -> Any:
        """Returns the state before the first iteration."""

    def step(self, state: Any, loss: Tensor, gradient: Tensor, starts: Tensor) -> Any:
        """Returns the state after an iteration, of the loss (B,) and its gradient (B, n) at state.z.

        starts  (attempts, B, n), where each row begins, and begins again
        """


@dataclass(frozen=True, slots=True)
class Moments:
    """Adam's constants: how slowly its two moments forget, and what the root of the second is kept above 0 by."""

    beta1: float
    beta2: float
    epsilon: float


OF_Z = Moments(0.9, 0.999, 1e-8)  # Kingma and Ba 2015
# few steps want a short memory; epsilon has to be small beside gradients, in an activation, of a mean over pixels
OF_STAGES = Moments(0.5, 0.999, 1e-12)


def optimiser(config: InpaintConfig, device: torch.device | str = "cpu") -> Optimiser:
    """Returns the optimiser of z that the config names."""
    if config.optimiser == "bfgs":
        return BFGS(config.learning_rate, config.z_max)
    return Adam.of(config.iterations, config.learning_rate, config.schedule, z_max=config.z_max, device=device)


def optimiser_of(stage: Stage, config: InpaintConfig, device: torch.device | str = "cpu") -> Adam:
    """Returns Adam for the activations of a stage, which have no bound."""
    return Adam.of(stage.steps, stage.rate, config.schedule, moments=OF_STAGES, device=device)


def next_starts(attempt: Tensor, failed: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the attempts (B,) after some rows have failed, and where each row would begin again, (B, n)."""
    attempt = (attempt + failed).clamp(max=len(starts))
    rows = torch.arange(len(attempt), device=attempt.device)
    return attempt, starts[attempt.clamp(max=len(starts) - 1), rows]


@dataclass(frozen=True, slots=True, eq=False)
class AdamState:
    """See `State`; mean, square (B, n): moments of the gradient; age (B,), iterations since a row's start."""

    z: Tensor
    mean: Tensor
    square: Tensor
    age: Tensor
    attempt: Tensor
    iteration: Tensor

    @property
    def found(self) -> Tensor:
        """Returns z: every step is taken."""
        return self.z


@dataclass(frozen=True, slots=True, eq=False)
class Adam:
    """Kingma and Ba 2015, with the numbers that are known beforehand, and z's bound.

    The numbers are looked up, not computed: a power of a row's age would be rounded by its place in a vector.

    size     (iterations,), step size of each iteration
    mean     (iterations + 1,), 1 - beta1^age, which the mean of a row of that age is divided by
    square   (iterations + 1,), likewise of beta2
    moments  the constants
    z_max    `InpaintConfig.z_max`
    """

    size: Tensor
    mean: Tensor
    square: Tensor
    moments: Moments
    z_max: float

    @classmethod
    def of(
        cls,
        iterations: int,
        rate: float,
        schedule: Schedule,
        *,
        moments: Moments = OF_Z,
        z_max: float = math.inf,
        device: torch.device | str = "cpu",
    ) -> Adam:
        """Returns Adam whose step size is the rate: constant, or going to 0 along a half cosine."""
        age = torch.arange(iterations + 1, dtype=torch.float64, device="cpu")
        share = age[:-1] / iterations if schedule == "cosine" else torch.zeros_like(age[:-1])
        size = rate * (1 + (math.pi * share).cos()) / 2
        tables = size, 1 - moments.beta1**age, 1 - moments.beta2**age
        size, mean, square = (each.float().to(device) for each in tables)
        return cls(size, mean, square, moments, z_max)

    def begin(self, z: Tensor) -> AdamState:
        """Returns the state before the first iteration."""
        return AdamState(
            z=z.clone(),
            mean=torch.zeros_like(z),
            square=torch.zeros_like(z),
            age=z.new_zeros(len(z), dtype=torch.int64),
            attempt=z.new_zeros(len(z), dtype=torch.int64),
            iteration=z.new_zeros(1, dtype=torch.int64),
        )

    def moved(
        self, z: Tensor, mean: Tensor, square: Tensor, gradient: Tensor, iteration: Tensor, age: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns z and both moments, each (B, n), an iteration of that number, (1,), later, where nothing fails.

        age  (B,) or (1,), how many iterations it is since a row's start then
        """
        moments = self.moments
        mean = mean.lerp(gradient, 1 - moments.beta1)
        square = square.lerp(gradient * gradient, 1 - moments.beta2)
        root = (square / self.square[age][:, None]).sqrt()
        direction = (mean / self.mean[age][:, None]) / (root + moments.epsilon)
        return z - self.size[iteration] * direction, mean, square

    def step(self, state: AdamState, loss: Tensor, gradient: Tensor, starts: Tensor) -> AdamState:
        """Returns the state after an iteration: see `Optimiser`."""
        s = state
        age = s.age + 1
        z, mean, square = self.moved(s.z, s.mean, s.square, gradient, s.iteration, age)
        failed = ~(loss.isfinite() & z.isfinite().all(dim=1))
        attempt, again = next_starts(s.attempt, failed, starts)
        failed = failed[:, None]
        return AdamState(
            z=torch.where(failed, again, z.clamp(-self.z_max, self.z_max)),
            mean=mean.masked_fill(failed, 0),
            square=square.masked_fill(failed, 0),
            age=age.masked_fill(failed[:, 0], 0),
            attempt=attempt,
            iteration=s.iteration + 1,
        )


@dataclass(frozen=True, slots=True, eq=False)
class BFGSState:
    """See `State`.

    found, loss, gradient  (B, latent_size), (B,), (B, latent_size): the best code so far; its loss is infinite before
                           the first iteration
    direction, size        (B, latent_size), (B,): z = found + size direction
    inverse                (B, latent_size, latent_size), the inverse Hessian as it is known
    learnt                 (B,), whether anything is known of it
    """

    z: Tensor
    found: Tensor
    loss: Tensor
    gradient: Tensor
    direction: Tensor
    size: Tensor
    inverse: Tensor
    learnt: Tensor
    attempt: Tensor
    iteration: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class BFGS:
    """Nocedal and Wright 2006, algorithm 6.1, with a search along the line that halves: a loss and gradient a step.

    A step is taken if it brings the descent that Armijo asks for, else half of it is tried.  The inverse Hessian H is a
    matrix a row, as latent codes are short.  With s the step taken and y the gradient's change (eq. 6.17)

        H <- H + s q^T + q s^T,  q = ((1 + y.Hy / s.y) s / 2 - Hy) / s.y

    H begins as s.y / y.y (eq. 6.20), when the first step has been taken.

    first  length of that step, which goes down the gradient
    z_max  `InpaintConfig.z_max`
    """

    first: float
    z_max: float

    def begin(self, z: Tensor) -> BFGSState:
        """Returns the state before the first iteration."""
        return BFGSState(
            z=z.clone(),
            found=z.clone(),
            loss=z.new_full((len(z),), torch.inf),
            gradient=torch.zeros_like(z),
            direction=torch.zeros_like(z),
            size=z.new_ones(len(z)),
            inverse=torch.eye(z.shape[1], dtype=z.dtype, device=z.device).repeat(len(z), 1, 1),
            learnt=z.new_zeros(len(z), dtype=torch.bool),
            attempt=z.new_zeros(len(z), dtype=torch.int64),
            iteration=z.new_zeros(1, dtype=torch.int64),
        )

    def step(self, state: BFGSState, loss: Tensor, gradient: Tensor, starts: Tensor) -> BFGSState:
        """Returns the state after an iteration: see `Optimiser`."""
        s = state
        begins = s.loss.isinf()
        finite = loss.isfinite() & gradient.isfinite().all(dim=1)
        moved, change = s.z - s.found, gradient - s.gradient
        # where it begins nothing has moved, and any finite loss is below infinity
        taken = finite & (loss <= s.loss + ARMIJO * dot(s.gradient, moved))

        curvature, squares = dot(moved, change), dot(change, change)
        learns = taken & (curvature > CURVED * (dot(moved, moved) * squares).sqrt())
        scale = torch.where(learns & ~s.learnt, curvature / squares, 1)
        inverse = scale[:, None, None] * s.inverse
        ahead = times(inverse, change)
        q = ((1 + dot(change, ahead) / curvature)[:, None] * moved / 2 - ahead) / curvature[:, None]
        q = torch.where(learns[:, None], q, 0)
        moved = torch.where(learns[:, None], moved, 0)
        inverse = inverse.addcmul(moved[:, :, None], q[:, None, :]).addcmul(q[:, :, None], moved[:, None, :])
        learnt = s.learnt | learns

        def chosen(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(taken.view(-1, *[1] * (new.ndim - 1)), new, old)

        found, slope = chosen(s.z, s.found), chosen(gradient, s.gradient)
        downhill = self.first * slope / dot(slope, slope).sqrt().clamp(min=TINY)[:, None]
        direction = chosen(-torch.where(learnt[:, None], times(inverse, slope), downhill), s.direction)
        size = chosen(torch.ones_like(loss), s.size / 2)
        failed = begins & ~finite
        attempt, again = next_starts(s.attempt, failed, starts)
        found = torch.where(failed[:, None], again, found)
        return BFGSState(
            z=(found + size[:, None] * direction).clamp(-self.z_max, self.z_max),
            found=found,
            loss=chosen(loss, s.loss),
            gradient=slope,
            direction=direction,
            size=size,
            inverse=inverse,
            learnt=learnt,
            attempt=attempt,
            iteration=s.iteration + 1,
        )


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Returns the products of rows, (B, n) and (B, n) -> (B,)."""
    return (a * b).sum(dim=1)


def times(matrix: Tensor, vector: Tensor) -> Tensor:
    """Returns each matrix times its vector, (B, n, n) and (B, n) -> (B, n).

    It is no product of BLAS, whose bits would depend on a row's place.
    """
    return (matrix * vector[:, None, :]).sum(dim=2)
