"""Small images in one launch, compiled for this CPU: against the reference's direct solve and what is promised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import distance_transform_edt

from faceinpaint_fast import InputError, biharmonic_blend, masks, poisson_blend, reference, tension_blend
from faceinpaint_fast._cpu import DEPTH
from faceinpaint_fast.blend.cuda import small
from faceinpaint_fast.config import TENSION

# of a block; with those that a device would get a test takes four times as long
THREADS, FEW_THREADS = small.THREADS, {32: 32, 64: 128, 128: 512}
# None: Poisson's equation; tensions with a polynomial of any degree, and without one
TENSIONS = [None, 0.0, 0.05, 0.1, 0.5, 50.0, 1e12]
each_tension = pytest.mark.parametrize("tension", TENSIONS, ids=str)


@pytest.fixture(scope="module")
def compiled(compile_for_cpu: Callable[..., Any]) -> Callable[[int], Any]:
    made: dict[tuple[int, int], Any] = {}

    def of_size(size: int) -> Any:
        key = size, small.THREADS[size]
        if key not in made:
            options = small.options(size)[1:]
            made[key] = compile_for_cpu(small.SOURCES, [*options, f"-DSHARED_BYTES={small.shared_bytes(size)}"])
        return made[key]()

    return of_size


@pytest.fixture(autouse=True)
def as_many_threads_as(
    compiled: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[int, int], bool], None]:
    """The kernel is this CPU's, for which one thread is as good as many; what is returned changes that."""
    turned = [False]

    def kernel(size: int) -> Any:
        emulation = compiled(size)
        emulation.backwards = turned[0]
        return emulation.kernel("blend_small")

    def use(threads: dict[int, int], backwards: bool) -> None:
        monkeypatch.setattr(small, "THREADS", threads)
        turned[0] = backwards

    monkeypatch.setattr(small, "kernel", kernel)
    use(FEW_THREADS, False)
    return use


