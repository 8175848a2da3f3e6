"""One iteration of the search as a pure function, state -> state and Eq. 8's loss on the way, and what runs it fast:
on a CPU as it is, on a CUDA device as one graph that is captured once and replayed.

No tape is kept, nothing waits for the device, and memory does not grow with iterations.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.networks.adjoint import TapedNetwork, differentiable
from faceinpaint_fast.networks.protocols import Differentiable
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import Optimiser, State, optimiser

WORTH_COMPILING = 100  # iterations: compiling takes half a minute
GRAPHS = 4  # shapes of batches whose graphs are kept: each holds the memory of an iteration
WARM_UP = 3  # iterations before a capture, by which every library has chosen its kernels

# z (B, latent_size) and the objective -> Eq. 8 (B,) and its gradient (B, latent_size)
Gradient = Callable[[Tensor, Objective], tuple[Tensor, Tensor]]


def loss_and_gradient(generator: Differentiable, z: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Eq. 8 of G(z), (B,), and its gradient in z, (B, latent_size)."""
    x, pull = generator(z)
    loss, of_x, of_z = objective.with_gradients(x, z)
    return loss, pull(of_x) + of_z


class Engine:
    """Runs the iterations of searches with one generator, for one config; from several threads at once, if need be.

    generator  `protocols.Generator`, frozen, on the device
    """

    def __init__(self, generator: Any, config: InpaintConfig, device: torch.device) -> None:
        self.generator = differentiable(generator, device, config.precision, batch_invariant=config.batch_invariant)
        self._optimiser, self._iterations = optimiser(config, device), config.iterations
        self._gradient: Gradient = partial(loss_and_gradient, self.generator)
        # on a CPU a compiled iteration was slower than autograd's, and took 44 s to compile
        if device.type == "cuda" and config.iterations >= WORTH_COMPILING and isinstance(self.generator, TapedNetwork):
            self._gradient = Compiled(self._gradient)
        self._graphs: dict[tuple[int, ...], tuple[Loop, Callable[[], None]]] = {}
        self._graphs_in_use = threading.Lock()

    def run(
        self, objective: Objective, starts: Tensor, progress: Callable[[float], None]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """z^ (B, latent_size), the losses (iterations, B) and the attempts (B,) of a search.

        starts    (ATTEMPTS, B, latent_size): where each code begins, and begins again
        progress  hears the share that was done, or on a CUDA device was sent there
        """
        if not starts.is_cuda:
            loop, advance = self.loop(objective, starts)
            return loop.run(advance, progress)
        with self._graphs_in_use:
            if starts.shape not in self._graphs:
                if len(self._graphs) == GRAPHS:
                    del self._graphs[next(iter(self._graphs))]
                self._graphs[starts.shape] = self.loop(objective.clone(), starts.clone())
            loop, advance = self._graphs[starts.shape]
            loop.begin(objective, starts)
            return loop.run(advance, progress)

    def loop(self, objective: Objective, starts: Tensor) -> tuple[Loop, Callable[[], None]]:
        """A search over these very tensors, and its iteration in the fastest form."""
        loop = Loop(self._gradient, objective, starts, self._optimiser, self._iterations)
        return loop, captured(loop) if starts.is_cuda else loop.advance


class Loop:
    """The iterations of one search, in memory that is theirs from the first to the last."""

    def __init__(
        self, gradient: Gradient, objective: Objective, starts: Tensor, optimiser: Optimiser, iterations: int
    ) -> None:
        self._gradient, self.objective, self.starts, self.optimiser = gradient, objective, starts, optimiser
        self.state: State = optimiser.begin(starts[0])
        self.losses = starts.new_zeros(iterations, starts.shape[1])

    def run(self, advance: Callable[[], None], progress: Callable[[float], None]) -> tuple[Tensor, Tensor, Tensor]:
        """See `Engine.run`; `advance` is this loop's, or what stands for it."""
        iterations = len(self.losses)
        for iteration in range(iterations):
            advance()
            progress((iteration + 1) / iterations)
        return self.state.found.clone(), self.losses.clone(), self.state.attempt.clone()

    def advance(self) -> None:
        """One iteration."""
        loss, gradient = self._gradient(self.state.z, self.objective)
        self.losses.index_copy_(0, self.state.iteration, loss[None])
        self._become(self.optimiser.step(self.state, loss, gradient, self.starts))

    def begin(self, objective: Objective, starts: Tensor) -> None:
        """Another search of the same shapes, in this one's memory."""
        self.objective.copy_(objective)
        self.starts.copy_(starts)
        self._become(self.optimiser.begin(starts[0]))

    def _become(self, state: Any) -> None:
        for field in fields(state):
            getattr(self.state, field.name).copy_(getattr(state, field.name))


def captured(loop: Loop) -> Callable[[], None]:
    """`loop.advance` as a CUDA graph; where it cannot be one, itself, with a warning that says why."""
    objective, starts = loop.objective.clone(), loop.starts.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            loop.advance()
            loop.begin(objective, starts)
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
    """torch.compile of a function; where that fails, the function as it is, with a warning that says why."""

    def __init__(self, function: Gradient) -> None:
        self._plain, self._function = function, torch.compile(function, dynamic=False)

    def __call__(self, z: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        try:
            return self._function(z, objective)
        except Exception as error:
            if self._function is self._plain:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            warnings.warn(f"generator: not compiled, runs as it is: {reason}", stacklevel=2)
            self._function = self._plain
        return self._plain(z, objective)
