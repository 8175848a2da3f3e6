"""The search on a CUDA device, in memory of its own, an iteration in as few launches as there are.

Of a DCGAN, with a loss that has no bounds: G, SSIM and L1 with their gradient, D if it has a part, the way back, and
the step, which composes Eq. 8 out of what they leave.  Of any other, loss and gradient by torch's ops, then the step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.networks.adjoint import AdjointNetwork
from faceinpaint_fast.ops import triton_ssim_l1
from faceinpaint_fast.search import triton_steps
from faceinpaint_fast.search.graph import Graphs
from faceinpaint_fast.search.loop import Gradient
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import BFGS, Adam
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.triton_steps import COMPOSED, Composition, discriminator_slope


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked of a search: `graph.Question`."""

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


# where codes or activations (B, n) stand -> what the step asks for, and what it composes that with
Finding = Callable[[Tensor, Question], tuple[triton_steps.Found, Composition]]


class FusedSearch:
    """A `graph.Search` over what is asked, in this very memory."""

    def __init__(self, finding: Finding, rule: BFGS | Adam, iterations: int, asked: Question) -> None:
        self._finding, self._rule, self.asked, self.starts = finding, rule, asked, asked.starts
        self.state = triton_steps.begin(rule, asked.starts[0])
        self.losses = asked.starts.new_zeros(iterations, asked.starts.shape[1])

    def begin(self, asked: Question) -> None:
        """Begins another search, of as many rows or fewer: the first ones."""
        self.asked.copy_(asked)
        triton_steps.begin_(self.state, asked.starts[0])

    def advance(self) -> None:
        """Does one iteration."""
        found, composition = self._finding(self.state.z, self.asked)
        triton_steps.step_(self._rule, self.state, self.starts, self.losses, composition, found)

    def found(self, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what was found (rows, n), the losses (iterations, rows) and the attempts (rows,), copied."""
        state = self.state
        return state.found[:rows].clone(), self.losses[:, :rows].clone(), state.attempt[:rows].clone()


class Searches:
    """Searches with the same networks on a CUDA device, for several threads: they wait for each other.

    gradient  of what is not fused
    rule      BFGS or Adam, for so many iterations
    """

    def __init__(
        self, networks: Networks, gradient: Gradient, rule: Any, iterations: int, config: InpaintConfig
    ) -> None:
        self._new = partial(FusedSearch, finding_of(networks, gradient, config), rule, iterations)
        self.graphs = Graphs(self._new, iterations)

    def iterate(
        self, objective: Objective, prior: Prior, starts: Tensor, progress: Callable[[float], None]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what `descent.Descent.iterate` does; see `Graphs.run`."""
        return self.graphs.run(Question(objective, prior, starts), progress)

    def loop(self, objective: Objective, prior: Prior, starts: Tensor) -> FusedSearch:
        """Returns a search over these very tensors."""
        return self._new(Question(objective, prior, starts))


def finding_of(networks: Networks, gradient: Gradient, config: InpaintConfig) -> Finding:
    """Returns the finding in the fewest launches that these networks and this config allow."""
    explicit = isinstance(networks.generator, AdjointNetwork) and isinstance(networks.discriminator, AdjointNetwork)
    if explicit and not isinstance(config.normalization, Normalization):
        return partial(in_parts, networks)
    return partial(composed, gradient)


def in_parts(networks: Networks, z: Tensor, asked: Question) -> tuple[triton_steps.Found, Composition]:
    """Leaves the composition of Eq. 8, and the prior's gradient, to the step."""
    objective, prior, config = asked.objective, asked.prior, asked.objective.config
    x, pull = networks.generator(z)
    t, slopes = objective.target, (objective.of_ssim, objective.of_l1)
    structural, l1, of_x = triton_ssim_l1.ssim_l1_partials(
        x, t.w, t.v, t.mean, t.variance, t.share, t.taps, t.pad, t.c1, t.c2, *slopes, signed=True
    )
    logit = None
    if config.lambda_d:
        logit, pull_to_x = networks.discriminator(x)
        of_x = pull_to_x(discriminator_slope(logit, config.lambda_d), of_x)
    lambdas = config.lambda_d, config.lambda_c, config.lambda_s, prior.weight
    composition = Composition(lambdas, objective.total_weight, prior.share, prior.centre)
    return triton_steps.Found(structural, l1, pull(of_x), logit), composition


def composed(gradient: Gradient, z: Tensor, asked: Question) -> tuple[triton_steps.Found, Composition]:
    """Takes loss and gradient as they are."""
    loss, of_z = gradient(z, asked.objective, asked.prior)
    return triton_steps.Found(loss[:, None], loss[:, None], of_z), COMPOSED
