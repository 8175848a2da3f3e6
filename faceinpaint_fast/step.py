"""One iteration of the search as a pure function, (z, Adam's state) -> (z, Adam's state) and Eq. 8's loss on the way,
and what runs it fast: on a CPU as it is, on a CUDA device as one graph that is captured once and replayed.

No tape is kept, nothing waits for the device, and memory does not grow with iterations.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast.adjoint import AnyNetwork, Differentiable, differentiable
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.objective import Objective

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Kingma and Ba 2015
ATTEMPTS = 4  # starts of one latent code before its image is given up
WORTH_COMPILING = 100  # iterations: compiling takes half a minute
GRAPHS = 4  # shapes of batches whose graphs are kept: each holds the memory of an iteration
WARM_UP = 3  # iterations before a capture, by which every library has chosen its kernels

# z (B, latent_size) and the objective -> Eq. 8 (B,) and its gradient (B, latent_size)
Gradient = Callable[[Tensor, Objective], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where the search is: a latent code a row, each on its own.

    z          (B, latent_size); mean, square: Adam's moments of its gradient
    age        (B,), iterations since the row's start
    attempt    (B,), which of its starts the row is at; ATTEMPTS once it has none left
    iteration  (1,), of the search
    """

    z: Tensor
    mean: Tensor
    square: Tensor
    age: Tensor
    attempt: Tensor
    iteration: Tensor

    @classmethod
    def at(cls, z: Tensor) -> State:
        """Before the first iteration."""
        return cls(
            z=z.clone(),
            mean=torch.zeros_like(z),
            square=torch.zeros_like(z),
            age=z.new_zeros(len(z), dtype=torch.int64),
            attempt=z.new_zeros(len(z), dtype=torch.int64),
            iteration=z.new_zeros(1, dtype=torch.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Adam's numbers that are known beforehand, and z's bound.

    The numbers are looked up, not computed: a power of a row's age would be rounded by its place in a vector.

    size    (iterations,), step size of each iteration
    mean    (iterations + 1,), 1 - BETA1^age, which the mean of a row of that age is divided by
    square  (iterations + 1,), likewise of BETA2
    z_max   `InpaintConfig.z_max`
    """

    size: Tensor
    mean: Tensor
    square: Tensor
    z_max: float

    @classmethod
    def of(cls, config: InpaintConfig, device: torch.device | str = "cpu") -> Schedule:
        """Step sizes are constant for "adam"; for "adam-cosine" they go from learning_rate to 0 along a half cosine."""
        age = torch.arange(config.iterations + 1, dtype=torch.float64)
        share = age[:-1] / config.iterations if config.search == "adam-cosine" else torch.zeros_like(age[:-1])
        size = config.learning_rate * (1 + (math.pi * share).cos()) / 2
        size, mean, square = (each.float().to(device) for each in (size, 1 - BETA1**age, 1 - BETA2**age))
        return cls(size, mean, square, config.z_max)


def loss_and_gradient(generator: Differentiable, z: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Eq. 8 of G(z), (B,), and its gradient in z, (B, latent_size)."""
    x, pull = generator(z)
    loss, of_x, of_z = objective.with_gradients(x, z)
    return loss, pull(of_x) + of_z


def iterate(state: State, loss: Tensor, gradient: Tensor, schedule: Schedule, starts: Tensor) -> State:
    """Adam's step of every row; one whose loss or code is not finite begins again, alone, from its next start.

    starts  (ATTEMPTS, B, latent_size)
    """
    s = state
    age = s.age + 1
    mean, square = s.mean.lerp(gradient, 1 - BETA1), s.square.lerp(gradient * gradient, 1 - BETA2)
    direction = (mean / schedule.mean[age][:, None]) / ((square / schedule.square[age][:, None]).sqrt() + EPSILON)
    z = s.z - schedule.size[s.iteration] * direction
    failed = ~(loss.isfinite() & z.isfinite().all(dim=1))
    attempt = (s.attempt + failed).clamp(max=ATTEMPTS)
    rows = torch.arange(len(z), device=z.device)
    again = starts[attempt.clamp(max=ATTEMPTS - 1), rows]
    failed = failed[:, None]
    return State(
        z=torch.where(failed, again, z.clamp(-schedule.z_max, schedule.z_max)),
        mean=mean.masked_fill(failed, 0),
        square=square.masked_fill(failed, 0),
        age=age.masked_fill(failed[:, 0], 0),
        attempt=attempt,
        iteration=s.iteration + 1,
    )


class Engine:
    """Runs the iterations of searches with one generator, for one config; from several threads at once, if need be.

    generator  `generator.Generator`, frozen, on the device
    """

    def __init__(self, generator: Any, config: InpaintConfig, device: torch.device) -> None:
        self.generator = differentiable(generator, device, config.precision, batch_invariant=config.batch_invariant)
        self._schedule = Schedule.of(config, device)
        self._gradient: Gradient = partial(loss_and_gradient, self.generator)
        # on a CPU a compiled iteration was slower than autograd's, and took 44 s to compile
        if device.type == "cuda" and config.iterations >= WORTH_COMPILING and isinstance(self.generator, AnyNetwork):
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
        loop = Loop(self._gradient, objective, starts, self._schedule)
        return loop, captured(loop) if starts.is_cuda else loop.advance


class Loop:
    """The iterations of one search, in memory that is theirs from the first to the last."""

    def __init__(self, gradient: Gradient, objective: Objective, starts: Tensor, schedule: Schedule) -> None:
        self._gradient, self.objective, self.starts, self.schedule = gradient, objective, starts, schedule
        self.state = State.at(starts[0])
        self.losses = starts.new_zeros(len(schedule.size), starts.shape[1])

    def run(self, advance: Callable[[], None], progress: Callable[[float], None]) -> tuple[Tensor, Tensor, Tensor]:
        """See `Engine.run`; `advance` is this loop's, or what stands for it."""
        for iteration in range(len(self.schedule.size)):
            advance()
            progress((iteration + 1) / len(self.schedule.size))
        return self.state.z.clone(), self.losses.clone(), self.state.attempt.clone()

    def advance(self) -> None:
        """One iteration."""
        loss, gradient = self._gradient(self.state.z, self.objective)
        self.losses.index_copy_(0, self.state.iteration, loss[None])
        self._become(iterate(self.state, loss, gradient, self.schedule, self.starts))

    def begin(self, objective: Objective, starts: Tensor) -> None:
        """Another search of the same shapes, in this one's memory."""
        self.objective.copy_(objective)
        self.starts.copy_(starts)
        self._become(State.at(starts[0]))

    def _become(self, state: State) -> None:
        for field in fields(State):
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
