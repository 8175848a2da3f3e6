"""The iterations of a search, each a pure function, state -> state and Eq. 8's loss on the way, in memory of their own.

No tape is kept, nothing waits for the device, and memory does not grow with iterations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast.networks.protocols import Differentiable
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import Optimiser, State
from faceinpaint_fast.search.prior import Prior

# codes (B, latent_size), the objective and the prior -> Eq. 8 (B,) and its gradient (B, latent_size)
Gradient = Callable[[Tensor, Objective, Prior], tuple[Tensor, Tensor]]


def loss_and_gradient(
    generator: Differentiable, code: Tensor, objective: Objective, prior: Prior
) -> tuple[Tensor, Tensor]:
    """Returns Eq. 8 of codes (B, latent_size) and of G of them, (B,), and its gradient in them, (B, latent_size)."""
    x, pull = generator(code)
    loss, of_x = objective.with_gradient(x)
    return loss + prior.weighted(code), pull(of_x) + prior.gradient(code)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What a search is asked; each code is a row.

    starts  (ATTEMPTS, B, latent_size): where each row begins, and begins again
    """

    objective: Objective
    prior: Prior
    starts: Tensor

    def rows(self, index: Tensor) -> Question:
        """Returns the question of these rows, in memory of its own."""
        return Question(self.objective.rows(index), self.prior.rows(index), self.starts[:, index])

    def copy_(self, other: Question) -> None:
        """Becomes `other`, of as many rows or fewer, in place: the first ones."""
        self.objective.copy_(other.objective)
        self.prior.copy_(other.prior)
        self.starts[:, : other.starts.shape[1]].copy_(other.starts)


class Loop:
    """The iterations of one search, in memory that is theirs from the first to the last.

    losses  (iterations, B), of every iteration so far
    """

    def __init__(self, gradient: Gradient, asked: Question, optimiser: Optimiser, iterations: int) -> None:
        self._gradient, self._optimiser, self.asked = gradient, optimiser, asked
        self.state: State = optimiser.begin(asked.starts[0])
        self.losses = asked.starts.new_zeros(iterations, asked.starts.shape[1])

    def begin(self, asked: Question) -> None:
        """Begins another search, of as many rows or fewer, in this one's memory."""
        self.asked.copy_(asked)
        self._become(self._optimiser.begin(self.asked.starts[0]))

    def advance(self) -> None:
        """Does one iteration."""
        loss, gradient = self._gradient(self.state.z, self.asked.objective, self.asked.prior)
        self.losses.index_copy_(0, self.state.iteration, loss[None])
        self._become(self._optimiser.step(self.state, loss, gradient, self.asked.starts))

    def found(self, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns z^ (rows, latent_size), the losses (iterations, rows) and the attempts (rows,), copied."""
        return self.state.found[:rows].clone(), self.losses[:, :rows].clone(), self.state.attempt[:rows].clone()

    def _become(self, state: Any) -> None:
        for field in fields(state):
            getattr(self.state, field.name).copy_(getattr(state, field.name))


class Compiled:
    """torch.compile of a gradient; where that fails, the function as it is, with a warning that says why."""

    def __init__(self, function: Gradient) -> None:
        self._plain, self._function = function, torch.compile(function, dynamic=False)

    def __call__(self, code: Tensor, objective: Objective, prior: Prior) -> tuple[Tensor, Tensor]:
        try:
            return self._function(code, objective, prior)
        except Exception as error:
            if self._function is self._plain:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            warnings.warn(f"generator: not compiled, runs as it is: {reason}", stacklevel=2)
            self._function = self._plain
        return self._plain(code, objective, prior)
