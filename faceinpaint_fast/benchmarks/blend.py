"""What blends cost beside a direct solver, algebraic multigrid and OpenCV, each on one thread.

The linear solvers are handed the hole's matrix and right-hand sides, one a channel; ours starts from the images.
OpenCV's seamlessClone gives other images: what the target holds in the hole shows through, and known pixels change.
With these pictures it is up to 80 of 255 grey levels off the direct solution in the hole and 15 outside; with smooth
ones, 16 and 14.  Ours is off by rounding alone.
A rival that is not installed has no row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu, spsolve

from faceinpaint_fast import masks, reference
from faceinpaint_fast.benchmarks.comparison import Comparison
from faceinpaint_fast.blend.doors import PoissonSolver, poisson_blend, tension_blend
from faceinpaint_fast.config import TENSION
from faceinpaint_fast.reference.poisson import laplacian

ERROR = 1e-4  # of a pixel in [0, 1]


def comparisons(device: torch.device) -> dict[str, Callable[[], Comparison]]:
    """Returns what there is to compare on the device, by name: on a CPU alone, beside the rivals that are installed."""
    if device.type != "cpu":
        return {}
    rows: dict[str, Callable[[], Comparison]] = {
        "poisson-64-centre": partial(direct, "centre", 64, 4.0),
        "poisson-64-scattered": partial(direct, "drop-80", 64, 4.0),
        "poisson-64-batch": partial(batch, 64),
        "poisson-512-direct": partial(direct, "circle", 512, 14.0),
    }
    if find_spec("pyamg"):
        rows["poisson-512-multigrid"] = partial(multigrid, 512, 9.0)
    if find_spec("cv2"):
        rows["poisson-512-clone"] = partial(seamless_clone, 512)
    rows["poisson-2048-spsolve"] = partial(direct_as_it_comes, 2048, 60.0)
    rows["poisson-2048-direct"] = partial(direct, "circle", 2048, None)
    if find_spec("pyamg"):
        rows["poisson-2048-multigrid"] = partial(multigrid, 2048, 9.0)
    if find_spec("cv2"):
        rows["poisson-2048-clone"] = partial(seamless_clone, 2048)
    rows["poisson-linearity"] = partial(linearity, 4096, 256)
    rows["tension-64-centre"] = partial(plate, "centre", 64, 2.0)
    rows["tension-64-scattered"] = partial(plate, "drop-80", 64, 3.5)
    rows["tension-512"] = partial(plate, "circle", 512, 20.0)
    return rows


# --- what is blended ---


def picture(shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    """Returns a smooth picture (H, W, 3) with noise."""
    random = np.random.default_rng(seed)
    y, x = (np.linspace(0, 1, n, dtype=np.float32)[:, None] for n in shape)
    phase, other = random.uniform(0, 2 * np.pi, (2, 3)).astype(np.float32)
    smooth = np.cos(4 * y + phase)[:, None] * np.sin(3 * x + other)
    noise = random.standard_normal((*shape, 3), np.float32)
    return np.rint(np.clip(127.5 + 75 * smooth + 12 * noise, 0, 255)).astype(np.uint8)


def unit(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns the picture in [0, 1]."""
    return np.divide(picture, 255, dtype=np.float32)


def circle(size: int, diameter: int) -> NDArray[np.bool_]:
    """Returns the hole (size, size) of a disc in the middle of a square."""
    x = np.arange(size) - (size - 1) / 2
    return np.asarray(x[:, None] ** 2 + x**2 <= (diameter / 2) ** 2)


def equations(offset: NDArray[Any], hole: NDArray[np.bool_]) -> tuple[Any, NDArray[np.float64]]:
    """Returns A (N, N) and b (N, C) of  A u = b  for the N missing pixels' u = F - source.

    offset  (H, W, C), target - source: u at the known pixels
    """
    # the sum of squares of u's differences along all edges is least: with E = (E_missing, E_known) the differences,
    # E_missing^T (E_missing u + E_known offset) = 0
    height, width = hole.shape
    down, right = (sparse.eye_array(n - 1, n, k=1) - sparse.eye_array(n - 1, n) for n in hole.shape)
    along = sparse.kron(down, sparse.eye_array(width)), sparse.kron(sparse.eye_array(height), right)
    E = sparse.vstack(along, format="csc")
    of_missing, of_known = E[:, hole.ravel()], E[:, ~hole.ravel()]
    return sparse.csc_array(of_missing.T @ of_missing), -(of_missing.T @ (of_known @ offset[~hole]))


