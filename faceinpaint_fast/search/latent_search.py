"""The search for z^ = argmin_z L(G(z)), Eq. 8, by back-propagation through frozen G and D to z alone; and beyond z.

Beyond z the search goes on, or begins, at a code, and is over the activations u behind G's layers, one layer after the
other: u^ = argmin_u L(G_k(u)) + lambda_u L_u, G_k being what of G lies behind layer k (Daras et al. 2021, "Intermediate
Layer Optimization for Inverse Problems using Deep Generative Models").  What is found behind one layer goes through the
next one, and there the search over that one's activations begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import ModelError
from faceinpaint_fast.networks.protocols import to_unit
from faceinpaint_fast.search.course import Course
from faceinpaint_fast.search.descent import Descent
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import IMAGE_TERMS
from faceinpaint_fast.search.optimisers import ATTEMPTS, optimiser, optimiser_of
from faceinpaint_fast.search.problem import Problem, mean_of_both
from faceinpaint_fast.search.starts import around, beginning_at, codes

TERMS = (*IMAGE_TERMS, "prior", "total")

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search found for each image.

    z            z^, (B, latent_size) float32; without iterations over z, the code that the search beyond it began at
    activations  u^ behind the last layer that was searched, (B, ...) float32 as the generator's modules have them; none
                 where z alone was searched
    generated    T, what G makes of u^, or of z^: (B, C, H, W) in [0, 1]; with flips, the mean of both ways round
    losses       (B, len(TERMS)), where the search ended
    """

    z: Tensor
    activations: Tensor | None
    generated: Tensor
    losses: Tensor

    def rows(self, index: Tensor | slice) -> Found:
        """Returns what was found for these images."""
        u = self.activations
        return Found(self.z[index], None if u is None else u[index], self.generated[index], self.losses[index])


def together(found: Sequence[Found]) -> Found:
    """Returns what was found for the images of several searches, one after the other."""
    activations = [each.activations for each in found if each.activations is not None]
    return Found(
        z=torch.cat([each.z for each in found]),
        activations=torch.cat(activations) if activations else None,
        generated=torch.cat([each.generated for each in found]),
        losses=torch.cat([each.losses for each in found]),
    )


class LatentSearch:
    """Searches with the same networks for one config; from several threads at once, if need be.

    On a CUDA device it keeps graphs of a few sizes of batches, and its searches wait for each other (`graph`).
    """

    def __init__(self, networks: Networks, config: InpaintConfig, device: torch.device) -> None:
        self.networks, self.config, self.device = networks, config, device
        self.over_z = Descent(networks, optimiser(config, device), config.iterations, config, device)
        self._beyond = [
            (stage.layer, Descent(networks.beyond(stage.layer), rule, stage.steps, config, device))
            for stage, rule in ((stage, optimiser_of(stage, config, device)) for stage in config.stages)
        ]
        self._descents = [(0, self.over_z)] * (config.iterations > 0) + self._beyond
        self._graphs: Any = None
        if device.type == "cuda" and all(descent.is_fused for _, descent in self._descents):
            from faceinpaint_fast.search.graph import Graphs

            self._graphs = Graphs(self._of_rows, config.steps)

    def __call__(
        self,
        problem: Problem,
        seeds: Sequence[int],
        *,
        start: Tensor | None = None,
        spreads: Sequence[float] | None = None,
        first: int = 0,
        progress: Progress = lambda _: None,
    ) -> Found:
        """Returns the best of each image's `config.restarts` starts, which depend on its seed and its guess alone.

        A start whose loss or gradient is not finite gives way to its seed's next draw, alone.

        problem   with flips, of the images and then of the mirrored ones
        seeds     one an image
        start     (B, latent_size), what each image's first start is, if not its guess or its seed's; the mirrored ones
                  keep theirs
        spreads   how far each image's first start lies from its guess, by the draw of its seed; None: it is the guess
        first     the number of the first image in the caller's batch
        progress  hears the share that is done

        Raises ModelError, naming the image, where ATTEMPTS starts failed and where an image has no finite loss.
        """
        images, restarts = len(seeds), self.config.restarts
        if self.config.flips:
            seeds = [*seeds, *seeds]
            spreads = spreads and [*spreads, *spreads]
        problem = problem.repeated(restarts)
        drawn = codes(seeds, restarts, self.networks.latent_size, ATTEMPTS).to(self.device)
        starts = beginning_at(start, around(problem.guess, drawn, restarts, spreads), restarts)

        rows, failed = self._searched(problem, starts, progress)
        if self._beyond:
            self._search_again(rows, failed, problem, starts)
        best = least(rows.losses[:, -1], restarts, lambda row: without_loss(first + row % images))
        found = rows.rows(best)
        if not self.config.flips:
            return found
        return replace(found.rows(slice(images)), generated=mean_of_both(found.generated))

    def _searched(self, problem: Problem, starts: Tensor, progress: Progress) -> tuple[Found, Tensor]:
        """Returns what was found for each row, and which have failed, (B,)."""
        if self._graphs is not None:
            parts = self._graphs.run((*problem.tensors, starts.transpose(0, 1)), self._taken, progress)
            found, failed = zip(*parts, strict=True)
            return together(found), torch.cat(failed)
        steps = self.config.steps
        course = self._course(self._descents, problem, starts)
        return self._taken(course.done(lambda iterations: progress(iterations / steps)))

    def _search_again(self, rows: Found, failed: Tensor, problem: Problem, starts: Tensor) -> None:
        """Searches beyond z once more, in place, for what has failed there, from one draw after the other."""
        for attempt in range(1, len(starts)):
            index = failed.nonzero()[:, 0]
            if not len(index):
                break
            course = self._course(self._beyond, problem.rows(index), starts[attempt : attempt + 1, index])
            again, failed_again = self._taken(course.done(lambda _: None))
            for name in Found.__slots__:
                getattr(rows, name)[index] = getattr(again, name)
            failed[index] = failed_again

    def _course(self, descents: Sequence[tuple[int, Descent]], problem: Problem, starts: Tensor) -> Course:
        return Course(self.networks, self.config, descents, problem, starts)

    def _of_rows(self, inputs: Sequence[Tensor]) -> Course:
        """Returns the course of a problem's tensors and its starts, which go by rows as well here."""
        *problem, starts = inputs
        return self._course(self._descents, Problem(*problem), starts.transpose(0, 1))

    def _taken(self, course: Course, rows: int | None = None) -> tuple[Found, Tensor]:
        """Returns what a course found for its first rows, all by default, and which of them have failed; copied."""

        def taken(tensor: Tensor) -> Tensor:
            return tensor[:rows].clone()

        last = self.config.stages[-1].layer if self.config.stages else 0
        u = self.networks.cuts[last - 1].shaped(taken(course.u)) if last else None
        return Found(taken(course.z), u, to_unit(course.x[:rows]), taken(course.losses)), taken(course.failed)


def least(totals: Tensor, restarts: int, failure: Callable[[int], ModelError]) -> Tensor:
    """Returns each image's row with the least loss of (images * restarts,): (images,).

    Raises what `failure` makes of the number of an image without a finite one.
    """
    by_image = totals.where(totals.isfinite(), torch.inf).view(-1, restarts)
    failed = by_image.isinf().all(dim=1)
    if failed.any():
        raise failure(int(failed.nonzero()[0]))
    return by_image.argmin(dim=1) + restarts * torch.arange(len(by_image), device=totals.device)


def without_loss(image: int) -> ModelError:
    """Returns what to raise for the image of that number."""
    return ModelError(f"images[{image}]: expected a finite loss, got NaN or Inf")
