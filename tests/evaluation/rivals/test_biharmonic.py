"""scikit-image's biharmonic fill: the answers that are known."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.rivals.biharmonic import biharmonic


def test_biharmonic_results_are_clipped():
    """Two slopes rise to white on either side of a gap: the pixels in it would be lighter than white."""
    distance = np.abs(np.arange(25) - 12)
    image = np.broadcast_to(1 - np.maximum(distance - 5, 0)[:, None, None] / 10, (1, 25, 24, 3))
    hole = np.broadcast_to(distance[:, None] < 5, (1, 25, 24))
    assert_array_equal(biharmonic(image, hole)[hole], 1)


def test_biharmonic_restores_a_cubic_far_from_the_border():
    y, x = np.mgrid[:32, :32] / 32
    cubic = np.stack([0.2 + 0.5 * x - 0.3 * y, 0.3 + x**2 * y - 0.4 * y**3, 0.9 - 0.3 * x**3 - 0.2 * x * y], axis=-1)
    # scikit-image solves directly: only rounding is lost
    assert_allclose(biharmonic(cubic[None], masks.centre((32, 32), 12)[None])[0], cubic, rtol=0, atol=1e-9)