def factors(A: Any) -> Any:
    """Returns SuperLU's factors by the fastest ordering; the default takes 1.3 to 2.7 times as long."""
    return splu(A, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})


@dataclass(frozen=True)
class BlendCase:
    """An image, what is to fill its hole, and what should come of it."""

    name: str
    target_bytes: NDArray[np.uint8]
    source_bytes: NDArray[np.uint8]
    hole: NDArray[np.bool_]

    @cached_property
    def images(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Target and source (H, W, 3) in [0, 1]."""
        return unit(self.target_bytes), unit(self.source_bytes)

    @cached_property
    def system(self) -> tuple[Any, NDArray[np.float64]]:
        """The matrix and the right-hand sides of `equations`."""
        target, source = self.images
        return equations(target.astype(np.float64) - source, self.hole)

    @cached_property
    def answer(self) -> NDArray[np.float64]:
        """The direct solution, (H, W, 3)."""
        A, b = self.system
        target, source = self.images
        F = target.astype(np.float64)
        F[self.hole] = source[self.hole] + factors(A).solve(b)
        return F

    def ours(self) -> NDArray[np.float32]:
        """Returns the images in [0, 1] blended by the engine."""
        return poisson_blend(*self.images, self.hole)

    def ours_in_bytes(self) -> NDArray[np.uint8]:
        """Returns the pictures blended by the engine."""
        return poisson_blend(self.target_bytes, self.source_bytes, self.hole)

    def check(self) -> None:
        """Asserts that the blended images are near the direct solution."""
        assert_allclose(self.ours(), self.answer, rtol=0, atol=ERROR)

    def check_bytes(self) -> None:
        """Asserts that the blended pictures are near the direct solution, rounded."""
        expected = 255 * np.clip(self.answer, 0, 1)
        assert_allclose(self.ours_in_bytes(), expected, rtol=0, atol=0.5 + 255 * ERROR)


# one at a time: the largest holds 300 MB
@lru_cache(maxsize=1)
def case(hole: str, size: int) -> BlendCase:
    """Returns the images of that size with a hole by its name: one of `masks.draw`, or circle, half as wide."""
    if hole == "circle":
        missing, name = circle(size, size // 2), f"{size}x{size}, a circle {size // 2} across"
    else:
        missing, name = masks.draw(hole, (size, size)), f"{size}x{size}, {hole}"
    return BlendCase(f"poisson_blend, {name}", picture(missing.shape, 0), picture(missing.shape, 1), missing)


# --- comparisons ---


def direct(hole: str, size: int, at_least: float | None) -> Comparison:
    """Compares Poisson's blend with a direct solver at its best."""
    this = case(hole, size)
    A, b = this.system
    return Comparison(
        what=this.name,
        rival="SciPy's splu with its fastest ordering, and solve, the matrix given",
        ours=this.ours,
        theirs=lambda: factors(A).solve(b),
        at_least=at_least,
        check=this.check,
    )


def plate(hole: str, size: int, at_least: float) -> Comparison:
    """Compares the default blend of `InpaintConfig`, a plate under tension, with a direct solver at its best."""
    this = case(hole, size)
    inside = this.hole.ravel()
    L = laplacian(size, size)
    K = sparse.csc_array((L @ L - TENSION * L)[inside][:, inside])
    b = this.images[1][this.hole].astype(np.float64)

    def check() -> None:
        expected = reference.tension_blend(*this.images, this.hole, tension=TENSION)
        assert_allclose(tension_blend(*this.images, this.hole), expected, rtol=0, atol=ERROR)

    return Comparison(
        what=this.name.replace("poisson_blend", "tension_blend"),
        rival="SciPy's splu with its fastest ordering, and solve, the matrix and a right-hand side given",
        ours=lambda: tension_blend(*this.images, this.hole),
        theirs=lambda: factors(K).solve(b),
        at_least=at_least,
        check=check,
    )


def direct_as_it_comes(size: int, at_least: float) -> Comparison:
    """Compares Poisson's blend with a direct solver as a user would call it."""
    this = case("circle", size)
    A, b = this.system
    return Comparison(
        what=this.name,
        rival="SciPy's spsolve with its default ordering, the matrix given",
        ours=this.ours,
        theirs=lambda: spsolve(A, b),
        at_least=at_least,
        check=this.check,
    )


def batch(count: int) -> Comparison:
    """Compares a batch under one hole that was set up before with a direct solver that was, too."""
    hole = masks.centre((64, 64))
    targets, sources = (unit(np.stack([picture(hole.shape, 2 * i + k) for i in range(count)])) for k in range(2))
    offset = np.moveaxis(targets.astype(np.float64) - sources, 0, -1).reshape(64, 64, -1)
    A, b = equations(offset, hole)
    solver, lu = PoissonSolver(hole), factors(A)

    def check() -> None:
        expected = targets.astype(np.float64)
        u = lu.solve(b).reshape(-1, 3, count)
        expected[:, hole] = sources[:, hole] + np.moveaxis(u, -1, 0)
        assert_allclose(solver.blend(targets, sources), expected, rtol=0, atol=ERROR)

    return Comparison(
        what=f"PoissonSolver.blend, {count} images of 64x64, centre, the hole set up before",
        rival=f"the solve of SciPy's splu for {b.shape[1]} right-hand sides, factored before",
        ours=lambda: solver.blend(targets, sources),
        theirs=lambda: lu.solve(b),
        # the aim is 1 ms a batch, which is no ratio
        at_least=None,
        check=check,
    )


def multigrid(size: int, at_least: float) -> Comparison:
    """Compares Poisson's blend with algebraic multigrid."""
    import pyamg

    this = case("circle", size)
    A, b = this.system
    rows = sparse.csr_matrix(A)

    def theirs() -> None:
        levels = pyamg.ruge_stuben_solver(rows)
        for channel in b.T:
            levels.solve(channel, tol=1e-6, accel="cg")

    return Comparison(
        what=this.name,
        rival="pyamg's ruge_stuben_solver with cg to 1e-6, the matrix given",
        ours=this.ours,
        theirs=theirs,
        at_least=at_least,
        check=this.check,
    )


def seamless_clone(size: int) -> Comparison:
    """Compares Poisson's blend with OpenCV's."""
    import cv2

    cv2.setNumThreads(torch.get_num_threads())
    this = case("circle", size)
    mask = this.hole.astype(np.uint8) * 255
    left, top, width, height = cv2.boundingRect(mask)
    where = left + width // 2, top + height // 2
    return Comparison(
        what=f"{this.name}, uint8",
        rival="OpenCV's seamlessClone, which gives another image",
        ours=this.ours_in_bytes,
        theirs=lambda: cv2.seamlessClone(this.source_bytes, this.target_bytes, mask, where, cv2.NORMAL_CLONE),
        at_least=1.0,
        check=this.check_bytes,
    )


def linearity(large: int, small: int) -> Comparison:
    """Compares the rate of a large circle, whose arrays lie in memory, with that of a small one, in a cache."""
    hole, little_hole = (circle(diameter + 2, diameter) for diameter in (large, small))
    target, source = (unit(picture(hole.shape, seed)) for seed in range(2))
    little_target, little_source = (unit(picture(little_hole.shape, seed)) for seed in range(2))

    def check() -> None:
        # x^2 - y^2 has no Laplacian: a source that differs from the target by it gives the target
        x = np.linspace(-1, 1, large + 2, dtype=np.float32)
        harmonic = (x**2 - x[:, None] ** 2)[..., None]
        assert_allclose(poisson_blend(target, target - harmonic, hole), target, rtol=0, atol=ERROR)

    return Comparison(
        what=f"missing pixels a second, a circle {large} across",
        rival=f"a circle {small} across",
        ours=lambda: poisson_blend(target, source, hole),
        theirs=lambda: poisson_blend(little_target, little_source, little_hole),
        at_least=1 / 1.5,
        work=(float(hole.sum()), float(little_hole.sum())),
        check=check,
    )
