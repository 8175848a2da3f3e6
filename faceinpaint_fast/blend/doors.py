"""The doors of the blend, section 3.3: the generated content, seamless in the hole.

`poisson_blend` meets the known pixels with their values (blend/poisson.py), `biharmonic_blend` and `tension_blend` with
their slope too (blend/plate.py); a solver of a class serves any number of images with its hole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import Array, brought, device_of, expect_no_gradient, module_of, on_stream_of, to_numpy
from faceinpaint_fast.batches import ImageBatch, fitting, hole_of, partly_known, with_neighbours
from faceinpaint_fast.blend.cuda.solver import Solver as DeviceSolver
from faceinpaint_fast.blend.equation import Equation
from faceinpaint_fast.blend.gradients import divergence, gradient_fields, merge
from faceinpaint_fast.blend.plate import BIHARMONIC, under_tension
from faceinpaint_fast.blend.poisson import POISSON
from faceinpaint_fast.blend.solver import Solver
from faceinpaint_fast.checks import expect_flag, expect_positive, whole
from faceinpaint_fast.config import TENSION, InpaintConfig
from faceinpaint_fast.errors import InputError

TOLERANCE: float = _cpu.TOLERANCE  # relative residual
# what the kernels read and write; others go by way of float64
DTYPES = (np.uint8, np.float32, np.float64)
# by `config.blend`
EQUATIONS: dict[str, Callable[[InpaintConfig], Equation]] = {
    "poisson": lambda _: POISSON,
    "biharmonic": lambda _: BIHARMONIC,
    "tension": lambda config: under_tension(config.tension),
}


class _HoleSolver:
    """What blends into a hole, or a batch of them, have in common: checks, and solvers that are set up once."""

    def __init__(self, hole: Any, equation: Equation, threads: int | None) -> None:
        threads = None if threads is None else whole(threads, "threads", least=1)
        with on_stream_of(hole):
            self._hole = partly_known(hole_of(hole, on_device=True))
        self._equation, self._threads = equation, threads
        self._prepared: dict[int | None, tuple[Any, Solver | DeviceSolver]] = {}

    def _checked(self, target: Any, other: Any, name: str, tolerance: float) -> tuple[ImageBatch, ImageBatch, Any]:
        """Returns target and other as checked batches, and the holes (B, H, W) where they lie."""
        for array, what in ((target, "target"), (other, name)):
            expect_no_gradient(array, what)
        into = ImageBatch.of(target, "target", on_device=True)
        beside = ImageBatch.of(other, name, on_device=True)
        if into.pixels.shape != beside.pixels.shape:
            raise InputError(f"{name}: expected target's shape, {into.pixels.shape}, got {beside.pixels.shape}")
        if device_of(into.pixels) != device_of(beside.pixels):
            raise InputError(f"{name}: expected an array where target lies, got {type(other).__name__}")
        expect_positive(tolerance, "tolerance")
        hole, _ = self._where_lie(into.pixels)
        return into, beside, fitting(hole, into.count, *into.pixels.shape[1:3])

    def _where_lie(self, pixels: Any) -> tuple[Any, Solver | DeviceSolver]:
        """Returns the hole, and what solves in it, where the pixels lie."""
        device, hole = device_of(pixels), self._hole
        if device not in self._prepared:
            if device_of(hole) != device:
                hole = to_numpy(hole) if device is None else brought(to_numpy(hole), device)
            holes = hole if hole.ndim == 3 else hole[None]
            self._prepared[device] = hole, solver_for(holes, self._equation, self._threads)
        return self._prepared[device]

    def _blended(self, target: Any, source: Any, tolerance: float) -> Any:
        """Returns the target with what meets the equation in the hole."""
        with on_stream_of(target):
            into, out_of, holes = self._checked(target, source, "source", tolerance)
            out_of = out_of.known_where(lambda: self._read(holes), "source")
            return self._filled(into, holes, *_roles(self._equation, out_of.on_scale_of(into)), tolerance)

    def _read(self, holes: Any) -> Any:
        """Where images (B, H, W) are read: in their holes, and as far beyond as a missing pixel's equation looks."""
        read = holes
        for _ in range(self._equation.reach):
            read = with_neighbours(read)
        return read

    def _filled(self, into: ImageBatch, holes: Any, source: Any | None, guidance: Any | None, tolerance: float) -> Any:
        known = into.known_where(lambda: self._read(holes) & ~holes, "target")
        _, solver = self._where_lie(into.pixels)
        out = solved(solver, known.pixels, source, guidance, tolerance)
        if out.dtype != into.pixels.dtype or known is not into:
            out = np.where(holes[..., None], out, into.pixels).astype(into.pixels.dtype)
        return into.laid_out(out)


