"""Blends on a CUDA device, small images in one launch and any by many, compiled for this CPU.

Against the reference's direct solve and what is promised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import InputError, biharmonic_blend, masks, poisson_blend, tension_blend
from faceinpaint_fast.blend.cuda import large, small
from faceinpaint_fast.blend.cuda.launch import text_of
from faceinpaint_fast.config import TENSION
from tests.blend.emulation import THREADS, Emulated
from tests.blend.equations import TENSIONS, exact, holes_of, images, laplacian, operator_of, residual

each_tension = pytest.mark.parametrize("tension", TENSIONS, ids=str)
Blend = Callable[..., Any]


def by_small(target: Any, source: Any, v: Any, holes: Any, tension: float | None, tolerance: float, out: Any) -> int:
    if out.dtype != np.uint8:
        # it writes the known pixels, too
        out[...] = np.nan
    return small.blend(target, source, v, holes, operator_of(tension), tolerance, out).cycles()


def by_large(target: Any, source: Any, v: Any, holes: Any, tension: float | None, tolerance: float, out: Any) -> int:
    return large.Levels(holes, operator_of(tension)).fill(target, source, v, tolerance, out)


WAYS = {"small": by_small, "large": by_large}


@pytest.fixture(params=WAYS)
def blended(request: pytest.FixtureRequest, emulated: Emulated) -> Blend:  # noqa: ARG001 - whose kernels run
    """Of images, holes and a tension F, and the most cycles.  The hole holds NaN, in the image that is filled too."""

    def blend(target: Any, source: Any, holes: Any, tension: Any, v: Any = None, tolerance: float = 1e-5) -> Any:
        target = target.copy()
        if target.dtype != np.uint8:
            target[np.broadcast_to(holes, target.shape[:3])] = np.nan
        out = target.copy()
        return out, WAYS[request.param](target, source, v, holes, tension, tolerance, out)

    return blend


# single rows and columns, odd ones, of small images each of the kernel's sizes, the largest and one pixel less
SIZES = {
    "small": [(1, 30), (31, 1), (2, 23), (3, 17), (8, 8), (19, 32), (33, 47), (64, 64), (97, 128)],
    "large": [(1, 30), (31, 1), (3, 17), (33, 47)],
}
WAY_AND_SIZE = [(way, size) for way, sizes in SIZES.items() for size in sizes]


@each_tension
@pytest.mark.parametrize(("blended", "size"), WAY_AND_SIZE, ids=str, indirect=["blended"])
def test_is_the_reference_s(size, tension, blended, rng):
    holes = holes_of(*size)
    if max(size) > 32:
        holes = holes[[1, 4] if max(size) > 64 else [1, 4, 6, 9]]
    target, source = images(rng, holes)
    expected = np.stack([exact(*one, tension) for one in zip(target, source, holes, strict=True)])
    largest = max(abs(expected - source).max(), 1)
    found, _ = blended(target, source, holes, tension)
    assert_array_equal(found[~holes], target[~holes])
    # what is promised: ten times the tolerance for Poisson's equation, and a hundred times
    assert_allclose(found, expected, rtol=0, atol=(1e-4 if tension is None else 1e-3) * largest)
    found, _ = blended(target, source, holes, tension, tolerance=1e-10)
    # measured: 3e-9
    assert_allclose(found, expected, rtol=0, atol=1e-7 * largest)


@pytest.mark.parametrize("size", [20, 40, 70])
@pytest.mark.parametrize("tension", [None, 0.0, 0.5], ids=str)
@pytest.mark.usefixtures("emulated")
def test_a_device_s_threads_find_the_same(tension, size, monkeypatch, rng):
    """Of small images, whose tests have fewer."""
    holes = masks.draw("drop-80", (size, size), 3)[None]
    target, source = images(rng, holes)
    few, many = target.copy(), target.copy()
    by_small(target, source, None, holes, tension, 1e-10, few)
    monkeypatch.setattr(small, "THREADS", THREADS)
    by_small(target, source, None, holes, tension, 1e-10, many)
    # sums are taken in another order
    assert_allclose(many, few, rtol=0, atol=1e-8)


@pytest.mark.parametrize("tension", [None, 0.0, 0.1, 0.5, 50.0], ids=str)
def test_cycles_are_few_for_every_kind_of_hole(tension, blended, rng):
    holes = holes_of(64, 64)
    most = {None: 9, 0.0: 50, 0.1: 24, 0.5: 16, 50.0: 10}
    assert blended(*images(rng, holes), holes, tension)[1] <= most[tension]


@pytest.mark.parametrize("tension", [None, 0.0, 0.5], ids=str)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-9])
def test_the_promised_residual_is_kept(tension, tolerance, blended, rng):
    holes = holes_of(21, 26)[:6]
    target, source = images(rng, holes)
    found, _ = blended(target, source, holes, tension, tolerance=tolerance)
    for i, hole in enumerate(holes):
        # the one that is promised is beside that of the kernel, in another order
        assert residual(*(array[i, ..., 0] for array in (found, target, source)), hole, tension) <= 1.001 * tolerance


def test_a_small_residual_of_a_large_error_is_no_solution(blended):
    """One pixel is known, and all others have a small residual, which alone would be enough."""
    hole = np.ones((1, 64, 64), np.bool_)
    hole[0, 1, 2] = False
    y, x = np.mgrid[:64, :64]
    exact = np.cos(np.pi * (x + 0.5) / 64) + 0.1 * (-1.0) ** (y + x)
    exact = (exact - exact[1, 2])[None, ..., None]
    found, _ = blended(np.zeros_like(exact), None, hole, None, laplacian(exact[0, ..., 0])[None, ..., None], 1e-2)
    # ten times the tolerance
    assert_allclose(found, exact, rtol=0, atol=0.1 * abs(exact).max())


@each_tension
def test_bits_depend_on_neither_neighbours_nor_the_order_of_threads(tension, blended, emulated, rng):
    holes = holes_of(20, 27)[:8]
    target, source = (array.astype(np.float32) for array in images(rng, holes, 2))
    together, _ = blended(target, source, holes, tension)
    emulated.backwards = True
    assert_array_equal(blended(target[::-1], source[::-1], holes[::-1].copy(), tension)[0][::-1], together)
    alone, _ = blended(target[3:4, ..., 1:], source[3:4, ..., 1:], holes[3:4], tension)
    assert_array_equal(alone, together[3:4, ..., 1:])


@pytest.mark.parametrize("tension", [None, 0.5], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_images_of_any_type_anywhere_in_memory(dtype, tension, blended, rng):
    hole = holes_of(22, 31)[4:5]
    # channels first in memory, and turned around; one hole for all
    target, source = (np.moveaxis((255 * a).astype(dtype), 1, -1)[::-1] for a in rng.random((2, 3, 4, 22, 31)))
    found, _ = blended(target, source, hole, tension)
    expected = exact(target, source, np.repeat(hole, 3, 0), tension)
    assert found.dtype == dtype
    if dtype == np.uint8:
        assert_allclose(found, expected.clip(0, 255), rtol=0, atol=0.51)
        assert found.min(where=hole[..., None], initial=255) == 0
        assert found.max(where=hole[..., None], initial=0) == 255
    else:
        assert_allclose(found, expected, rtol=0, atol=0.05)
    assert_array_equal(found[:, ~hole[0]], target[:, ~hole[0]])


def test_divergence_is_met_without_a_source(blended, rng):
    hole = holes_of(16, 19)[3:4]
    wanted = rng.random((1, 16, 19, 2))
    v = np.stack([laplacian(wanted[0, ..., channel]) for channel in range(2)], -1)[None]
    v[:, ~hole[0]] = np.nan
    found, _ = blended(wanted, None, hole, None, v, tolerance=1e-12)
    assert_allclose(found, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
@pytest.mark.parametrize("tension", [None, 0.5], ids=str)
def test_scale_does_not_matter(tension, scale, blended, rng):
    holes = holes_of(12, 17)[:5]
    target, source = images(rng, holes)
    found, _ = blended(scale * target, scale * source, holes, tension)
    assert_allclose(found / scale, blended(target, source, holes, tension)[0], rtol=0, atol=1e-4)


@each_tension
def test_where_nothing_is_known_the_source_comes_back(tension, blended, rng):
    holes = np.ones((1, 12, 17), np.bool_)
    target, source = images(rng, holes)
    assert_array_equal(blended(target, source, holes, tension)[0], source)


def test_what_cannot_be_is_refused(blended, rng):
    holes = holes_of(12, 17)[:2]
    target, source = images(rng, holes)
    with pytest.raises(ArithmeticError, match=r"expected a relative residual of 1e-30, got \d"):
        blended(target, source, holes, 0.5, tolerance=1e-30)
    source[1, 0] = -1.7e308
    target[1] = 1.7e308
    with pytest.raises(InputError, match="differences float64 can hold"):
        blended(target, source, holes, None)


@pytest.mark.usefixtures("emulated")
def test_an_image_that_is_not_small_is_refused():
    large_one = np.zeros((1, 129, 4, 1))
    with pytest.raises(ValueError, match="at most 128 rows and columns, got 129 x 4"):
        by_small(large_one, None, None, np.zeros((1, 129, 4), np.bool_), None, 1e-5, large_one.copy())


@pytest.mark.parametrize("kind", ["centre", "left", "free-form", "drop-80"])
def test_agrees_with_the_blend_on_the_cpu(kind, blended, rng):
    """On photographs' kind of images, in bytes: the same but for rounding."""
    holes = masks.draw(kind, (64, 64), 3)[None]
    y, x = np.mgrid[:64, :64]
    target = np.uint8(127 + 60 * np.sin(y / 9 + x / 13) + 30 * rng.random((64, 64)))[None, ..., None]
    source = np.uint8(120 + 60 * np.sin(y / 8 + x / 14) + 30 * rng.random((64, 64)))[None, ..., None]
    for blend, tension in ((poisson_blend, None), (biharmonic_blend, 0.0), (tension_blend, TENSION)):
        found, _ = blended(target, source, holes, tension)
        assert np.abs(np.int16(found) - blend(target, source, holes)).max() <= 1


@pytest.mark.parametrize("size", THREADS)
@pytest.mark.parametrize("capability", [80, 90, 100])
def test_small_source_compiles_for_devices_that_are_not_there(size, capability, nvrtc):
    nvrtc(text_of(small.SOURCES), capability, small.options(size))


@pytest.mark.parametrize("capability", [80, 90, 100])
def test_large_source_compiles_for_devices_that_are_not_there(capability, nvrtc):
    nvrtc(text_of(large.SOURCES), capability)
