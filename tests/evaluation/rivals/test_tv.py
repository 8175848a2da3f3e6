"""Total-variation inpainting: minimisers that are known, and another solver's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.rivals.harmonic import harmonic
from faceinpaint_fast.evaluation.rivals.tv import TOLERANCE, tv
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108

DARK, LIGHT = np.array([0.1, 0.3, 0.8]), np.array([0.9, 0.5, 0.2])
# the energy is exact to a share of 1e-4: the pixels of a step to a twentieth, as moving them costs little
PIXEL = 0.05


def variation(image, smoothing=0.0):
    """The definition: over pixels, the norm of six differences, none across the last row and column."""
    down, right = np.zeros_like(image), np.zeros_like(image)
    down[:-1], right[:, :-1] = image[1:] - image[:-1], image[:, 1:] - image[:, :-1]
    return np.sqrt((down**2 + right**2).sum(axis=-1) + smoothing).sum()


def band(height, width, thick):
    """A hole of `thick` rows across the image."""
    hole = np.zeros((height, width), np.bool_)
    top = (height - thick) // 2
    hole[top : top + thick] = True
    return hole


def bar(height, width, wide):
    """A light vertical bar on a dark ground."""
    image = np.broadcast_to(DARK, (height, width, 3)).copy()
    left = (width - wide) // 2
    image[:, left : left + wide] = LIGHT
    return image


def test_a_step_goes_on_as_a_step():
    image = np.broadcast_to(np.where(np.arange(20)[:, None] < 8, DARK, LIGHT), (15, 20, 3))
    hole = band(15, 20, 5)
    found = tv(image[None], hole[None])[0]
    assert_allclose(found, image, rtol=0, atol=PIXEL)
    # and across the other axis
    turned = tv(image.transpose(1, 0, 2)[None], hole.T[None])[0]
    assert_allclose(turned, image.transpose(1, 0, 2), rtol=0, atol=PIXEL)


def test_a_constant_is_restored_exactly():
    image = np.broadcast_to(DARK, (1, 16, 17, 3))
    assert_array_equal(tv(image, masks.half((16, 17), "left")[None]), image)


def test_a_bar_is_joined_across_a_gap_that_is_narrower_than_it():
    image = bar(24, 30, 12)
    assert_allclose(tv(image[None], band(24, 30, 6)[None])[0], image, rtol=0, atol=PIXEL)


def test_a_bar_is_cut_by_a_gap_that_is_wider_than_it():
    """Two ends of 6 pixels are shorter than two sides of 12: the famous limit of the model."""
    hole = band(30, 30, 12)
    found = tv(bar(30, 30, 6)[None], hole[None])[0]
    # the ends are rounded by a pixel or two
    assert_allclose(found[11:19], np.broadcast_to(DARK, (8, 30, 3)), rtol=0, atol=PIXEL)


@pytest.mark.parametrize("name", ["centre", "free-form", "drop-80"])
def test_no_fill_beside_it_has_less_variation(name, rng):
    face, hole = astronaut(CELEBA_108, 64) / 255, masks.draw(name, (64, 64), 3)
    found = tv(face[None], hole[None])[0]
    least = variation(found)
    assert least < 0.995 * variation(harmonic(face[None], hole[None])[0])
    for size in (1e-4, 1e-3, 1e-2):
        nearby = found + np.where(hole[..., None], size * rng.standard_normal(found.shape), 0)
        assert least <= (1 + TOLERANCE) * variation(nearby)


def test_as_little_variation_as_another_solver_finds(rng):
    """L-BFGS on a smoothed variation, whose smoothing is worth less than 1e-4 of it."""
    image, hole = rng.random((9, 8, 3)), rng.random((9, 8)) < 0.6
    smoothing = 1e-9

    def energy(missing):
        u = image.copy()
        u[hole] = missing.reshape(-1, 3)
        down, right = np.zeros_like(u), np.zeros_like(u)
        down[:-1], right[:, :-1] = u[1:] - u[:-1], u[:, 1:] - u[:, :-1]
        norm = np.sqrt((down**2 + right**2).sum(axis=-1, keepdims=True) + smoothing)
        down, right = down / norm, right / norm
        gradient = -down - right
        gradient[1:] += down[:-1]
        gradient[:, 1:] += right[:, :-1]
        return norm.sum(), gradient[hole].ravel()

    start = harmonic(image[None], hole[None])[0][hole].ravel()
    options = {"maxiter": 20_000, "maxfun": 40_000, "maxcor": 50, "ftol": 1e-13, "gtol": 1e-9}
    other = minimize(energy, start, jac=True, method="L-BFGS-B", options=options)
    found = variation(tv(image[None], hole[None])[0])
    theirs = image.copy()
    theirs[hole] = other.x.reshape(-1, 3)
    assert found == pytest.approx(variation(theirs), rel=2e-4)


def test_no_new_brightness_appears():
    face, hole = astronaut(CELEBA_108, 64) / 255, masks.centre((64, 64))
    found, known = tv(face[None], hole[None])[0], face[~hole]
    assert (found[hole] >= known.min(axis=0)).all()
    assert (found[hole] <= known.max(axis=0)).all()
