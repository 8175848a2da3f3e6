"""Section 3.3: the discrete equation at every missing pixel, and problems whose solution is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast.reference import poisson_blend
from faceinpaint_fast.reference.poisson import divergence, gradient, merge

# a direct solve in float64 of matrices whose condition is some 10^3 at most
ROUNDING = 1e-11


def neighbours(p: tuple[int, int], shape: tuple[int, ...]) -> list[tuple[int, int]]:
    around = [(p[0] - 1, p[1]), (p[0] + 1, p[1]), (p[0], p[1] - 1), (p[0], p[1] + 1)]
    return [q for q in around if 0 <= q[0] < shape[0] and 0 <= q[1] < shape[1]]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(17, 23, 3), (1, 40, 1), (40, 1, 2), (2, 2, 3), (6, 5, 4)], ids=str)
def test_the_equation_holds_at_every_missing_pixel(
    shape: tuple[int, ...], share: float, rng: np.random.Generator
) -> None:
    target, source = rng.random((2, *shape))
    hole = rng.random(shape[:2]) < share
    # at least one of each kind, and one of them in a corner
    hole[0, 0], hole[-1, -1] = True, False
    f = poisson_blend(target, source, hole)
    for p in zip(*np.nonzero(hole), strict=True):
        residual = sum((f[q] - f[p]) - (source[q] - source[p]) for q in neighbours(p, shape))
        assert_allclose(residual, 0, atol=ROUNDING)


def test_between_two_known_ends_a_flat_source_becomes_a_ramp() -> None:
    target = np.zeros((4, 11, 1))
    target[:, 0], target[:, -1] = 0.2, 0.8
    hole = np.zeros((4, 11), bool)
    hole[:, 1:-1] = True
    expected = np.tile(np.linspace(0.2, 0.8, 11)[:, None], (4, 1, 1))
    for by_axis in (lambda a: a, lambda a: a.swapaxes(0, 1)):
        f = poisson_blend(by_axis(target), np.full_like(by_axis(target), 0.6), by_axis(hole))
        assert_allclose(f, by_axis(expected), atol=ROUNDING)


def test_an_offset_of_the_source_vanishes(rng: np.random.Generator) -> None:
    target = rng.random((12, 9, 3))
    hole = rng.random((12, 9)) < 0.6
    assert_allclose(poisson_blend(target, target + np.array([0.3, -0.2, 7.0]), hole), target, atol=ROUNDING)


@pytest.mark.parametrize("p", [(3, 3), (0, 3), (3, 5), (0, 0), (6, 5)], ids=["inside", "top", "right", "corner", "end"])
def test_one_missing_pixel_by_hand(p: tuple[int, int], rng: np.random.Generator) -> None:
    target, source = rng.random((2, 7, 6, 3))
    hole = np.zeros((7, 6), bool)
    hole[p] = True
    expected = np.mean([target[q] + source[p] - source[q] for q in neighbours(p, hole.shape)], axis=0)
    assert_allclose(poisson_blend(target, source, hole)[p], expected, atol=ROUNDING)


def test_one_known_pixel_fixes_the_offset(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 8, 9, 3))
    hole = np.ones((8, 9), bool)
    hole[2, 6] = False
    assert_allclose(poisson_blend(target, source, hole), source + target[2, 6] - source[2, 6], atol=ROUNDING)


@pytest.mark.parametrize("content", [0.0, 1.0, "noise", np.nan, np.inf], ids=str)
def test_what_the_hole_contains_does_not_matter(content: float | str, rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 3))
    hole = rng.random((12, 9)) < 0.6
    other = target.copy()
    other[hole] = rng.random((hole.sum(), 3)) if content == "noise" else content
    assert_array_equal(poisson_blend(other, source, hole), poisson_blend(target, source, hole))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_known_pixels_come_back_bit_for_bit(dtype: type, rng: np.random.Generator) -> None:
    target = rng.random((12, 9, 3)).astype(dtype)
    before = target.copy()
    hole = rng.random((12, 9)) < 0.6
    f = poisson_blend(target, rng.random((12, 9, 3)), hole)
    assert_array_equal(f[~hole], target[~hole])
    assert (f[hole] != target[hole]).all()
    assert_array_equal(target, before)


def test_an_empty_hole_gives_the_target_back(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 12, 9, 3))
    assert_array_equal(poisson_blend(target, source, np.zeros((12, 9), bool)), target)


@pytest.mark.parametrize("shape", [(5, 6, 3), (2, 5, 6, 3)], ids=["image", "batch"])
def test_an_image_without_a_known_pixel_is_refused(shape: tuple[int, ...]) -> None:
    hole = np.zeros(shape[:-1], bool)
    hole[..., :, :] = True
    with pytest.raises(ValueError, match="at least one known pixel"):
        poisson_blend(np.zeros(shape), np.zeros(shape), hole)


def test_images_of_a_batch_stand_alone(rng: np.random.Generator) -> None:
    target, source = rng.random((2, 3, 8, 7, 3))
    holes = rng.random((3, 8, 7)) < 0.5
    each = [poisson_blend(target[i], source[i], holes[i]) for i in range(3)]
    assert_array_equal(poisson_blend(target, source, holes), each)
    shared = [poisson_blend(target[i], source[i], holes[0]) for i in range(3)]
    assert_array_equal(poisson_blend(target, source, holes[0]), shared)


def test_the_first_three_steps_by_hand() -> None:
    image = np.array([[1.0, 2.0, 4.0], [7.0, 11.0, 16.0]])[..., None]
    down, along = gradient(image)
    assert_array_equal(down[..., 0], [[6, 9, 12]])
    assert_array_equal(along[..., 0], [[1, 2], [4, 5]])
    assert_array_equal(divergence((down, along))[..., 0], [[7, 10, 10], [-2, -8, -17]])
    missing = np.array([[True, False, False], [False, False, False]])
    merged = merge((down, along), (-down, -along), missing)
    assert_array_equal(merged[0][..., 0], [[-6, 9, 12]])
    assert_array_equal(merged[1][..., 0], [[-1, 2], [4, 5]])
