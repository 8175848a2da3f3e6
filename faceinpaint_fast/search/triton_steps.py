"""An iteration of an optimiser in one launch, on CUDA, by the kernels of `triton_optimisers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import triton
from torch import Tensor

from faceinpaint_fast.search import triton_optimisers as kernels
from faceinpaint_fast.search.optimisers import BFGS, Adam, AdamState, BFGSState
from faceinpaint_fast.tuning import table_of


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """What Eq. 8 is composed with, beside what an iteration finds: see `objective.Objective` and `prior.Prior`.

    lambdas       of the discriminator, the context, the structural loss and the prior
    total_weight  (B,); none: 1
    share         (B,), the prior's; none where its lambda is 0
    centre        (B, n), or (B, 1), likewise
    """

    lambdas: tuple[float, float, float, float]
    total_weight: Tensor | None = None
    share: Tensor | None = None
    centre: Tensor | None = None


COMPOSED = Composition((0.0, 1.0, 0.0, 0.0))
"""For a loss and a gradient that are composed already: the loss stands for L1."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What an iteration finds at z.

    structural  (B, p): parts that add up to the structural loss, of an image without one to 0
    l1          (B, q): parts of L1
    pulled      (B, n): the gradient of Eq. 8 in z but the prior's
    logit       (B,), D's; none where lambda_d is 0
    """

    structural: Tensor
    l1: Tensor
    pulled: Tensor
    logit: Tensor | None = None


def begin(rule: BFGS | Adam, z: Tensor) -> Any:
    """The rule's state before the first iteration of a search from z (B, n), with an iteration (B,) for every row."""
    return replace(rule.begin(z), iteration=z.new_zeros(len(z), dtype=torch.int64))


def begin_(state: BFGSState | AdamState, z: Tensor) -> None:
    """Another search of as many rows or fewer in the state's memory; those beyond begin again where they are."""
    state.z[: len(z)].copy_(z)
    state.iteration.zero_()


def step_(
    rule: BFGS | Adam,
    state: Any,
    starts: Tensor,
    losses: Tensor,
    composition: Composition,
    found: Found,
    cut: Mapping[str, int] | None = None,
) -> None:
    """The state after an iteration that found this, in place; and Eq. 8 of it, (B,), in losses[iteration].

    state   `begin`'s
    starts  (attempts, B, n), where each row begins, and begins again
    losses  (iterations, B)
    cut     one of `candidates`; none: as `blocks` says
    """
    c = composition
    rows, n = state.z.shape
    if cut is None:
        cut = blocks("bfgs" if isinstance(rule, BFGS) else "adam", state.z.device, rows, n)
    composed = found.structural, found.l1, found.logit, found.pulled, c.total_weight, c.share, c.centre
    counts = rows, found.structural.shape[1], found.l1.shape[1]
    weights = dict(zip(("LAMBDA_D", "LAMBDA_C", "LAMBDA_S", "LAMBDA_Z"), c.lambdas, strict=True))
    options = {**weights, "Z_MAX": rule.z_max, "n": n, **cut}
    options |= {"CENTRES": 1 if c.centre is None else c.centre.shape[1], "ATTEMPTS": len(starts)}
    with torch.cuda.device_of(state.z):
        if isinstance(rule, BFGS):
            s: BFGSState = state
            kernels.bfgs[(rows,)](
                s.z, s.found, s.loss, s.gradient, s.direction, s.size, s.inverse, s.learnt, s.attempt, s.iteration,
                starts, losses, *composed, *counts, FIRST=rule.first, **options,
            )  # fmt: skip
        else:
            a: AdamState = state
            moments = rule.moments
            kernels.adam[(rows,)](
                a.z, a.mean, a.square, a.age, a.attempt, a.iteration, starts, losses,
                rule.size, rule.mean, rule.square, *composed, *counts,
                MEAN=1 - moments.beta1, SQUARE=1 - moments.beta2, EPSILON=moments.epsilon, **options,
            )  # fmt: skip


def blocks(kernel: str, device: torch.device, rows: int, n: int) -> Mapping[str, int]:
    """Returns how a kernel's work is cut: as was measured, on this device or one like it, else as is likeliest."""
    table = table_of(device)
    chosen = None if table is None else table.chosen(kernel, rows, n=n)
    return candidates(kernel, rows, n)[0] if chosen is None else chosen


def candidates(kernel: str, rows: int, n: int) -> list[dict[str, int]]:
    """Returns ways to cut a kernel's work for so many codes of n numbers, the likeliest first.

    bfgs  how many columns of H a program takes, padded, how many rows at a time, with how many warps.  H in registers
          is the shorter way, but leaves room for one program on a multiprocessor
    adam  how much of a code it takes at a time, with how many warps: four numbers a thread
    """
    padded = triton.next_power_of_2(n)
    if kernel == "adam":
        sizes = [min(padded, 4096) >> i for i in range(3)]
        return [{"BLOCK": size, "num_warps": max(1, size // 128)} for size in sizes if size >= min(padded, 1024)]
    walked = [(16, padded // 64), (32, padded // 16), (64, padded // 16)]
    held = [(padded, padded**2 // 2048), (padded, padded**2 // 1024)]
    # of longer codes registers hold no more than 16 rows
    likeliest = [(16, padded // 32)] if padded > 128 else held + walked if rows <= 256 else walked + held
    return [{"N": padded, "ROWS": min(height, padded), "num_warps": max(1, warps)} for height, warps in likeliest]


def discriminator_slope(logit: Tensor, lambda_d: float) -> Tensor:
    """Derivative of lambda_d log(1 - sigmoid(t)) in the logit t (B,): -lambda_d sigmoid(t)."""
    slope = torch.empty_like(logit)
    with torch.cuda.device_of(logit):
        kernels.discriminator_slope[(triton.cdiv(len(logit), 256),)](
            logit, slope, len(logit), LAMBDA_D=lambda_d, BLOCK=256
        )
    return slope
