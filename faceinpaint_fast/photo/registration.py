"""The two halves of a face registered: which place of a face looks like which, mirrored.

In a frame of 64 pixels, whose numbers all lengths here are, a displacement d is sought so that the mirrored face at
m + d(m) looks like the face at m.  It is a field of cubic B-splines.  It starts from where the detector's points have
their like, is shifted as a whole, and refined by Gauss-Newton steps from coarse to fine: weighted least squares of grey
levels in the hole and around it, wherever the mirrored place is known.  In the hole the restored face stands for what
is not known: it counts less, and decides little but where features are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import BSpline

from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.photo import cv2
from faceinpaint_fast.photo.detect import IN_MIRROR
from faceinpaint_fast.photo.frame import Floats, Frame, lattice

Mask = NDArray[np.bool_]

SIZE = 64
MEANS = CELEBA_108.detected_in(SIZE)
AXIS = float(np.mean([MEANS[:2, 0].mean(), MEANS[2, 0], MEANS[3:, 0].mean()]))  # what a face is mirrored about
FINE, PAD = 2, 12  # samples along a pixel, and pixels around the frame that are drawn, too
SPANS, SPLINES = 6, 9  # of the field along the frame
GREY = np.array([0.299, 0.587, 0.114], np.float32)
LOST = 0.02  # of a place that is missing, and it is not known

REACH = 8  # pixels around the hole that must look alike, too
GUIDE = 0.35  # what a pixel of the restored face counts beside a known one
FROM_POINTS = 0.3  # stiffness of the field through the points
FAR, SHIFT_BLUR, SHIFT_COST = 3, 1.5, 0.005  # of the shift as a whole: at most, at which blur, and its price a square
LEVELS = ((2.0, 3.0, 2), (0.7, 0.3, 1))  # blur, stiffness, and every how manyth sample
STEPS = 4  # at each level
STIFFNESS, HELD = 1e-3, 0.003  # of a unit of stiffness, and what holds the field where it started
LONGEST_STEP = 2.0
GAINS = (0.6, 1.6)  # between which the mirrored half may be made to differ more, or less
FEWEST = 100  # samples of which a correlation says anything


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """A face drawn finely, with what lies around its frame, and the same in a mirror.

    face, other    (N, N, 3) in [0, 1]
    lost, unknown  (N, N): where the face is missing, and where its mirrored place is, or beyond the photograph
    beyond         (N, N): where the photograph has ended
    """

    face: NDArray[np.float32]
    other: NDArray[np.float32]
    lost: Mask
    unknown: Mask
    beyond: Mask

    @classmethod
    def of(cls, photo: Floats, missing: Mask, frame: Frame) -> Halves:
        """Returns the halves of a restored face (H, W, 3) with its hole (H, W) in a frame of SIZE pixels."""
        fine = frame.finer(FINE, PAD)
        face = fine.drawn(photo)
        at = fine.to_photo(lattice((fine.size, fine.size)))
        beyond = ((at < -0.5) | (at > np.array(missing.shape[::-1]) - 0.5)).any(axis=-1)
        lost = (fine.drawn(missing, Image.Resampling.BOX) > LOST) & ~beyond
        mirrored = flipped(sampled_at(fine.size))
        other = look(face, mirrored)
        unknown = look((lost | beyond).astype(np.float32), mirrored, beyond=1.0) > LOST
        return cls(face, other, lost, unknown, np.asarray(beyond))


class Fit(NamedTuple):
    """How one set of grey levels follows another: levels = gain * others + offset, and their correlation."""

    gain: float
    offset: float
    correlation: float

    @classmethod
    def of(cls, others: Floats, levels: Floats, weights: Floats) -> Fit:
        """Returns the gain of spreads within GAINS, by weights."""
        w = weights / max(float(weights.sum()), 1e-9)
        mean, level = float(w @ others), float(w @ levels)
        spread, wanted = float(w @ (others - mean) ** 2), float(w @ (levels - level) ** 2)
        both = float(w @ ((others - mean) * (levels - level)))
        gain = float(np.clip(np.sqrt(wanted / (spread + 1e-6)), *GAINS))
        return cls(gain, level - gain * mean, both / float(np.sqrt(spread * wanted + 1e-9)))


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where each place's like is.

    field  (2, SPLINES, SPLINES), coefficients of d
    gain   of contrast, with which the mirrored half is as strong
    ring   correlation with what is known around the hole; NaN where nothing is
    yaw    how far the points are from their like, to the side: of a face that looks straight ahead, 0
    share  of what was asked for, that is known in the mirror
    """

    field: NDArray[np.float64]
    gain: float
    ring: float
    yaw: float
    share: float

    def displaced(self, at: Floats) -> Floats:
        """Returns m + d(m) of places (H, W, 2) on a lattice along both axes."""
        rows, columns = splines(at[:, 0, 1]), splines(at[0, :, 0])
        return at + np.stack([rows @ each @ columns.T for each in self.field], axis=-1)