class PoissonSolver(_HoleSolver):
    """Step 4, and the whole blend, into one hole or a batch of them; what a hole asks for is set up once.

    hole     (H, W), for all images, or (B, H, W); missing where True, float >= 0.5, uint8 >= 128
    threads  the most that work at it, >= 1; None: torch's number, or one a core where torch is not in use

    Raises InputError for another dtype, and where nothing at all is known.
    """

    def __init__(self, hole: Any, *, threads: int | None = None) -> None:
        super().__init__(hole, POISSON, threads)

    def solve(self, divergence: Array, target: Array, *, tolerance: float = TOLERANCE) -> Array:
        """Returns F with Laplacian(F) = divergence at the missing pixels and F = target at the known ones.

        divergence  float, of target's shape and on its scale; matters at the missing pixels only
        target      images as in `poisson_blend`, which also says what comes back and what is raised
        tolerance   largest relative residual of a channel's system for F less its level, target at the first known
                    pixel beside the hole
        """
        with on_stream_of(target):
            into, v, holes = self._checked(target, divergence, "divergence", tolerance)
            v = v.known_where(lambda: holes, "divergence")
            return self._followed(into, holes, v.pixels, tolerance)

    def blend(self, target: Array, source: Array, *, mixed: bool = False, tolerance: float = TOLERANCE) -> Array:
        """Returns what `poisson_blend` into this hole does."""
        expect_flag(mixed, "mixed")
        if not mixed:
            # on every edge of the hole the merged field is the source's gradient: F - S has none to follow
            return self._blended(target, source, tolerance)
        with on_stream_of(target):
            into, out_of, holes = self._checked(target, source, "source", tolerance)

            def read() -> Any:
                return self._read(holes)

            T, S = into.known_where(read, "target"), out_of.known_where(read, "source").on_scale_of(into)
            fields = [
                merge(gradient_fields(t), gradient_fields(s), hole, mixed=True)
                for t, s, hole in zip(T.pixels.astype(np.float64), S.astype(np.float64), holes, strict=True)
            ]
            return self._followed(into, holes, np.stack([divergence(field) for field in fields]), tolerance)

    def _followed(self, into: ImageBatch, holes: Any, divergence: Any, tolerance: float) -> Any:
        """Returns the target with what has that divergence in the hole.

        A level has none.  That of a known pixel beside the hole is taken off as a source, so that the error goes with
        the contrast of what is left.
        """
        count, _, _, channels = into.pixels.shape
        beside = (self._read(holes) & ~holes).reshape(count, -1).argmax(axis=1)
        pixels = into.pixels.reshape(count, -1, channels)
        level = pixels[module_of(pixels).arange(count), beside][:, None, None]
        source = module_of(pixels).ascontiguousarray(np.broadcast_to(level, into.pixels.shape))
        return self._filled(into, holes, source, divergence, tolerance)


class BiharmonicSolver(_HoleSolver):
    """`biharmonic_blend` into one hole or a batch of them, as PoissonSolver does it."""

    def __init__(self, hole: Any, *, threads: int | None = None) -> None:
        super().__init__(hole, BIHARMONIC, threads)

    def blend(self, target: Array, source: Array, *, tolerance: float = TOLERANCE) -> Array:
        """Returns what `biharmonic_blend` into this hole does."""
        return self._blended(target, source, tolerance)


class TensionSolver(_HoleSolver):
    """`tension_blend` into one hole or a batch of them, as PoissonSolver does it."""

    def __init__(self, hole: Any, *, tension: float = TENSION, threads: int | None = None) -> None:
        expect_positive(tension, "tension")
        super().__init__(hole, under_tension(tension), threads)

    def blend(self, target: Array, source: Array, *, tolerance: float = TOLERANCE) -> Array:
        """Returns what `tension_blend` into this hole does."""
        return self._blended(target, source, tolerance)


def poisson_blend(
    target: Array, source: Array, hole: Any, *, mixed: bool = False, tolerance: float = TOLERANCE
) -> Array:
    """Fill the hole of `target` with the content of `source`, made seamless; section 3.3 of Qiang et al. 2019.

    target, source  images of one shape, float (any range) or uint8 (as 0 to 1), any number of channels; NumPy or CuPy
                    (H, W, C) or (B, H, W, C), torch (C, H, W) or (B, C, H, W)
    hole            (H, W), for all images, or (B, H, W); missing where True, float >= 0.5, uint8 >= 128
    mixed           in the hole follow the larger of both gradients (Perez et al. 2003, Eq. 12), not the source's alone
                    (Eq. 11); then, and only then, what target holds in the hole matters
    tolerance       largest relative residual of a channel's linear system, in float64; the largest error of a pixel is
                    held to ten times that share of the correction (docs/poisson.md)

    Returns an array of target's kind, shape and dtype.  Known pixels come back bit for bit; what the hole contains
    does not matter.  uint8 results are rounded and clipped, float ones are as the equation has them.  Raises
    InputError for shapes that do not fit, a NaN or Inf that an equation reads, an image of which nothing is known, and
    a tensor that wants a gradient, which would be lost; ArithmeticError where `tolerance` is beyond what float64 can
    reach.
    """
    return PoissonSolver(hole).blend(target, source, mixed=mixed, tolerance=tolerance)


