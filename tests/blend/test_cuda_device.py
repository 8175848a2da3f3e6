"""Blends of large images on a CUDA device against those of the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import biharmonic_blend, masks, poisson_blend, tension_blend

BLENDS = {"poisson": poisson_blend, "tension": tension_blend, "biharmonic": biharmonic_blend}


@pytest.mark.gpu
@pytest.mark.parametrize("size", [200, 700])
@pytest.mark.parametrize("name", BLENDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_blends_on_a_device_are_the_cpu_s(dtype, name, size, rng):
    cupy = pytest.importorskip("cupy")
    holes = np.stack([masks.draw(kind, (size, size), 1) for kind in ("centre", "drop-80", "free-form")])
    target, source = ((255 * images).astype(dtype) for images in rng.random((2, 3, size, size, 3)))
    expected = BLENDS[name](target, source, holes)
    on_device = [cupy.asarray(images) for images in (target, source)]
    found = BLENDS[name](*on_device, holes)
    assert isinstance(found, cupy.ndarray)
    again = BLENDS[name](*on_device, cupy.asarray(holes))
    assert_array_equal(found.get(), again.get())
    assert_array_equal(found.get()[~holes], target[~holes])
    # both are within their promise, of corrections of up to 255
    assert_allclose(np.float64(found.get()), np.float64(expected), rtol=0, atol=1 if dtype == np.uint8 else 0.3)