def flipped(at: Floats) -> Floats:
    """Returns places (..., 2) in a mirror."""
    return np.stack([2 * AXIS - at[..., 0], at[..., 1]], axis=-1)


def sampled_at(count: int) -> NDArray[np.float64]:
    """Returns the places (N, N, 2) of the samples of a face that was drawn finely."""
    return (lattice((count, count)) + 0.5) / FINE - 0.5 - PAD


def look(image: Floats, at: Floats, *, beyond: float | None = None) -> NDArray[Any]:
    """Returns what a finely drawn face has at places (H, W, 2); beyond it its border, or a number."""
    index = (FINE * (at + PAD) + (FINE - 1) / 2).astype(np.float32)
    border = {"borderMode": cv2().BORDER_REPLICATE}
    if beyond is not None:
        border = {"borderMode": cv2().BORDER_CONSTANT, "borderValue": beyond}
    return np.asarray(cv2().remap(image, index[..., 0], index[..., 1], cv2().INTER_LINEAR, **border))


def soft(image: Floats, sigma: float) -> NDArray[Any]:
    """Returns a finely drawn face blurred by so many of the frame's pixels."""
    return np.asarray(cv2().GaussianBlur(image, (0, 0), sigma * FINE, borderType=cv2().BORDER_REPLICATE))


def splines(coordinates: Floats) -> NDArray[np.float64]:
    """Returns the values (N, SPLINES) of the B-splines along the frame at coordinates (N,); beyond it the border's."""
    knots = np.arange(-3, SPLINES + 1) / SPANS
    return np.asarray(BSpline(knots, np.eye(SPLINES), 3)(np.clip((coordinates + 0.5) / SIZE, 0, 1)))


def stiffness() -> NDArray[np.float64]:
    """Returns the matrix (SPLINES^2, SPLINES^2) of how much a field bends, with a mean diagonal of 1."""
    second, flat = np.diff(np.eye(SPLINES), 2, axis=0), np.eye(SPLINES) / SPLINES
    bent = np.kron(second.T @ second, flat) + np.kron(flat, second.T @ second)
    return np.asarray(bent * SPLINES**2 / bent.trace())


def through(points: Floats) -> NDArray[np.float64]:
    """Returns the field (2, SPLINES, SPLINES) that brings points (5, 2) near those that they are in a mirror."""
    B = _products(points)
    system = B.T @ B + FROM_POINTS * stiffness() + 1e-4 * np.eye(SPLINES**2)
    solved = np.linalg.solve(system, B.T @ (flipped(points[IN_MIRROR]) - points))
    return np.asarray(solved.T.reshape(2, SPLINES, SPLINES), np.float64)


def yaw(points: Floats) -> float:
    """Returns how far points (5, 2) in the frame are from their like, to the side, on average."""
    return float(np.abs(flipped(points[IN_MIRROR]) - points)[:, 0].mean())


