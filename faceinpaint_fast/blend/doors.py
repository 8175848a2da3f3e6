"""Poisson blending, section 3.3 (Perez et al. 2003): the generated content, seamless in the hole.

Four steps: the gradient fields of I and T; merged by the mask, T's inside the hole; the divergence v of the merged
field; the Poisson equation  Laplacian(F) = v  solved for the missing pixels, with the known ones as boundary.

`biharmonic_blend` and `tension_blend` meet the known pixels with their slope too, not with their values alone.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import Array, device_of, module_of, on_stream_of, to_numpy
from faceinpaint_fast.batches import ImageBatch, check_finite, fitting, partly_known
from faceinpaint_fast.blend.cuda import small
from faceinpaint_fast.blend.plate import BIHARMONIC, DEPTH, under_tension
from faceinpaint_fast.blend.solver import POISSON, Equation, Solver
from faceinpaint_fast.config import TENSION, InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.masks import as_hole

TOLERANCE = 1e-5  # relative residual
# what the solver reads and writes; others go by way of float64
DTYPES = (np.uint8, np.float32, np.float64)


class Gradients(NamedTuple):
    """Differences along the edges between neighbouring pixels of an image (H, W, C), NumPy or CuPy."""

    down: Any  # (H - 1, W, C)
    right: Any  # (H, W - 1, C)


def gradient_fields(image: Any) -> Gradients:
    """Step 1: the gradient of an image (H, W, C)."""
    return Gradients(np.diff(image, axis=0), np.diff(image, axis=1))


def merge(target: Gradients, source: Gradients, hole: Any, *, mixed: bool = False) -> Gradients:
    """Step 2: the source's gradient on every edge that touches the hole (H, W), the target's elsewhere.

    mixed  on an edge that touches the hole the larger of the two, channel by channel (Perez et al. 2003, Eq. 12)
    """

    def choose(of_target: Any, of_source: Any, inside: Any) -> Any:
        if mixed:
            of_source = np.where(abs(of_target) > abs(of_source), of_target, of_source)
        return np.where(inside[..., None], of_source, of_target)

    return Gradients(
        choose(target.down, source.down, hole[1:] | hole[:-1]),
        choose(target.right, source.right, hole[:, 1:] | hole[:, :-1]),
    )


def divergence(field: Gradients) -> Any:
    """Step 3: what flows out of each pixel minus what flows in, (H, W, C); no flow across the image border."""
    rows, columns = ((0, 0), (1, 1), (0, 0)), ((1, 1), (0, 0), (0, 0))
    down = np.diff(np.pad(field.down, columns), axis=0)
    return down + np.diff(np.pad(field.right, rows), axis=1)


class _HoleSolver:
    """What blends into a hole, or a batch of them, have in common: checks, and solvers that are set up once."""

    _equation: Equation
    _on_device: bool  # images on a CUDA device are blended there

    def __init__(self, hole: Any) -> None:
        self._hole = partly_known(as_hole(to_numpy(hole)))
        self._prepared: dict[int | None, tuple[Any, Solver]] = {}

    def _checked(self, target: Any, other: Any, name: str, tolerance: float) -> tuple[ImageBatch, ImageBatch, Any]:
        """Both as batches, and the holes (B, H, W) where they lie."""
        into = ImageBatch.of(target, "target", on_device=self._on_device)
        beside = ImageBatch.of(other, name, on_device=self._on_device)
        if into.pixels.shape != beside.pixels.shape:
            raise InputError(f"{name}: expected target's shape, {into.pixels.shape}, got {beside.pixels.shape}")
        if device_of(into.pixels) != device_of(beside.pixels):
            raise InputError(f"{name}: expected an array where target lies, got {type(other).__name__}")
        if not tolerance > 0:
            raise InputError(f"tolerance: expected > 0, got {tolerance}")
        hole, _ = self._where_lie(into.pixels)
        return into, beside, fitting(hole, into.count, *into.pixels.shape[1:3])

    def _where_lie(self, pixels: Any) -> tuple[Any, Solver]:
        """The hole and what solves in it, where the pixels lie."""
        device, xp = device_of(pixels), module_of(pixels)
        if device not in self._prepared:
            holes = self._hole if self._hole.ndim == 3 else self._hole[None]
            self._prepared[device] = xp.asarray(self._hole), Solver(holes, xp, self._equation)
        return self._prepared[device]

    def _blended(self, target: Any, source: Any, tolerance: float) -> Any:
        """The source plus what meets the equation with the offset target - source at the known pixels."""
        into, pixels = self._both(target, source, tolerance)
        return self._filled(into, pixels, None, tolerance)

    def _both(self, target: Any, source: Any, tolerance: float) -> tuple[ImageBatch, Any]:
        """The target, and the source's pixels on its scale, all of which matter."""
        into, out_of, holes = self._checked(target, source, "source", tolerance)
        check_finite(into.pixels, holes, "target")
        check_finite(out_of.pixels, np.zeros_like(holes), "source")
        return into, out_of.on_scale_of(into)

    def _filled(self, into: ImageBatch, source: Any | None, v: Any | None, tolerance: float) -> Any:
        hole, solver = self._where_lie(into.pixels)
        out = solved(solver, into.pixels, source, v, tolerance)
        if out.dtype != into.pixels.dtype:
            out = np.where(hole[..., None], out, into.pixels).astype(into.pixels.dtype)
        return into.laid_out(out)


