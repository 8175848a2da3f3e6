"""Steps 1 to 3: with step 4 they are the blend, and mixed gradients are followed."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import PoissonSolver, masks, poisson_blend, reference
from faceinpaint_fast.blend.gradients import Gradients, divergence, gradient_fields, merge


def test_the_four_steps_are_the_blend(rng):
    target, source = rng.random((2, 64, 50, 3))
    hole = masks.free_form((64, 50), 5)
    v = divergence(merge(gradient_fields(target), gradient_fields(source), hole))
    followed = PoissonSolver(hole).solve(v, target, tolerance=1e-12)
    # the residual times a condition of 10^3
    assert_allclose(followed, poisson_blend(target, source, hole, tolerance=1e-12), atol=1e-9)


def test_mixing_takes_the_larger_gradient_of_each_edge(rng):
    target, source = rng.random((2, 30, 20, 3))
    hole = masks.free_form((30, 20), 1)
    down, right = (
        np.where(abs(t) > abs(s), t, s) for t, s in zip(*(gradient_fields(a) for a in (target, source)), strict=True)
    )
    v = divergence(merge(gradient_fields(target), Gradients(down, right), hole))
    expected = reference.poisson.solve(v, np.where(hole[..., None], 0, target), hole)
    assert_allclose(poisson_blend(target, source, hole, mixed=True, tolerance=1e-12), expected, atol=1e-9)
    # a source without structure leaves the target's
    assert_allclose(poisson_blend(target, 0 * source, hole, mixed=True, tolerance=1e-12), target, atol=1e-9)
    bytes_in = (255 * target).astype(np.uint8), (255 * source).astype(np.uint8)
    mixed = poisson_blend(*(image.astype(float) for image in bytes_in), hole, mixed=True)
    assert_array_equal(poisson_blend(*bytes_in, hole, mixed=True), np.round(mixed.clip(0, 255)))
