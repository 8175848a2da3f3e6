"""A thin plate under tension: the equation at every missing pixel, the least energy, and its two limits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast.reference import biharmonic_blend, poisson_blend, tension_blend

# a direct solve in float64 of matrices whose condition is some 10^5 at most
ROUNDING = 1e-10


def laplacian(u: np.ndarray) -> np.ndarray:
    """Of (H, W, C), by flows along the edges."""
    out = np.zeros_like(u)
    down, right = np.diff(u, axis=0), np.diff(u, axis=1)
    out[:-1] += down
    out[1:] -= down
    out[:, :-1] += right
    out[:, 1:] -= right
    return out


def trust(hole: np.ndarray, tension: float) -> np.ndarray:
    """c, (H, W, 1), by looking at every known pixel."""
    places, known = np.indices(hole.shape).reshape(2, -1).T, np.argwhere(~hole)
    squares = ((places[:, None] - known) ** 2).sum(axis=-1).min(axis=1)
    return (1 - np.exp(-tension * squares / 9)).reshape(*hole.shape, 1)


@pytest.mark.parametrize("tension", [0.1, 0.5, 20.0])
@pytest.mark.parametrize("shape", [(17, 23, 3), (1, 40, 1), (40, 1, 2), (2, 2, 3), (6, 5, 4)], ids=str)
def test_the_equation_holds_at_every_missing_pixel(
    shape: tuple[int, ...], tension: float, rng: np.random.Generator
) -> None:
    target, source = rng.random((2, *shape))
    hole = rng.random(shape[:2]) < 0.7
    hole[0, 0], hole[-1, -1] = True, False
    F = tension_blend(target, source, hole, tension=tension)
    g = laplacian(F) - trust(hole, tension) * laplacian(source) - tension * (F - source)
    assert_allclose(laplacian(g)[hole], 0, atol=ROUNDING * max(1, tension))
    assert_array_equal(F[~hole], target[~hole])


def test_no_other_fill_has_less_energy(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 1))
    hole = rng.random((12, 9)) < 0.7

    def energy(F: np.ndarray) -> float:
        bends = laplacian(F) - trust(hole, 0.5) * laplacian(source)
        slopes = [np.diff(F - source, axis=axis) for axis in (0, 1)]
        return (bends**2).sum() + 0.5 * sum((slope**2).sum() for slope in slopes)

    F = tension_blend(target, source, hole, tension=0.5)
    for _ in range(10):
        assert energy(F + 1e-3 * rng.standard_normal(F.shape) * hole[..., None]) > energy(F)


def test_its_limits(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 1))
    hole = rng.random((12, 9)) < 0.5
    loose, tight = (tension_blend(target, source, hole, tension=tension) for tension in (1e-9, 1e7))
    assert_allclose(loose, biharmonic_blend(target, np.zeros_like(source), hole), atol=1e-6)
    assert_allclose(tight, poisson_blend(target, source, hole), atol=1e-5)


def test_a_batch_is_its_images(rng: np.random.Generator) -> None:
    targets, sources = rng.random((2, 3, 8, 9, 2))
    holes = rng.random((3, 8, 9)) < 0.5
    batch = tension_blend(targets, sources, holes, tension=0.5)
    for one, target, source, hole in zip(batch, targets, sources, holes, strict=True):
        target[hole] = np.nan
        assert_array_equal(one, tension_blend(target, source, hole, tension=0.5))


def test_nothing_missing_and_nothing_known(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 8, 9, 2))
    assert_array_equal(tension_blend(target, source, np.zeros((8, 9), bool), tension=0.5), target)
    with pytest.raises(ValueError, match="at least one known pixel"):
        tension_blend(target, source, np.ones((8, 9), bool), tension=0.5)