def register(halves: Halves, points: Floats, least: float) -> Registration | None:
    """Returns where the mirrored half of a face has what is missing, from its points (5, 2) in the frame.

    None where less than a share `least` of that is known in the mirror.
    """
    grey, other = (np.ascontiguousarray(each @ GREY) for each in (halves.face, halves.other))
    start = through(points)
    samples = _Samples.of(halves)
    if not samples.count.any() or samples.share(start) < least:
        return None
    start = start + _shift(samples.every(2), soft(grey, SHIFT_BLUR), soft(other, SHIFT_BLUR), start)[:, None, None]
    field = start
    for blur, stiff, every in LEVELS:
        chosen, still, moving = samples.every(every), soft(grey, blur), soft(other, blur)
        for _ in range(STEPS):
            field = _step(chosen, still, moving, field, start, stiff)
    still, moved, w = samples.seen(soft(grey, LEVELS[-1][0]), soft(other, LEVELS[-1][0]), field)
    ring = (w > 0) & ~samples.lost
    around = Fit.of(moved[ring], still[ring], np.ones(ring.sum())).correlation if ring.sum() > FEWEST else np.nan
    gain = Fit.of(moved[w > 0], still[w > 0], np.ones((w > 0).sum())).gain
    return Registration(field, gain, float(around), yaw(points), samples.share(field))


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """The samples of the frame that count, in the hole and around it: their places (N, 2) and weights (N,).

    values  (N, SPLINES^2), the splines' at these places
    """

    at: NDArray[np.float64]
    count: NDArray[np.float32]
    lost: Mask
    values: NDArray[np.float32]
    unknown: NDArray[np.float32]

    @classmethod
    def of(cls, halves: Halves) -> _Samples:
        """Returns all of them."""
        at = sampled_at(len(halves.lost))
        inside = (abs(at - (SIZE - 1) / 2) < SIZE / 2).all(axis=-1)
        disc = cv2().getStructuringElement(cv2().MORPH_ELLIPSE, (2 * FINE * REACH + 1,) * 2)
        near = cv2().dilate((halves.lost & inside).astype(np.uint8), disc) > 0
        chosen = near & inside & ~halves.beyond
        at, lost = at[chosen], halves.lost[chosen]
        count = np.where(lost, GUIDE, 1).astype(np.float32)
        return cls(at, count, lost, _products(at).astype(np.float32), halves.unknown.astype(np.float32))

    def every(self, step: int) -> _Samples:
        """Returns one of so many samples along either axis."""
        index = np.round((self.at + 0.5) * FINE - 0.5).astype(int)
        kept = (index % step == 0).all(axis=-1)
        return _Samples(self.at[kept], self.count[kept], self.lost[kept], self.values[kept], self.unknown)

    def moved(self, field: Floats) -> NDArray[np.float64]:
        """Returns m + d(m), (N, 2)."""
        return self.at + (self.values @ field.reshape(2, -1).T.astype(np.float32)).astype(np.float64)

    def weights(self, places: Floats) -> NDArray[np.float32]:
        """Returns what each sample counts (N,): nothing where its like, at these places, is not known."""
        return np.where(_look(self.unknown, places, beyond=1.0) > LOST, 0, self.count)

    def share(self, field: Floats) -> float:
        """Returns how much of the missing is known in the mirror."""
        weights = self.weights(self.moved(field))[self.lost]
        return float((weights > 0).mean()) if weights.size else 0.0

    def seen(self, still: Floats, moving: Floats, field: Floats) -> tuple[Any, Any, Any]:
        """Returns what there is at the samples, what is at their like, and weights, (N,) each."""
        places = self.moved(field)
        return _look(still, self.at), _look(moving, places), self.weights(places)


def _look(image: Floats, places: Floats, *, beyond: float | None = None) -> NDArray[Any]:
    return look(image, places[:, None], beyond=beyond)[:, 0]


def _products(at: Floats) -> NDArray[np.float64]:
    """Returns the values (N, SPLINES^2) of all splines at places (N, 2)."""
    return np.einsum("ni,nj->nij", splines(at[:, 1]), splines(at[:, 0])).reshape(len(at), -1)


def _shift(samples: _Samples, still: Floats, moving: Floats, field: Floats) -> NDArray[np.float64]:
    """Returns the shift (2,) of the whole field after which both sides are most alike."""
    level, places = _look(still, samples.at), samples.moved(field)
    best, found = -np.inf, np.zeros(2, np.float64)
    for by in np.stack(np.meshgrid(*[np.arange(-FAR, FAR + 1.0)] * 2), axis=-1).reshape(-1, 2):
        w = samples.weights(places + by)
        if (w > 0).sum() > 0.1 * len(w):
            likeness = Fit.of(_look(moving, places + by), level, w).correlation - SHIFT_COST * float(by @ by)
            if likeness > best:
                best, found = likeness, by
    return np.asarray(found, np.float64)


def _step(
    samples: _Samples, still: Floats, moving: Floats, field: Floats, start: Floats, stiff: float
) -> NDArray[np.float64]:
    """Returns the field after one Gauss-Newton step."""
    level, moved, w = samples.seen(still, moving, field)
    if not (w > 0).any():
        return np.asarray(field, np.float64)
    w = w / w.sum()
    fit = Fit.of(moved, level, w)
    r = (level - fit.gain * moved - fit.offset).astype(np.float32)
    # what does not agree at all counts less
    w = (w / (1 + r**2 / (4 * float(w @ r**2) + 1e-5))).astype(np.float32)
    places = samples.moved(field)
    down, right = (fit.gain * FINE * _look(np.gradient(moving, axis=axis), places) for axis in (0, 1))
    B = samples.values

    def product(one: Floats, other: Floats) -> NDArray[np.float64]:
        return np.asarray(B.T @ ((w * one * other)[:, None] * B), np.float64)

    both = product(right, down)
    system = np.block([[product(right, right), both], [both.T, product(down, down)]])
    pull = np.concatenate([B.T @ (w * right * r), B.T @ (w * down * r)]).astype(np.float64)
    penalty = STIFFNESS * np.kron(np.eye(2), stiff * stiffness() + HELD * np.eye(SPLINES**2))
    step = np.linalg.solve(system + penalty, pull - penalty @ (field - start).ravel())
    return np.asarray(field + np.clip(step, -LONGEST_STEP, LONGEST_STEP).reshape(field.shape))