def biharmonic_blend(target: Array, source: Array, hole: Any, *, tolerance: float = TOLERANCE) -> Array:
    """Fill the hole of `target` with the content of `source`, brought to the known pixels' values and slopes.

    F = source + u, where u = target - source at the known pixels and has the least sum of (L u)^2 over all pixels, L
    being the Laplacian of the image's 4-neighbour grid:  (L L u)_p = 0  at the missing pixels p (Damelin and Hoang
    2018, "On surface completion and image inpainting by biharmonic functions").  The offset goes on into the hole with
    its slope, where `poisson_blend` has a kink; cubics are followed exactly, away from the image's border.  In return F
    may overshoot the known pixels' range.

    target, source, hole
               as in `poisson_blend`
    tolerance  largest relative residual of a channel's linear system, in float64; the largest error of a pixel is held
               to a hundred times that share of the correction

    What comes back and what is raised is as with `poisson_blend`.
    """
    return BiharmonicSolver(hole).blend(target, source, tolerance=tolerance)


def tension_blend(
    target: Array, source: Array, hole: Any, *, tension: float = TENSION, tolerance: float = TOLERANCE
) -> Array:
    """Fill the hole of `target` as a thin plate that is pulled to the slopes of `source` (Franke 1985).

    F = target at the known pixels and has the least sum of (L F - c L source)^2 over all pixels and of tension (slope
    of F - slope of source)^2 over all edges, L being the Laplacian of the image's 4-neighbour grid, a slope the
    difference of an edge's pixels, and c = 1 - exp(-tension (d / 3)^2) at d pixels from the nearest known one.  Within
    about 1 / sqrt(tension) pixels of known ones F goes on with their values and slopes, whatever the source has there;
    three times as far away it is the source, shifted smoothly.  Where known pixels lie close together that is
    biharmonic interpolation, deep in a hole Poisson blending.

    target, source, hole, tolerance
             as in `biharmonic_blend`
    tension  > 0; the larger, the closer to `poisson_blend`

    What comes back and what is raised is as with `poisson_blend`.
    """
    return TensionSolver(hole, tension=tension).blend(target, source, tolerance=tolerance)


def equation_of(config: InpaintConfig) -> Equation | None:
    """Returns what F has to meet by the config's blend; None where T is stitched in as it is.

    Raises InputError for a blend that the config knows and nobody has written.
    """
    if config.blend == "none":
        return None
    if config.blend not in EQUATIONS:
        raise InputError(f"blend: expected one that is written, {', '.join(EQUATIONS)}, got {config.blend!r}")
    return EQUATIONS[config.blend](config)


def blended(
    target: NDArray[Any], source: NDArray[Any], holes: NDArray[np.bool_], equation: Equation | None
) -> NDArray[Any]:
    """Returns images (B, H, W, C) that were checked, blended into holes (B, H, W), where they lie; see `equation_of`.

    Without an equation T is stitched in as it is.
    """
    if equation is None:
        return np.where(holes[..., None], source, target)
    return solved(solver_for(holes, equation), target, *_roles(equation, source), TOLERANCE)


def solver_for(holes: Any, equation: Equation, threads: int | None = None) -> Solver | DeviceSolver:
    """Returns what solves an equation on holes (N, H, W) where they lie; threads as `Solver` has them, on the CPU."""
    return Solver(holes, equation, threads=threads) if module_of(holes) is np else DeviceSolver(holes, equation)


def _roles(equation: Equation, source: Any) -> tuple[Any | None, Any | None]:
    """Returns what of the source is taken off the target, and what is followed: one of them is the source."""
    return (None, source) if equation.guided else (source, None)


def solved(
    solver: Solver | DeviceSolver, target: Any, source: Any | None, guidance: Any | None, tolerance: float
) -> Any:
    """Returns F of images (B, H, W, C) in the dtype of `target`, or float64 where that is none of DTYPES."""
    target = _readable(target)
    out = target.copy(order="K")
    solver.solve(target, _readable(source), _readable(guidance), tolerance, out)
    return out


def _readable(images: Any) -> Any:
    """Returns the images as the kernels read them: copies of other dtypes, and of what lies askew in memory."""
    if images is None:
        return None
    if images.dtype not in DTYPES:
        return images.astype(np.float64)
    # records of other sizes than their numbers', frames behind a byte
    return np.require(images, requirements="A") if module_of(images) is np else images
