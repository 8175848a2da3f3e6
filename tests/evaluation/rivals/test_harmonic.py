"""The harmonic fill: every pixel is the mean of its neighbours."""

from __future__ import annotations

from numpy.testing import assert_allclose

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.rivals.harmonic import harmonic
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108


def test_harmonic_pixels_are_the_mean_of_their_neighbours():
    hole = masks.centre((41, 38), 16)
    face = astronaut(CELEBA_108, 64)[10:51, 13:51] / 255
    found = harmonic(face[None], hole[None])[0]
    mean = (found[:-2, 1:-1] + found[2:, 1:-1] + found[1:-1, :-2] + found[1:-1, 2:]) / 4
    inside = hole[1:-1, 1:-1]
    # the solver stops at a relative residual of 1e-5
    assert_allclose(found[1:-1, 1:-1][inside], mean[inside], rtol=0, atol=1e-5)