def holes_of(height: int, width: int) -> np.ndarray:
    """Kinds of holes (N, H, W), easy and hard ones."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    one, wall = np.zeros((2, height, width), np.bool_)
    one[height // 2, width // 3] = wall[2:, width // 2] = True
    corner = (y == height - 1) & (x == width - 1)
    holes = [
        x < width // 2,
        (y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 3) ** 2,
        masks.free_form((height, width), 1),
        *(rng.random((height, width)) < share for share in (0.2, 0.8, 0.99)),
        one,
        ~one,
        corner,
        ~corner,
        y % 8 > 0,
        (y % 16 != 5) | (x % 16 != 3),
        (y + x) % 2 == 0,
        ~wall,
        np.zeros_like(wall),
    ]
    return np.stack([hole for hole in holes if not hole.all()])


def exact(target: Any, source: Any, hole: Any, tension: float | None) -> np.ndarray:
    if tension is None:
        return reference.poisson_blend(target, source, hole)
    if tension == 0:
        return reference.biharmonic_blend(target, source, hole)
    return reference.tension_blend(target, source, hole, tension=tension)


def plate_of(tension: float | None) -> small.Plate | None:
    return None if tension is None else small.Plate(tension, DEPTH)


def blended(target: Any, source: Any, holes: Any, tension: float | None, v: Any = None, tolerance: float = 1e-5) -> Any:
    """F, and the most cycles.  The hole holds NaN, in the image that is filled too."""
    target = target.copy()
    if target.dtype != np.uint8:
        target[np.broadcast_to(holes, target.shape[:3])] = np.nan
    out = target.copy()
    if out.dtype != np.uint8:
        out[...] = np.nan
    return out, small.blend(target, source, v, holes, plate_of(tension), tolerance, out).cycles()


def laplacian(image: Any) -> Any:
    """L of an image (H, W)."""
    beyond = np.pad(image, 1, mode="edge")
    return beyond[2:, 1:-1] + beyond[:-2, 1:-1] + beyond[1:-1, 2:] + beyond[1:-1, :-2] - 4 * image


def images(rng: np.random.Generator, holes: np.ndarray, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    target, source = rng.random((2, *holes.shape, channels))
    return target + np.linspace(0, 1, holes.shape[2])[:, None], source


# single rows and columns, odd ones, each of the kernel's sizes, the largest and one pixel less
@each_tension
@pytest.mark.parametrize(
    "size", [(1, 30), (31, 1), (2, 23), (3, 17), (8, 8), (19, 32), (33, 47), (64, 64), (97, 128)], ids=str
)
def test_is_the_reference_s(size, tension, rng):
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
def test_a_device_s_threads_find_the_same(tension, size, as_many_threads_as, rng):
    holes = masks.draw("drop-80", (size, size), 3)[None]
    target, source = images(rng, holes)
    few, _ = blended(target, source, holes, tension, tolerance=1e-10)
    as_many_threads_as(THREADS, False)
    # sums are taken in another order
    assert_allclose(blended(target, source, holes, tension, tolerance=1e-10)[0], few, rtol=0, atol=1e-8)


@pytest.mark.parametrize("tension", [None, 0.0, 0.1, 0.5, 50.0], ids=str)
def test_cycles_are_few_for_every_kind_of_hole(tension, rng):
    holes = holes_of(64, 64)
    most = {None: 9, 0.0: 50, 0.1: 24, 0.5: 16, 50.0: 10}
    assert blended(*images(rng, holes), holes, tension)[1] <= most[tension]


def residual(found: Any, target: Any, source: Any, hole: Any, tension: float | None) -> float:
    """The norm of what F leaves of its equation, by the definition, beside that of F = source in the hole."""
    squares = distance_transform_edt(hole) ** 2

    def left(offset: Any) -> float:
        if tension is not None:
            offset = laplacian(offset) - tension * offset
            if tension:
                offset += np.exp(-tension * squares / DEPTH**2) * laplacian(source)
        return float(np.linalg.norm(laplacian(offset)[hole]))

    return left(found - source) / left(np.where(hole, 0, target - source))


@pytest.mark.parametrize("tension", [None, 0.0, 0.5], ids=str)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-9])
def test_the_promised_residual_is_the_measured_one(tension, tolerance, rng):
    holes = holes_of(21, 26)[:6]
    target, source = images(rng, holes)
    out = np.empty_like(target)
    outcome = small.blend(target, source, None, holes, plate_of(tension), tolerance, out)
    outcome.cycles()
    for i, reached in enumerate(outcome._reached):
        measured = residual(*(array[i, ..., 0] for array in (out, target, source)), holes[i], tension)
        assert reached <= tolerance
        assert measured == pytest.approx(reached, rel=1e-3, abs=1e-13)


@each_tension
def test_bits_depend_on_neither_neighbours_nor_the_order_of_threads(tension, as_many_threads_as, rng):
    holes = holes_of(20, 27)[:8]
    target, source = (array.astype(np.float32) for array in images(rng, holes, 2))
    together, _ = blended(target, source, holes, tension)
    as_many_threads_as(FEW_THREADS, True)
    assert_array_equal(blended(target[::-1], source[::-1], holes[::-1].copy(), tension)[0][::-1], together)
    alone, _ = blended(target[3:4, ..., 1:], source[3:4, ..., 1:], holes[3:4], tension)
    assert_array_equal(alone, together[3:4, ..., 1:])


@pytest.mark.parametrize("tension", [None, 0.5], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_images_of_any_type_anywhere_in_memory(dtype, tension, rng):
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


def test_divergence_is_met_without_a_source(rng):
    hole = holes_of(16, 19)[3:4]
    wanted = rng.random((1, 16, 19, 2))
    v = np.stack([laplacian(wanted[0, ..., channel]) for channel in range(2)], -1)[None]
    v[:, ~hole[0]] = np.nan
    found, _ = blended(wanted, None, hole, None, v, tolerance=1e-12)
    assert_allclose(found, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
@pytest.mark.parametrize("tension", [None, 0.5], ids=str)
def test_scale_does_not_matter(tension, scale, rng):
    holes = holes_of(12, 17)[:5]
    target, source = images(rng, holes)
    found, _ = blended(scale * target, scale * source, holes, tension)
    assert_allclose(found / scale, blended(target, source, holes, tension)[0], rtol=0, atol=1e-4)


@each_tension
def test_where_nothing_is_known_the_source_comes_back(tension, rng):
    holes = np.ones((1, 12, 17), np.bool_)
    target, source = images(rng, holes)
    assert_array_equal(blended(target, source, holes, tension)[0], source)


def test_what_cannot_be_is_refused(rng):
    holes = holes_of(12, 17)[:2]
    target, source = images(rng, holes)
    with pytest.raises(ArithmeticError, match=r"expected a relative residual of 1e-30, got \d"):
        blended(target, source, holes, 0.5, tolerance=1e-30)
    source[1, 0] = -1.7e308
    target[1] = 1.7e308
    with pytest.raises(InputError, match="differences float64 can hold"):
        blended(target, source, holes, None)
    with pytest.raises(ValueError, match="at most 128 rows and columns, got 129 x 4"):
        blended(np.zeros((1, 129, 4, 1)), None, np.zeros((1, 129, 4), np.bool_), None)


@pytest.mark.parametrize("kind", ["centre", "left", "free-form", "drop-80"])
def test_agrees_with_the_blend_on_the_cpu(kind, rng):
    """On photographs' kind of images, in bytes: the same but for rounding."""
    holes = masks.draw(kind, (64, 64), 3)[None]
    y, x = np.mgrid[:64, :64]
    target = np.uint8(127 + 60 * np.sin(y / 9 + x / 13) + 30 * rng.random((64, 64)))[None, ..., None]
    source = np.uint8(120 + 60 * np.sin(y / 8 + x / 14) + 30 * rng.random((64, 64)))[None, ..., None]
    for blend, tension in ((poisson_blend, None), (biharmonic_blend, 0.0), (tension_blend, TENSION)):
        found, _ = blended(target, source, holes, tension)
        assert np.abs(np.int16(found) - blend(target, source, holes)).max() <= 1


@pytest.mark.parametrize("size", small.THREADS)
@pytest.mark.parametrize("capability", [80, 90, 100])
def test_source_compiles_for_devices_that_are_not_there(size, capability, nvrtc, as_many_threads_as):
    as_many_threads_as(THREADS, False)
    nvrtc("".join(path.read_text() for path in small.SOURCES), capability, small.options(size))
