"""The iterations of a search, each a pure function, state -> state and Eq. 8's loss on the way.

No tape is kept, nothing waits for the device, and memory does not grow with iterations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import threads_for
from faceinpaint_fast.networks.protocols import Differentiable
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import Adam, Optimiser, next_starts
from faceinpaint_fast.search.prior import Prior

NUMBERS_A_THREAD = 2**18  # of Adam's, from which on a thread is worth its start

# codes or activations (B, n), the objective and the prior -> Eq. 8 (B,) and its gradient (B, n)
Gradient = Callable[[Tensor, Objective, Prior], tuple[Tensor, Tensor]]


def loss_and_gradient(
    generator: Differentiable, code: Tensor, objective: Objective, prior: Prior
) -> tuple[Tensor, Tensor]:
    """Returns Eq. 8 of codes (B, n) and of G of them, (B,), and its gradient in them, (B, n)."""
    x, pull = generator(code)
    loss, of_x = objective.with_gradient(x)
    return loss + prior.weighted(code), pull(of_x) + prior.gradient(code)


class Loop:
    """The iterations of one search.

    starts  (attempts, B, n): where each row begins, and begins again
    losses  (iterations, B), of every iteration so far
    """

    def __init__(
        self,
        gradient: Gradient,
        objective: Objective,
        prior: Prior,
        starts: Tensor,
        optimiser: Optimiser,
        iterations: int,
    ) -> None:
        self._gradient, self.optimiser = gradient, optimiser
        self.objective, self.prior, self.starts = objective, prior, starts
        self.state: Any = optimiser.begin(starts[0])
        self.losses = starts.new_zeros(iterations, starts.shape[1])

    def iterate(self, progress: Callable[[float], None]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what was found (B, n), the losses (iterations, B) and the attempts (B,) after all iterations.

        progress  hears the share that is done
        """
        iterations = len(self.losses)
        for iteration in range(iterations):
            self.advance()
            progress((iteration + 1) / iterations)
        return self.state.found, self.losses, self.state.attempt

    def advance(self) -> None:
        """Does one iteration."""
        loss, gradient = self._gradient(self.state.z, self.objective, self.prior)
        self.losses.index_copy_(0, self.state.iteration, loss[None])
        self.state = self.optimiser.step(self.state, loss, gradient, self.starts)


class AdamLoop(Loop):
    """A `Loop` of Adam on a CPU: prior, moments and step in one pass over a row (csrc/search/adam.hpp), in place."""

    def __init__(
        self, generator: Differentiable, objective: Objective, prior: Prior, starts: Tensor, rule: Adam, iterations: int
    ) -> None:
        super().__init__(partial(loss_and_gradient, generator), objective, prior, starts, rule, iterations)
        self._generator, self._rule = generator, rule

    def advance(self) -> None:
        """Does one iteration."""
        s, prior, moments = self.state, self.prior, self._rule.moments
        x, pull = self._generator(s.z)
        loss, of_x = self.objective.with_gradient(x)
        gradient = pull(of_x)
        iteration, count = int(s.iteration), s.z.shape[1]
        s.iteration.add_(1)
        s.age.add_(1)
        size, mean, square = self._rule.size[iteration], self._rule.mean[s.age], self._rule.square[s.age]
        pulls = 2 * prior.weight / count / prior.share
        steps = torch.stack([size.expand_as(mean), 1 / mean, 1 / square, pulls], dim=1)
        distance, finite = torch.empty_like(loss, dtype=torch.float64), torch.empty_like(loss, dtype=torch.bool)
        arrays = [each.numpy() for each in (s.z, s.mean, s.square, distance, finite)]
        threads = threads_for(s.z.numel(), NUMBERS_A_THREAD)
        constants = moments.beta1, moments.beta2, moments.epsilon, self._rule.z_max
        given = [each.contiguous().numpy() for each in (steps, gradient, prior.centre)]
        _cpu.adam(*constants, given[0], given[1], given[2], threads, *arrays)
        if prior.weight:
            loss = loss + prior.weight * (distance / count).to(loss.dtype) / prior.share
        self.losses[iteration] = loss
        failed = ~(loss.isfinite() & finite)
        if failed.any():
            self._begin_again(failed)

    def _begin_again(self, failed: Tensor) -> None:
        s = self.state
        attempt, again = next_starts(s.attempt, failed, self.starts)
        s.attempt.copy_(attempt)
        s.z[failed] = again[failed]
        for moment in (s.mean, s.square, s.age):
            moment[failed] = 0


class Compiled:
    """torch.compile of a gradient; where that fails, the function as it is, with a warning that says why."""

    def __init__(self, function: Gradient) -> None:
        self._plain, self._function = function, torch.compile(function, dynamic=False)

    def __call__(self, code: Tensor, objective: Objective, prior: Prior) -> tuple[Tensor, Tensor]:
        """Returns what the function does."""
        try:
            return self._function(code, objective, prior)
        except Exception as error:
            if self._function is self._plain:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            warnings.warn(f"generator: not compiled, runs as it is: {reason}", stacklevel=2)
            self._function = self._plain
        return self._plain(code, objective, prior)
