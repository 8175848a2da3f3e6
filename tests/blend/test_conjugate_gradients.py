"""The multigrid under conjugate gradients: its levels and its cycle by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceinpaint_fast import _cpu
from faceinpaint_fast.blend.planes import inside, zeros


def interpolation(n):
    """From the even ones of n points to all: (n, ceil(n / 2)); what lies beyond the last has its value."""
    fine, coarse = np.arange(n)[:, None], 2 * np.arange((n + 1) // 2)
    P = np.maximum(0, 1 - abs(fine - coarse) / 2)
    return P / P.sum(axis=1, keepdims=True)


def five_points(missing, k):
    """(H W, H W): the graph Laplacian on the missing pixels, conductance k[0] down columns and k[1] along rows."""
    number = np.arange(missing.size).reshape(missing.shape)
    L = np.zeros((missing.size, missing.size))
    for axis in (0, 1):
        for p, q in zip(*(np.delete(number, end, axis).ravel() for end in (-1, 0)), strict=True):
            if missing.flat[p] and missing.flat[q]:
                L[[p, q], [p, q]] += k[axis]
                L[[p, q], [q, p]] -= k[axis]
    return L


SMALL_HOLES = {
    f"{height}x{width} {share}": np.random.default_rng(width).random((height, width)) < share
    for height, width in ((9, 12), (8, 13), (1, 17), (16, 1), (2, 5), (5, 5))
    for share in (0.5, 0.9)
}


@pytest.mark.parametrize("hole", SMALL_HOLES.values(), ids=SMALL_HOLES)
def test_levels_are_what_they_are_defined_as(hole):
    missing, k = hole, [1.0, 1.0]
    full = five_points(np.ones_like(missing), k)
    ground = np.diag(full).reshape(hole.shape) - np.diag(five_points(missing, k)).reshape(hole.shape)
    for level in _cpu.levels(hole[None]):
        height, width = missing.shape
        assert (level.height, level.width) == (height, width)
        diagonal = np.diag(five_points(missing, k)).reshape(missing.shape) + ground
        expected = np.zeros_like(level.inverse_diagonal[0])
        expected[1:-1, :width][missing] = 1 / diagonal[missing]
        assert_allclose(level.inverse_diagonal[0], expected, rtol=1e-6)
        ground = interpolation(height).T @ np.where(missing, ground, 0) @ interpolation(width)
        missing, k = missing[::2, ::2], [k[0] / (1 + (width == 1)), k[1] / (1 + (height == 1))]
        # no less than an edge to each known neighbour
        all_edges, edges = (np.diag(five_points(m, k)) for m in (np.ones_like(missing), missing))
        ground = np.maximum(ground, (all_edges - edges).reshape(missing.shape))
    assert (height, width) == (1, 1)


@pytest.mark.parametrize("hole", SMALL_HOLES.values(), ids=SMALL_HOLES)
def test_a_cycle_is_symmetric_and_close_to_the_inverse(hole):
    width = hole.shape[1]
    levels = _cpu.levels(hole[None])
    units = np.flatnonzero(hole)
    r, z, *coarse = zeros(np, len(units), [(a.height, a.width) for a in (levels[0], *levels, *levels[1:])], np.float32)
    b, u = coarse[: len(levels) - 1], coarse[len(levels) - 1 :]
    inside(r, width)[np.arange(len(units)), *np.divmod(units, width)] = 1
    sums = np.zeros(len(units)), np.zeros(len(units)), np.zeros(len(units), np.float32)
    levels[0].restrict(r, levels[1], b[0])
    _cpu.solve_coarse(levels[1:], b, u)
    levels[0].correct(r, levels[1], u[0], z, *sums)
    B = inside(z, width).reshape(len(units), -1)[:, units].astype(float)
    full = five_points(np.ones_like(hole), (1, 1))
    A = full[np.ix_(units, units)]
    # float32
    assert_allclose(B, B.T, atol=1e-6)
    assert_allclose(sums[0], np.diag(B), rtol=1e-5)
    assert_allclose(sums[1], np.einsum("ij,jk,ik->i", B, A, B), rtol=1e-4)
    assert_allclose(sums[2], abs(B).max(axis=1), rtol=1e-6)
    shares = np.linalg.eigvals(B @ A).real
    assert shares.min() > 0.3
    assert shares.max() < 1.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": np.zeros((2, 5, 16), np.float32)}, r"b: expected shape \(planes, 6, 16\)"),
        ({"coarse_b": np.zeros((1, 4, 16), np.float32)}, "coarse_b: expected 2 planes"),
        (
            {"coarse": _cpu.levels(np.ones((1, 4, 5), np.bool_))[0]},
            "coarse_b: expected shape|coarse: expected the next",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    fine, coarse, *_ = _cpu.levels(np.eye(4, 5, dtype=np.bool_)[None])
    arguments = {
        "b": np.zeros((2, 6, 16), np.float32),
        "coarse": coarse,
        "coarse_b": np.zeros((2, 4, 16), np.float32),
    } | change
    with pytest.raises(ValueError, match=message):
        fine.restrict(**arguments)
