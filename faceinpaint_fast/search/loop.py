"""The iterations of a search, each a pure function, state -> state and Eq. 8's loss on the way, in memory of their own:
on a CUDA device one iteration is captured as a graph once and replayed.

No tape is kept, nothing waits for the device, and memory does not grow with iterations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast.networks.protocols import Differentiable
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import Optimiser, State
from faceinpaint_fast.search.prior import Prior

WARM_UP = 3  # iterations before a capture, by which every library has chosen its kernels

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
    """The iterations of one search, in memory that is theirs from the first to the last.

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

    def iterate(self, advance: Callable[[], None], progress: Callable[[float], None]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns z^ (B, latent_size), the losses (iterations, B) and the attempts (B,) after all iterations.

        advance   `self.advance`, or what stands for it
        progress  hears the share that was done, or on a CUDA device was sent there
        """
        iterations = len(self.losses)
        for iteration in range(iterations):
            advance()
            progress((iteration + 1) / iterations)
        return self.state.found.clone(), self.losses.clone(), self.state.attempt.clone()

    def advance(self) -> None:
        """Does one iteration."""
        loss, gradient = self._gradient(self.state.z, self.objective, self.prior)
        self.losses.index_copy_(0, self.state.iteration, loss[None])
        self._become(self.optimiser.step(self.state, loss, gradient, self.starts))

    def begin(self, objective: Objective, prior: Prior, starts: Tensor) -> None:
        """Begins another search of the same shapes, in this one's memory."""
        self.objective.copy_(objective)
        self.prior.copy_(prior)
        self.starts.copy_(starts)
        self._become(self.optimiser.begin(starts[0]))

    def _become(self, state: Any) -> None:
        for field in fields(state):
            getattr(self.state, field.name).copy_(getattr(state, field.name))


def captured(loop: Loop) -> Callable[[], None]:
    """Returns `loop.advance` as a CUDA graph; where it cannot be one, itself, with a warning that says why."""
    objective, prior, starts = loop.objective.clone(), loop.prior.clone(), loop.starts.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            loop.advance()
            loop.begin(objective, prior, starts)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            loop.advance()
    except RuntimeError as error:
        warnings.warn(f"generator: no CUDA graph, its kernels are launched one by one: {error}", stacklevel=2)
        return loop.advance
    return graph.replay


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
