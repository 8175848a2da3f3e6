"""A search over one thing that an image follows from, by whatever is fastest on its device.

That is latent codes, from which G draws, or the activations behind a layer, from which the rest of G does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.networks.adjoint import TapedNetwork
from faceinpaint_fast.search.loop import AdamLoop, Compiled, Gradient, Loop, loss_and_gradient
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import BFGS, Adam, Optimiser
from faceinpaint_fast.search.prior import Prior

WORTH_COMPILING = 100  # iterations: compiling takes half a minute


class Descent:
    """A descent searches over what `networks.generator` draws from, rows (B, n), so many iterations each."""

    def __init__(
        self, networks: Networks, rule: Optimiser, iterations: int, config: InpaintConfig, device: torch.device
    ) -> None:
        self.iterations, self._generator, self._rule, self._device = iterations, networks.generator, rule, device
        self._gradient: Gradient = partial(loss_and_gradient, networks.generator)
        taped = isinstance(networks.generator, TapedNetwork)
        # on a CPU a compiled iteration was slower than autograd's, and took 44 s to compile
        if device.type == "cuda" and iterations >= WORTH_COMPILING and taped:
            self._gradient = Compiled(self._gradient)
        # an optimiser without a kernel is searched with as on a CPU
        self._fused: Callable[..., Loop] | None = None
        if device.type == "cuda" and isinstance(rule, BFGS | Adam):
            from faceinpaint_fast.search.fused import FusedLoop, finding_of

            self._fused = partial(FusedLoop, finding_of(networks, self._gradient, config), rule, iterations)

    @property
    def is_fused(self) -> bool:
        """Whether all of an iteration lies in memory that stays where it is, as a graph wants it."""
        return self._fused is not None

    def loop(self, objective: Objective, prior: Prior, starts: Tensor) -> Loop:
        """Returns a search over these very tensors: it has a state, losses, and `advance`, an iteration of it."""
        if self._fused is not None:
            return self._fused(objective, prior, starts)
        if self._device.type == "cpu" and isinstance(self._rule, Adam):
            return AdamLoop(self._generator, objective, prior, starts, self._rule, self.iterations)
        return Loop(self._gradient, objective, prior, starts, self._rule, self.iterations)
