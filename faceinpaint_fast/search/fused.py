"""The search on a CUDA device, in memory of its own, an iteration in as few launches as there are.

Of a DCGAN, with a loss that has no bounds: G, SSIM and L1 with their gradient, D if it has a part, the way back, and
the step, which composes Eq. 8 out of what they leave.  Of any other, loss and gradient by torch's ops, then the step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.networks.adjoint import AdjointNetwork
from faceinpaint_fast.ops import triton_ssim_l1
from faceinpaint_fast.search import triton_steps
from faceinpaint_fast.search.loop import Gradient, Loop
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import BFGS, Adam
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.triton_steps import COMPOSED, Composition, discriminator_slope

# where codes or activations (B, n) stand, the objective, the prior -> what the step asks for, and composes with
Finding = Callable[[Tensor, Objective, Prior], tuple[triton_steps.Found, Composition]]


class FusedLoop(Loop):
    """A `Loop` on a CUDA device, in place: in memory that stays where it is, as a graph wants it."""

    def __init__(
        self,
        finding: Finding,
        rule: BFGS | Adam,
        iterations: int,
        objective: Objective,
        prior: Prior,
        starts: Tensor,
    ) -> None:
        self._finding, self._rule = finding, rule
        # the kernel counts on it
        self.objective, self.prior, self.starts = objective, prior, starts.contiguous()
        self.state = triton_steps.begin(rule, starts[0])
        self.losses = starts.new_zeros(iterations, starts.shape[1])

    def advance(self) -> None:
        """Does one iteration."""
        found, composition = self._finding(self.state.z, self.objective, self.prior)
        triton_steps.step_(self._rule, self.state, self.starts, self.losses, composition, found)


def finding_of(networks: Networks, gradient: Gradient, config: InpaintConfig) -> Finding:
    """Returns the finding in the fewest launches that these networks and this config allow."""
    explicit = isinstance(networks.generator, AdjointNetwork) and isinstance(networks.discriminator, AdjointNetwork)
    if explicit and not isinstance(config.normalization, Normalization):
        return partial(in_parts, networks)
    return partial(composed, gradient)


def in_parts(
    networks: Networks, z: Tensor, objective: Objective, prior: Prior
) -> tuple[triton_steps.Found, Composition]:
    """Leaves the composition of Eq. 8, and the prior's gradient, to the step."""
    config = objective.config
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


def composed(
    gradient: Gradient, z: Tensor, objective: Objective, prior: Prior
) -> tuple[triton_steps.Found, Composition]:
    """Takes loss and gradient as they are."""
    loss, of_z = gradient(z, objective, prior)
    return triton_steps.Found(loss[:, None], loss[:, None], of_z), COMPOSED
