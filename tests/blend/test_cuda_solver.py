"""What a CUDA device does with a batch, compiled for this CPU: small images in one launch, large ones by pieces."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import PoissonSolver, TensionSolver, biharmonic_blend, masks, poisson_blend, tension_blend
from faceinpaint_fast.blend import doors, parts
from faceinpaint_fast.blend.cuda import small
from faceinpaint_fast.blend.cuda import solver as solver_module
from faceinpaint_fast.blend.equation import Limits
from tests.blend.emulation import Emulated

BLENDS = {
    "poisson": poisson_blend,
    "mixed": partial(poisson_blend, mixed=True),
    "tension": tension_blend,
    "biharmonic": biharmonic_blend,
}


@pytest.fixture
def on_a_device(emulated: Emulated, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """NumPy's arrays take the way of CuPy's; of more than 60 x 60 pixels they are cropped to their holes."""
    monkeypatch.setattr(doors, "solver_for", lambda holes, equation, _=None: solver_module.Solver(holes, equation))
    monkeypatch.setattr(small, "fits", lambda height, width: max(height, width) <= 40)
    monkeypatch.setattr(
        parts, "module_of", lambda _: SimpleNamespace(ascontiguousarray=np.ascontiguousarray, stack=np.stack)
    )
    monkeypatch.setattr(solver_module, "LIMITS", Limits(whole=60 * 60, modes=0, at_a_time=3 * 50 * 60))
    return emulated


def images_of(kind: str, rng: np.random.Generator, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, sources and holes (B, H, W): small ones, larger ones in two pieces, and ones that are cropped."""
    names = ("centre", "left", "drop-80", "free-form")
    shape = {"small": (31, 40), "whole": (50, 60), "cropped": (90, 120)}[kind]
    holes = np.stack([*(masks.draw(name, shape, 1) for name in names), np.zeros(shape, np.bool_)])
    if kind == "cropped":
        y, x = np.indices(shape)
        circle = (y - 40) ** 2 + (x - 75) ** 2 < 20**2
        # the same hole twice, and another
        holes = np.stack([circle, circle, np.roll(circle, 7, 1)])
    target, source = rng.random((2, *holes.shape, 3))
    if dtype == np.uint8:
        target, source = 255 * target, 255 * source
    return target.astype(dtype), source.astype(dtype), holes


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("kind", ["small", "whole", "cropped"])
@pytest.mark.parametrize("name", BLENDS)
def test_blends_are_those_of_the_cpu(name, kind, dtype, request, rng):
    target, source, holes = images_of(kind, rng, dtype)
    tolerance = 1e-7
    expected = BLENDS[name](target, source, holes, tolerance=tolerance)
    request.getfixturevalue("on_a_device")
    found = BLENDS[name](target, source, holes, tolerance=tolerance)
    assert found.dtype == dtype
    assert_array_equal(found[~holes], target[~holes])
    # the promise is 1e-5 of the correction at most; a byte may be rounded either way
    assert_allclose(np.float64(found), np.float64(expected), rtol=0, atol=1 if dtype == np.uint8 else 2e-5)


@pytest.mark.parametrize("kind", ["small", "whole", "cropped"])
@pytest.mark.parametrize("solver", [PoissonSolver, TensionSolver])
def test_an_image_s_bits_are_the_same_alone_again_and_elsewhere(solver, kind, on_a_device, rng):
    target, source, holes = images_of(kind, rng, np.float32)
    together = solver(holes).blend(target, source)
    on_a_device.backwards = True
    one = solver(holes[0])
    for _ in range(2):
        assert_array_equal(one.blend(target[0], source[0]), together[0])
    assert_array_equal(solver(holes[::-1]).blend(target[::-1], source[::-1])[::-1], together)


@pytest.mark.usefixtures("on_a_device")
def test_one_hole_serves_images_in_pieces(monkeypatch, rng):
    target, source, holes = images_of("whole", rng, np.float32)
    filled = []
    fill = solver_module.Levels.fill
    monkeypatch.setattr(
        solver_module.Levels, "fill", lambda self, T, *rest: filled.append(len(T)) or fill(self, T, *rest)
    )
    solver = PoissonSolver(holes[2])
    together = solver.blend(target, source)
    assert filled == [3, 2]
    assert_array_equal(solver.blend(target[4], source[4]), together[4])


@pytest.mark.usefixtures("on_a_device")
def test_what_is_followed_and_what_the_level_is(rng):
    """`solve` takes a divergence, and a level of a thousand costs no digits."""
    target, _, holes = images_of("cropped", rng, np.float64)
    image = 1000 + target[0]
    lap = np.zeros_like(image)
    for axis in (0, 1):
        steps = np.diff(image, axis=axis)
        at = (slice(None),) * axis
        lap[(*at, slice(None, -1))] += steps
        lap[(*at, slice(1, None))] -= steps
    damaged = np.where(holes[0][..., None], np.nan, image)
    assert_allclose(PoissonSolver(holes[0]).solve(lap, damaged, tolerance=1e-9), image, rtol=0, atol=1e-7)


@pytest.mark.usefixtures("on_a_device")
@pytest.mark.parametrize("kind", ["small", "whole"])
def test_a_tolerance_is_any_number(kind, rng):
    target, source, holes = images_of(kind, rng, np.float32)
    for tolerance in (np.float32(1e-5), 1):
        assert_array_equal(
            poisson_blend(target, source, holes, tolerance=tolerance),
            poisson_blend(target, source, holes, tolerance=float(tolerance)),
        )
