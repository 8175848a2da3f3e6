"""Multigrid, and conjugate gradients over it, by their definitions; what they promise of any hole is in test_solver."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import _cpu, masks
from faceinpaint_fast.blend.planes import inside, zeros
from tests.blend.equations import interpolation

# csrc/blend/multigrid.cpp
LAST, ERROR = 3, 10


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


def levels_of(hole):
    """What is missing (h, w), and A (h w, h w), of each level down to a single pixel."""
    missing, k = hole, [1.0, 1.0]
    full = np.diag(five_points(np.ones_like(missing), k))
    ground = (full - np.diag(five_points(missing, k))).reshape(missing.shape)
    while True:
        yield missing, five_points(missing, k) + np.diag(np.where(missing, ground, 0).ravel())
        if missing.size == 1:
            return
        height, width = missing.shape
        ground = interpolation(height).T @ np.where(missing, ground, 0) @ interpolation(width)
        missing, k = missing[::2, ::2], [k[0] / (1 + (width == 1)), k[1] / (1 + (height == 1))]
        # no less than an edge to each known neighbour
        all_edges, edges = (np.diag(five_points(m, k)) for m in (np.ones_like(missing), missing))
        ground = np.maximum(ground, (all_edges - edges).reshape(missing.shape))


def cycle_of(levels):
    """B (h w, h w) of a cycle on these levels, none of which is so large that it is cycled twice."""
    (missing, A), *coarser = levels
    height, width = missing.shape
    y, x = np.mgrid[:height, :width]
    inverse = np.zeros(missing.size)
    inverse[missing.ravel()] = 1 / np.diag(A)[missing.ravel()]
    red, black = (np.diag(inverse * ((y + x) % 2 == colour).ravel()) for colour in (0, 1))
    one, keep = np.eye(missing.size), np.diag(missing.ravel().astype(float))

    def swept(u, *colours):
        for D in colours:
            u = u + D @ (one - A @ u)
        return u

    u = swept(np.zeros_like(A), red, black)
    if coarser:
        P = np.kron(interpolation(height), interpolation(width))
        u = u + keep @ P @ cycle_of(coarser) @ P.T @ keep @ (one - A @ u)
    return swept(u, black, red)


SMALL_HOLES = {
    f"{height}x{width} {share}": np.random.default_rng(width).random((height, width)) < share
    for height, width in ((9, 12), (8, 13), (1, 17), (16, 1), (2, 5), (5, 5), (7, 34))
    for share in (0.5, 0.9)
}


def solved(holes, f, guidance, tolerance):
    """f (planes, H, W) with the solution in it, the most cycles of a plane, and what each reached."""
    count, height, width = f.shape
    padded, v = zeros(np, count, [(height, width)] * 2, np.float64)
    inside(padded, width)[...] = f
    reached = np.full(count, np.nan)
    if guidance is not None:
        inside(v, width)[...] = guidance
    cycles = _cpu.Multigrid(holes).solve(padded, None if guidance is None else v, tolerance, reached)
    return inside(padded, width).copy(), cycles, reached


@pytest.mark.parametrize("hole", SMALL_HOLES.values(), ids=SMALL_HOLES)
def test_levels_are_what_they_are_defined_as(hole):
    found = _cpu.Multigrid(np.stack([~hole, hole])).inverse_diagonals
    for level, (missing, A) in zip(found, levels_of(hole), strict=True):
        with np.errstate(divide="ignore"):
            expected = np.where(missing, 1 / np.diag(A).reshape(missing.shape), 0)
        assert_allclose(level[1], expected, rtol=1e-6)


def cycle(hole):
    """B (missing, missing) of the compiled cycle: so large a tolerance makes its answer the last correction."""
    units = np.flatnonzero(hole)
    v = np.zeros((len(units), *hole.shape))
    v.reshape(len(units), -1)[np.arange(len(units)), units] = -1
    f, cycles, _ = solved(hole[None], np.zeros_like(v), v, 0.9999)
    assert cycles == 1
    return f.reshape(len(units), -1)[:, units]


@pytest.mark.parametrize("hole", SMALL_HOLES.values(), ids=SMALL_HOLES)
def test_a_cycle_is_symmetric_and_what_it_is_defined_as(hole):
    units = np.flatnonzero(hole)
    levels = list(levels_of(hole))
    B = cycle(hole)
    # float32
    assert_allclose(B, cycle_of(levels)[np.ix_(units, units)], atol=2e-6)
    assert_allclose(B, B.T, atol=1e-6)
    shares = np.linalg.eigvals(B @ levels[0][1][np.ix_(units, units)]).real
    assert shares.min() > 0.3
    assert shares.max() < 1.3


def by_definition(A, B, b, tolerance):
    """u with A u = b by conjugate gradients as everybody writes them, and the number of cycles."""
    u, r, p, before = np.zeros_like(b), b, np.zeros_like(b), 1.0
    enough = ERROR * tolerance * abs(B @ b).max()
    for cycles in range(1, 100):
        z = B @ r
        if np.linalg.norm(r) <= LAST * tolerance * np.linalg.norm(b) and abs(z).max() <= enough:
            return u + z, cycles
        p = z + (r @ z) / before * p
        before = r @ z
        alpha = before / (p @ A @ p)
        u, r = u + alpha * p, r - alpha * A @ p
    raise AssertionError


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-9])
@pytest.mark.parametrize("kind", ["free-form", "drop-80", "left"])
def test_conjugate_gradients_are_those_of_the_definition(kind, tolerance, rng):
    hole = masks.draw(kind, (18, 23), 3)
    units = np.flatnonzero(hole)
    levels = list(levels_of(hole))
    A, B = (matrix[np.ix_(units, units)] for matrix in (levels[0][1], cycle_of(levels)))
    v = rng.standard_normal(hole.shape)
    expected, cycles = by_definition(A, B, -v.ravel()[units], tolerance)
    f, found, reached = solved(hole[None], np.zeros((1, *hole.shape)), v[None], tolerance)
    assert found == cycles
    assert reached <= tolerance
    residual = np.linalg.norm(A @ f[0].ravel()[units] + v.ravel()[units]) / np.linalg.norm(v.ravel()[units])
    assert_allclose(reached, residual, rtol=1e-5)
    assert_allclose(f[0].ravel()[units], expected, rtol=0, atol=3 * tolerance * abs(expected).max() + 1e-12)
    assert not f[0][~hole].any()


def test_a_small_residual_of_a_large_error_is_no_solution():
    """One pixel is known, and all others have a small residual, which alone would be enough."""
    hole = np.ones((128, 128), np.bool_)
    hole[1, 2] = False
    y, x = np.mgrid[:128, :128]
    exact = np.cos(np.pi * (x + 0.5) / 128) + 0.1 * (-1.0) ** (y + x)
    exact -= exact[1, 2]
    padded = np.pad(exact, 1, mode="edge")
    v = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2] - 4 * exact
    tolerance = 1e-2
    f, _, _ = solved(hole[None], np.zeros((1, 128, 128)), v[None], tolerance)
    assert abs(f - exact).max() <= ERROR * tolerance * abs(exact).max()


def test_planes_know_nothing_of_one_another(rng):
    """Of several holes, whose missing pixels lie elsewhere, each after any other."""
    holes = np.zeros((4, 40, 70), np.bool_)
    holes[0] = rng.random((40, 70)) < 0.9
    holes[1, 3:9, 50:60] = True
    holes[3, :, :5] = True
    f, v = rng.standard_normal((2, 8, 40, 70))
    f[holes[np.arange(8) // 2]] = 0
    together, most, reached = solved(holes, f, v, 1e-6)
    counts = []
    for order in ([3, 0, 1, 2], [1, 3, 2, 0]):
        planes = [2 * hole + k for hole in order for k in (0, 1)]
        other, _, there = solved(holes[order], f[planes], v[planes], 1e-6)
        assert_array_equal(other, together[planes])
        assert_array_equal(there, reached[planes])
    for plane in range(8):
        alone, cycles, here = solved(holes[plane // 2][None], f[plane : plane + 1], v[plane : plane + 1], 1e-6)
        assert_array_equal(alone[0], together[plane])
        assert here == reached[plane]
        counts.append(cycles)
    assert most == max(counts)
    assert counts[4:6] == [0, 0]


def test_no_guidance_is_one_of_zeros(rng):
    hole = masks.free_form((50, 60), 2)[None]
    f = np.where(hole, 0, rng.random((3, 50, 60)))
    assert_array_equal(solved(hole, f, None, 1e-8)[0], solved(hole, f, np.zeros_like(f), 1e-8)[0])


def test_what_each_plane_reached_is_told(rng):
    """The first has nothing to do, the second has no solution, and the third cannot be as good as is asked for."""
    hole = masks.free_form((60, 80), 1)[None]
    f = np.where(hole, 0, rng.random((3, 60, 80)))
    f[0], f[1] = 0, np.where(hole[0], 0, np.nan)
    solution, cycles, reached = solved(hole, f, None, 1e-20)
    assert_array_equal(solution[0], f[0])
    assert reached[0] == 0
    assert not reached[1] <= 1
    assert 1e-17 < reached[2] < 1e-13
    # it is given up soon
    assert cycles < 40


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1)])
def test_nothing_known_and_nothing_missing_end(size):
    for missing in (np.zeros, np.ones):
        _, cycles, reached = solved(missing((1, *size), np.bool_), np.ones((1, *size)), None, 1e-3)
        assert cycles == 0
        assert reached == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"f": np.zeros((4, 5, 16))}, r"f: expected shape \(planes, 6, 16\)"),
        ({"f": np.zeros((3, 6, 16))}, "f: expected a multiple of 2 planes"),
        ({"guidance": np.zeros((2, 6, 16))}, "guidance: expected as many planes as f"),
        ({"reached": np.zeros(3)}, r"reached: expected shape \(4\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    solver = _cpu.Multigrid(np.stack([np.eye(4, 5, dtype=np.bool_)] * 2))
    f, guidance = np.zeros((2, 4, 6, 16))
    arguments = {"f": f, "guidance": guidance, "tolerance": 1e-3, "reached": np.zeros(4)}
    assert solver.solve(**arguments) == 0
    with pytest.raises(ValueError, match=message):
        solver.solve(**arguments | change)


def test_holes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"missing: expected shape \(holes, height, width\), none of them 0"):
        _cpu.Multigrid(np.zeros((4, 5), np.bool_))
