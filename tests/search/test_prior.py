"""What holds a code: by hand, and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem


def problem_of(known, guess=None):
    known = torch.tensor(known, dtype=torch.float64)
    return Problem(torch.zeros(len(known), 3, *known.shape[1:], dtype=torch.float64), known, known, guess)


# half of the first image is known, nothing of the second, all of the third
KNOWN = [[[1, 0], [1, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]]


def test_by_hand():
    code = torch.tensor([[3.0, 1.0]] * 3, dtype=torch.float64)
    guess = torch.tensor([[1.0, 1.0]] * 3, dtype=torch.float64)
    config = InpaintConfig(lambda_z=0.5)
    # (9 + 1) / 2, over the share that is known; a share of nothing counts as one pixel
    assert Prior.of(problem_of(KNOWN), config).loss(code).tolist() == [10, 20, 5]
    assert Prior.of(problem_of(KNOWN, guess), config).loss(code).tolist() == [4, 8, 2]
    assert Prior.of(problem_of(KNOWN, guess), config).weighted(code).tolist() == [2, 4, 1]
    plain = InpaintConfig(lambda_z=0.5, normalization="none")
    assert Prior.of(problem_of(KNOWN), plain).loss(code).tolist() == [5, 5, 5]


@pytest.mark.parametrize("guess", [None, torch.linspace(-1, 1, 21, dtype=torch.float64).view(3, 7)])
def test_the_gradient_is_that_of_finite_differences(guess, rng):
    prior = Prior.of(problem_of(KNOWN, guess), InpaintConfig(lambda_z=0.3))
    code, direction = (torch.from_numpy(rng.standard_normal((3, 7))) for _ in range(2))
    ahead, behind = (prior.weighted(code + sign * 1e-6 * direction) for sign in (1, -1))
    # of second order: exact but for rounding
    assert_close((prior.gradient(code) * direction).sum(dim=1), (ahead - behind) / 2e-6, rtol=1e-7, atol=1e-9)


def test_a_weight_of_0_leaves_it_out():
    prior = Prior.of(problem_of(KNOWN), InpaintConfig.paper())
    code = torch.full((3, 2), torch.inf, dtype=torch.float64)
    assert prior.loss(code).isinf().all()
    assert prior.weighted(code).tolist() == [0, 0, 0]


def test_activations_are_held_to_where_their_stage_began():
    began = torch.tensor([[1.0, 1.0], [0.0, 2.0]], dtype=torch.float64)
    prior = Prior.at(began, InpaintConfig(lambda_u=0.25))
    u = torch.tensor([[3.0, 1.0], [0.0, 2.0]], dtype=torch.float64)
    # 0.25 (2^2 + 0) / 2, whatever share of the image is known
    assert prior.weighted(u).tolist() == [0.5, 0]
    assert prior.gradient(u).tolist() == [[0.5, 0], [0, 0]]
