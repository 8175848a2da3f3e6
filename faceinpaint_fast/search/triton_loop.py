"""The iterations of a search on a CUDA device in few launches each, none of which waits for the device.

Of a DCGAN of five layers there are 13 in an iteration, all of our own kernels:

    5  G, layer by layer, to x
    2  SSIM and L1 against the target, in parts, and the gradient of their weighted sum in x
    5  G's layers the other way, to the gradient in the code
    1  the optimiser's step, which adds up the parts, composes Eq. 8 with the prior, and writes the next code

With D in the objective its layers, 5 to the logit and 5 to what is added onto the gradient in x, and the slope of Eq. 3
between them stand behind SSIM and L1.
"""

from __future__ import annotations

from torch import Tensor

from faceinpaint_fast.config import Normalization
from faceinpaint_fast.networks.adjoint import AdjointNetwork
from faceinpaint_fast.networks.protocols import Differentiable
from faceinpaint_fast.ops import triton_ssim_l1
from faceinpaint_fast.search import triton_steps
from faceinpaint_fast.search.loop import Question
from faceinpaint_fast.search.optimisers import BFGS, Adam


def serves(generator: Differentiable, asked: Question) -> bool:
    """Whether a search can be done like that: G is a DCGAN, and Eq. 5 and 6 are not the printed ones, which clamp.

    The printed ones ask for the distances before their gradient.
    """
    return isinstance(generator, AdjointNetwork) and not isinstance(asked.objective.config.normalization, Normalization)


class TritonLoop:
    """The iterations of one search in memory of their own, as `loop.Loop` has them."""

    def __init__(self, generator: Differentiable, asked: Question, rule: BFGS | Adam, iterations: int) -> None:
        self._generator, self._rule, self.asked = generator, rule, asked
        self.state = triton_steps.begin(rule, asked.starts[0])
        self.losses = asked.starts.new_zeros(iterations, asked.starts.shape[1])
        objective, prior, config = asked.objective, asked.prior, asked.objective.config
        lambdas = config.lambda_d, config.lambda_c, config.lambda_s, config.lambda_z
        self._composition = triton_steps.Composition(objective.total_weight, prior.share, prior.centre, lambdas)
        self._slopes = objective.constant_slopes()

    def begin(self, asked: Question) -> None:
        """Begins another search, of as many rows or fewer, in this one's memory."""
        self.asked.copy_(asked)
        for mine, slope in zip(self._slopes, self.asked.objective.constant_slopes(), strict=True):
            mine.copy_(slope)
        triton_steps.begin_(self.state, asked.starts[0])

    def advance(self) -> None:
        """Does one iteration."""
        objective, lambda_d = self.asked.objective, self._composition.lambdas[0]
        x, pull = self._generator(self.state.z)
        t = objective.target
        structural, l1, gradient = triton_ssim_l1.ssim_l1_partials(
            x, t.w, t.v, t.mean, t.variance, t.share, t.taps, t.pad, t.c1, t.c2, *self._slopes, signed=True
        )
        logit = None
        if lambda_d:
            logit, pull_back = objective.D(x)
            gradient = pull_back(triton_steps.discriminator_slope(logit, lambda_d), gradient)
        found = triton_steps.Found(structural, l1, pull(gradient), logit)
        triton_steps.step_(self._rule, self.state, self.asked.starts, self.losses, self._composition, found)

    def found(self, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns z^ (rows, latent_size), the losses (iterations, rows) and the attempts (rows,), copied."""
        return self.state.found[:rows].clone(), self.losses[:, :rows].clone(), self.state.attempt[:rows].clone()
