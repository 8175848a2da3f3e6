"""The iterations of a search, each a pure function, state -> state and Eq. 8's loss on the way.

No tape is kept, nothing waits for the device, and memory does not grow with iterations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

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


class Loop:
    """The iterations of one search.

    starts  (ATTEMPTS, B, latent_size): where each code begins, and begins again
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
        self.state: State = optimiser.begin(starts[0])
        self.losses = starts.new_zeros(iterations, starts.shape[1])

    def iterate(self, progress: Callable[[float], None]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns z^ (B, latent_size), the losses (iterations, B) and the attempts (B,) after all iterations.

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
