"""Biharmonic blending and a plate under tension: the equation at every missing pixel, the least energy, scikit-image's
fill, and fills known in closed form.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.restoration import inpaint_biharmonic

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


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(17, 23, 3), (1, 40, 1), (40, 1, 2), (2, 2, 3), (6, 5, 4)], ids=str)
def test_the_equation_holds_at_every_missing_pixel(
    shape: tuple[int, ...], share: float, rng: np.random.Generator
) -> None:
    target, source = rng.random((2, *shape))
    hole = rng.random(shape[:2]) < share
    hole[0, 0], hole[-1, -1] = True, False
    f = biharmonic_blend(target, source, hole)
    assert_allclose(laplacian(laplacian(f - source))[hole], 0, atol=ROUNDING)
    assert_array_equal(f[~hole], target[~hole])


def test_no_other_fill_has_less_curvature(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 1))
    hole = rng.random((12, 9)) < 0.5
    u = biharmonic_blend(target, source, hole) - source
    least = (laplacian(u) ** 2).sum()
    for _ in range(10):
        assert (laplacian(u + 1e-3 * rng.standard_normal(u.shape) * hole[..., None]) ** 2).sum() > least


@pytest.mark.parametrize("fraction", [0.3, 1.0])
def test_away_from_the_border_it_is_scikit_image_s(fraction: float, rng: np.random.Generator) -> None:
    y, x = np.mgrid[:24, :30]
    image = (0.5 + 0.1 * np.sin(x / 5) * np.cos(y / 7))[..., None] + 0.02 * rng.random((24, 30, 3))
    # scikit-image clips to the range of the known pixels
    image[0, 0], image[-1, -1] = -9, 9
    hole = np.zeros((24, 30), bool)
    hole[5:-5, 6:-7] = rng.random((14, 17)) < fraction
    expected = inpaint_biharmonic(image, hole, channel_axis=-1)
    assert_allclose(biharmonic_blend(image, np.zeros_like(image), hole), expected, atol=ROUNDING)


def test_cubics_go_on_as_they_are() -> None:
    y, x = np.mgrid[-1:1:15j, -1:1:18j]
    target = np.stack([1 + x - 2 * y, x**2 + y**2, x**3 - 2 * x * y**2 + y], axis=-1)
    hole = np.zeros((15, 18), bool)
    hole[2:-2, 2:-2] = True
    assert_allclose(biharmonic_blend(target, np.zeros_like(target), hole), target, atol=ROUNDING)


def test_one_known_pixel_fixes_the_offset(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 8, 9, 3))
    hole = np.ones((8, 9), bool)
    hole[2, 6] = False
    f = biharmonic_blend(target, source, hole)
    assert_allclose(f, source + target[2, 6] - source[2, 6], atol=ROUNDING)


@pytest.mark.parametrize("content", [1.0, np.nan, np.inf], ids=str)
def test_what_the_hole_contains_does_not_matter(content: float, rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 3))
    hole = rng.random((12, 9)) < 0.6
    other = target.copy()
    other[hole] = content
    assert_array_equal(biharmonic_blend(other, source, hole), biharmonic_blend(target, source, hole))


def test_an_empty_hole_gives_the_target_back(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 3))
    assert_array_equal(biharmonic_blend(target, source, np.zeros((12, 9), bool)), target)


def test_an_image_without_a_known_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one known pixel"):
        biharmonic_blend(np.zeros((5, 6, 3)), np.zeros((5, 6, 3)), np.ones((5, 6), bool))


def test_images_of_a_batch_stand_alone(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 3, 8, 7, 3))
    holes = rng.random((3, 8, 7)) < 0.5
    each = [biharmonic_blend(target[i], source[i], holes[i]) for i in range(3)]
    assert_array_equal(biharmonic_blend(target, source, holes), each)


def trust(hole: np.ndarray, tension: float) -> np.ndarray:
    """c, (H, W, 1), by looking at every known pixel."""
    places, known = np.indices(hole.shape).reshape(2, -1).T, np.argwhere(~hole)
    squares = ((places[:, None] - known) ** 2).sum(axis=-1).min(axis=1)
    return (1 - np.exp(-tension * squares / 9)).reshape(*hole.shape, 1)


@pytest.mark.parametrize("tension", [0.1, 0.5, 20.0])
@pytest.mark.parametrize("shape", [(17, 23, 3), (1, 40, 1), (40, 1, 2), (2, 2, 3), (6, 5, 4)], ids=str)
def test_the_equation_of_a_plate_holds_at_every_missing_pixel(
    shape: tuple[int, ...], tension: float, rng: np.random.Generator
) -> None:
    target, source = rng.random((2, *shape))
    hole = rng.random(shape[:2]) < 0.7
    hole[0, 0], hole[-1, -1] = True, False
    F = tension_blend(target, source, hole, tension=tension)
    g = laplacian(F) - trust(hole, tension) * laplacian(source) - tension * (F - source)
    assert_allclose(laplacian(g)[hole], 0, atol=ROUNDING * max(1, tension))
    assert_array_equal(F[~hole], target[~hole])


def test_no_other_plate_has_less_energy(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 1))
    hole = rng.random((12, 9)) < 0.7

    def energy(F: np.ndarray) -> float:
        bends = laplacian(F) - trust(hole, 0.5) * laplacian(source)
        slopes = [np.diff(F - source, axis=axis) for axis in (0, 1)]
        return (bends**2).sum() + 0.5 * sum((slope**2).sum() for slope in slopes)

    F = tension_blend(target, source, hole, tension=0.5)
    for _ in range(10):
        assert energy(F + 1e-3 * rng.standard_normal(F.shape) * hole[..., None]) > energy(F)


def test_the_limits_of_tension(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 1))
    hole = rng.random((12, 9)) < 0.5
    loose, tight = (tension_blend(target, source, hole, tension=tension) for tension in (1e-9, 1e7))
    assert_allclose(loose, biharmonic_blend(target, np.zeros_like(source), hole), atol=1e-6)
    assert_allclose(tight, poisson_blend(target, source, hole), atol=1e-5)


def test_a_batch_of_plates_is_its_images(rng: np.random.Generator) -> None:
    targets, sources = rng.random((2, 3, 8, 9, 2))
    holes = rng.random((3, 8, 9)) < 0.5
    batch = tension_blend(targets, sources, holes, tension=0.5)
    for one, target, source, hole in zip(batch, targets, sources, holes, strict=True):
        target[hole] = np.nan
        assert_array_equal(one, tension_blend(target, source, hole, tension=0.5))


def test_plates_with_nothing_missing_and_nothing_known(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 8, 9, 2))
    assert_array_equal(tension_blend(target, source, np.zeros((8, 9), bool), tension=0.5), target)
    with pytest.raises(ValueError, match="at least one known pixel"):
        tension_blend(target, source, np.ones((8, 9), bool), tension=0.5)
