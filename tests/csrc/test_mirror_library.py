"""The other half of a face by the C library, beside the package's own door."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceinpaint_fast._cpu import Halves

MIRRORED, NO_FACE, HIDDEN = range(3)
DRAWN, AXIS = Halves.FINE * (Halves.SIZE + 2 * Halves.PAD), 31.5
POINTS = np.array([[20.0, 24], [43, 24], [31.5, 36], [23, 48], [40, 48]])


def asked(scale=1.5):
    """A face that is even but for noise, a hole in one half, and where it lies in a photograph of noise."""
    rng = np.random.default_rng(0)
    face = rng.random((DRAWN, DRAWN, 3), np.float32)
    face = (face + face[:, ::-1] + 0.1 * rng.random(face.shape, np.float32)) / 2.1
    lost = np.zeros((DRAWN, DRAWN), np.float32)
    lost[70:90, 50:70] = 1
    height, width = round(80 * scale), round(90 * scale)
    restored = rng.random((height, width, 3), np.float32)
    hole = np.zeros((height, width), bool)
    hole[round(30 * scale) : round(42 * scale), round(20 * scale) : round(33 * scale)] = True
    return face, lost, restored, hole, np.array([[1 / scale, 0.05, -13], [-0.05, 1 / scale, -5]])


@pytest.fixture(scope="module")
def mirror(blend_library):
    """Calls the shared object: what it comes to, its source (H, W, 3) and worth (3)."""
    function = ctypes.CDLL(str(blend_library / "libfaceinpaint_blend.so")).faceinpaint_mirror
    of = {name: np.ctypeslib.ndpointer(dtype, flags="C") for name, dtype in zip("fbd", ["f4", "u1", "f8"], strict=True)}
    numbers = [ctypes.c_int, ctypes.c_int, of["d"], of["d"], ctypes.c_double, ctypes.c_double, of["f"], of["d"]]
    function.argtypes = [of["f"], of["f"], of["f"], of["b"], of["b"], *numbers]

    def mirror(face, lost, restored, hole, frame, least=0.1):
        planes = [np.ascontiguousarray(image.transpose(2, 0, 1)) for image in (face, restored)]
        source, worth = np.full_like(planes[1], 7), np.full(3, 7.0)
        where = [np.uint8(hole)] * 2
        outcome = function(planes[0], lost, planes[1], *where, *hole.shape, frame, POINTS, AXIS, least, source, worth)
        return outcome, source.transpose(1, 2, 0), worth

    return mirror


def test_it_is_the_package_s(mirror):
    face, lost, restored, hole, frame = asked()
    outcome, source, worth = mirror(face, lost, restored, hole, frame)
    assert outcome == MIRRORED
    halves = Halves(face, lost, frame, *hole.shape, AXIS)
    found = halves.registered(POINTS, 0.1)
    expected, trust = np.empty_like(restored), np.empty(hole.shape, np.float32)
    cover = halves.make_source(found, restored, hole, hole, frame, expected, trust)
    # compiled for another processor, it rounds otherwise
    assert_allclose(worth, [cover, found.ring, found.yaw], atol=1e-4)
    apart = np.abs(source - expected)
    assert np.quantile(apart, 0.999) < 1e-3
    assert np.abs(source - restored)[hole].mean() > 0.01
    assert worth[0] > 0.1


def test_what_cannot_be_mirrored_is_told_and_nothing_is_written(mirror):
    face, lost, restored, hole, frame = asked()
    covered = np.maximum(lost, lost[:, ::-1])
    for arguments, told in {
        "none": ((face, lost, restored[:0], hole[:0], frame), NO_FACE),
        "no similarity": ((face, lost, restored, hole, 0 * frame), NO_FACE),
        "no number": ((face, lost, restored, hole, np.nan * frame), NO_FACE),
        "hidden": ((face, covered, restored, hole, frame), HIDDEN),
    }.values():
        outcome, source, worth = mirror(*arguments)
        assert outcome == told
        assert (source == 7).all()
        assert (worth == 7).all()