class PoissonSolver(_HoleSolver):
    """Step 4, and the whole blend, into one hole or a batch of them; what a hole asks for is set up once.

    hole  (H, W), for all images, or (B, H, W); missing where True, float >= 0.5, uint8 >= 128

    Raises InputError for another dtype, and where nothing at all is known.
    """

    _equation = POISSON
    _on_device = True

    def solve(self, divergence: Array, target: Array, *, tolerance: float = TOLERANCE) -> Array:
        """F with Laplacian(F) = divergence at the missing pixels and F = target at the known ones.

        divergence  float, of target's shape and on its scale; matters at the missing pixels only
        target      images as in `poisson_blend`, which also says what comes back and what is raised
        """
        with on_stream_of(target):
            into, v, holes = self._checked(target, divergence, "divergence", tolerance)
            check_finite(into.pixels, holes, "target")
            check_finite(v.pixels, ~holes, "divergence")
            return self._filled(into, None, v.pixels, tolerance)

    def blend(self, target: Array, source: Array, *, mixed: bool = False, tolerance: float = TOLERANCE) -> Array:
        """`poisson_blend` into this hole."""
        with on_stream_of(target):
            if not mixed:
                # on every edge of the hole the merged field is the source's gradient: F - S has none to follow
                return self._blended(target, source, tolerance)
            into, out_of, holes = self._checked(target, source, "source", tolerance)
            for batch, name in ((into, "target"), (out_of, "source")):
                check_finite(batch.pixels, np.zeros_like(holes), name)
            T, S = into.pixels.astype(np.float64), out_of.on_scale_of(into).astype(np.float64)
            fields = [
                merge(gradient_fields(t), gradient_fields(s), hole, mixed=True)
                for t, s, hole in zip(T, S, holes, strict=True)
            ]
            return self._filled(into, None, np.stack([divergence(field) for field in fields]), tolerance)


class BiharmonicSolver(_HoleSolver):
    """`biharmonic_blend` into one hole or a batch of them, as PoissonSolver does it."""

    _equation = BIHARMONIC
    _on_device = False

    def blend(self, target: Array, source: Array, *, tolerance: float = TOLERANCE) -> Array:
        """`biharmonic_blend` into this hole."""
        return self._blended(target, source, tolerance)


class TensionSolver(_HoleSolver):
    """`tension_blend` into one hole or a batch of them, as PoissonSolver does it."""

    _on_device = False

    def __init__(self, hole: Any, *, tension: float = TENSION) -> None:
        if not 0 < tension < math.inf:
            raise InputError(f"tension: expected a finite number > 0, got {tension}")
        self._equation = under_tension(tension)
        super().__init__(hole)

    def blend(self, target: Array, source: Array, *, tolerance: float = TOLERANCE) -> Array:
        """`tension_blend` into this hole."""
        into, pixels = self._both(target, source, tolerance)
        return self._filled(into, None, pixels, tolerance)


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
    InputError for shapes that do not fit, a NaN or Inf that matters, and an image of which nothing is known;
    ArithmeticError where `tolerance` is beyond what float64 can reach.
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
               as in `poisson_blend`; images on a CUDA device are blended on the CPU
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


def blended(
    target: NDArray[Any], source: NDArray[Any], holes: NDArray[np.bool_], config: InpaintConfig
) -> NDArray[Any]:
    """The config's blend of images (B, H, W, C) that were checked, with holes (B, H, W), where they lie."""
    if config.blend != "none" and module_of(target) is not np:
        return _blended_on_device(target, source, holes, config)
    match config.blend:
        case "none":
            return np.where(holes[..., None], source, target)
        case "tension":
            plate = Solver(holes, equation=under_tension(config.tension))
            return solved(plate, target, None, source, TOLERANCE)
        case how:
            solver = Solver(holes, equation=POISSON if how == "poisson" else BIHARMONIC)
            return solved(solver, target, source, None, TOLERANCE)


def _blended_on_device(target: Any, source: Any, holes: Any, config: InpaintConfig) -> Any:
    """`blended` of CuPy's arrays: small images in one launch, larger ones by the host's hand, plates on the CPU."""
    plate = {"tension": small.Plate(config.tension, DEPTH), "biharmonic": small.Plate(0.0, DEPTH)}.get(config.blend)
    if small.fits(*target.shape[1:3]):
        target = target if target.dtype in DTYPES else target.astype(np.float64)
        out = target.copy()
        small.blend(target, source, None, module_of(holes).ascontiguousarray(holes), plate, TOLERANCE, out).cycles()
        return out
    if plate is None:
        return solved(Solver(to_numpy(holes), module_of(target)), target, source, None, TOLERANCE)
    on_cpu = blended(*map(to_numpy, (target, source, holes)), config)
    return module_of(target).asarray(on_cpu)


def solved(solver: Solver, target: Any, source: Any | None, v: Any | None, tolerance: float) -> Any:
    """F of images (B, H, W, C) in the dtype of `target`, or float64 where that is none of DTYPES."""

    def readable(images: Any) -> Any:
        return images if images is None or images.dtype in DTYPES else images.astype(np.float64)

    target = readable(target)
    out = target.copy(order="K")
    solver.solve(target, readable(source), readable(v), tolerance, out)
    return out
