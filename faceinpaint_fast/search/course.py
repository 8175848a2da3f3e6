"""The course of a search: what is done one after the other, from what is asked to what is found.

It comes in parts, each done before the next one is asked for.  On a CUDA device each part is a graph (`graph`), so all
that one part leaves to another lies in the course's attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.search.descent import Descent
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem


@dataclass(frozen=True, slots=True)
class Part:
    """What is done so many times in a row, each time so many iterations of a descent."""

    do: Callable[[], None]
    times: int = 1
    iterations: int = 0


class Course:
    """A search for each row of a problem.

    descents  each with the layer of G behind which it searches, 0 over z, from the first one on
    starts    (attempts, B, latent_size): where a search over z begins, and begins again; beyond z there is one start

    When all its parts are done it holds

    z       z^, (B, latent_size); without a search over z, where it began
    u       where it ended: z^, or u^ behind the last layer that was searched, (B, n)
    x       G of that, (B, C, H, W) in [-1, 1]
    losses  the image's terms, the prior and Eq. 8 there, (B, 5); Eq. 8 is infinite where no start had a finite loss
    failed  (B,), which rows had no start with a finite loss
    """

    z: Tensor
    u: Tensor
    x: Tensor
    losses: Tensor
    failed: Tensor

    def __init__(
        self,
        networks: Networks,
        config: InpaintConfig,
        descents: Sequence[tuple[int, Descent]],
        problem: Problem,
        starts: Tensor,
    ) -> None:
        self._networks, self._config, self._descents = networks, config, descents
        self.problem, self.starts = problem, starts

    def parts(self, at_once: int) -> Iterator[Part]:
        """Yields what is to be done, at most so many iterations at a time."""
        yield Part(self._begin)
        for layer, descent in self._descents:
            yield Part(partial(self._enter, layer, descent))
            whole, rest = divmod(descent.iterations, at_once)
            if whole:
                yield Part(partial(self._advance, at_once), whole, at_once)
            if rest:
                yield Part(partial(self._advance, rest), 1, rest)
            yield Part(partial(self._leave, layer))
        yield Part(self._end)

    def done(self, progress: Callable[[int], None]) -> Course:
        """Returns the course when it is done; `progress` hears of each iteration how many are."""
        iterations = 0
        for part in self.parts(1):
            for _ in range(part.times):
                part.do()
                if part.iterations:
                    iterations += part.iterations
                    progress(iterations)
        return self

    def _begin(self) -> None:
        self.objective = Objective(self.problem, self._networks.discriminator, self._config)
        self.z = self.u = self.starts[0].clone()
        self.failed = torch.zeros(len(self.z), dtype=torch.bool, device=self.z.device)
        self._layer = 0
        self._prior = Prior.of(self.problem, self._config)

    def _enter(self, layer: int, descent: Descent) -> None:
        """Goes on behind that layer; over z, from the starts."""
        starts = self.starts
        if layer:
            for cut in self._networks.cuts[self._layer : layer]:
                self.u = cut.into(self.u)
            self._layer, self._prior, starts = layer, Prior.at(self.u, self._config), self.u[None]
        self._loop: Any = descent.loop(self.objective, self._prior, starts)

    def _advance(self, iterations: int) -> None:
        for _ in range(iterations):
            self._loop.advance()

    def _leave(self, layer: int) -> None:
        self.u, attempt = self._loop.state.found, self._loop.state.attempt
        if layer == 0:
            self.z = self.u
        self.failed = self.failed | (attempt == len(self._loop.starts))

    def _end(self) -> None:
        self.x, _ = self._networks.beyond(self._layer).generator(self.u)
        terms = self.objective.terms(self.x)
        total = self.objective.total(terms) + self._prior.weighted(self.u)
        total = total.where(~self.failed, torch.inf)
        self.losses = torch.cat([terms, self._prior.loss(self.u)[:, None], total[:, None]], dim=1)
