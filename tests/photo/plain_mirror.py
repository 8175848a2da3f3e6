"""The mirror again, plainly, by NumPy, SciPy and OpenCV with whole matrices: what csrc/mirror/ is held to.

Lengths are pixels of a face's frame, but for those of a photograph; a face is drawn finely, (N, N, 3), as
`faceinpaint_fast.photo.mirror` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import BSpline

from faceinpaint_fast.photo.frame import lattice

SIZE, FINE, PAD, SPLINES = 64, 2, 12, 9
LOST, IN_MIRROR = 0.02, [1, 0, 2, 4, 3]
SAMPLED = (lattice((FINE * (SIZE + 2 * PAD),) * 2) + 0.5) / FINE - 0.5 - PAD  # (N, N, 2), the places of the samples


def look(image, at, beyond=None):
    """What a finely drawn face has at places (H, W, 2); beyond it its border, or a number."""
    x, y = np.moveaxis((FINE * (at + PAD) + 0.5).astype(np.float32), -1, 0)
    border = {"borderMode": cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT, "borderValue": beyond or 0}
    return cv2.remap(image.astype(np.float32), x, y, cv2.INTER_LINEAR, **border)


def soft(image, sigma):
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def products(at):
    """The values (N, SPLINES^2) of all splines at places (N, 2)."""
    splines = BSpline(np.arange(-3, SPLINES + 1) / (SPLINES - 3), np.eye(SPLINES), 3)
    x, y = splines(np.clip((at + 0.5) / SIZE, 0, 1)).transpose(1, 0, 2)
    return np.einsum("ni,nj->nij", y, x).reshape(len(at), -1)


def stiffness():
    second, flat = np.diff(np.eye(SPLINES), 2, axis=0), np.eye(SPLINES)
    bent = np.kron(second.T @ second, flat) + np.kron(flat, second.T @ second)
    return bent * SPLINES**2 / bent.trace()


def fit(others, levels, weights):
    """Gain, offset and correlation of levels = gain * others + offset."""
    (spread, both), (_, wanted) = np.cov(others, levels, aweights=weights, ddof=0)
    gain = np.clip(np.sqrt(wanted / (spread + 1e-6)), 0.6, 1.6)
    offset = np.average(levels, weights=weights) - gain * np.average(others, weights=weights)
    return gain, offset, both / np.sqrt(spread * wanted + 1e-9)


@dataclass
class PlainMirror:
    """A face drawn finely, how much of each sample is missing (N, N), its frame in a photograph (H, W), its axis."""

    face: np.ndarray
    shares: np.ndarray
    frame: object
    shape: tuple[int, int]
    axis: float

    def __post_init__(self):
        there = self.frame.to_photo(SAMPLED)
        self.beyond = ((there < -0.5) | (there > np.array(self.shape[::-1]) - 0.5)).any(axis=-1)
        self.lost = (self.shares > LOST) & ~self.beyond
        self.other = look(self.face, self.flipped(SAMPLED))
        self.unknown = look(self.lost | self.beyond, self.flipped(SAMPLED), 1.0) > LOST

    def flipped(self, at):
        return np.stack([2 * self.axis - at[..., 0], at[..., 1]], axis=-1)

    def register(self, points):
        """Sets field (2, SPLINES, SPLINES), gain and ring, from points (5, 2) in the frame."""
        B = products(points)
        system = B.T @ B + 0.3 * stiffness() + 1e-4 * np.eye(SPLINES**2)
        field = np.linalg.solve(system, B.T @ (self.flipped(points[IN_MIRROR]) - points)).T
        inside = (abs(SAMPLED - 31.5) < 32).all(axis=-1)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (16 * FINE + 1,) * 2)
        near = (cv2.dilate((self.lost & inside).astype(np.uint8), disc) > 0) & inside & ~self.beyond
        still, moving = (each @ np.array([0.299, 0.587, 0.114], np.float32) for each in (self.face, self.other))

        def chosen(every):
            kept = near & (np.indices(near.shape) % every == 0).all(axis=0)
            return kept, SAMPLED[kept], products(SAMPLED[kept])

        def seen(image, kept, places):
            moved = look(image, places[:, None])[:, 0]
            known = look(self.unknown, places[:, None], 1.0)[:, 0] <= LOST
            return moved, np.where(known, np.where(self.lost[kept], 0.35, 1), 0)

        # the shift of the whole
        kept, at, B = chosen(2)
        level, likeness = soft(still, 1.5 * FINE)[kept], {}
        for by in np.stack(np.meshgrid(*[np.arange(-3.0, 4)] * 2), axis=-1).reshape(-1, 2):
            moved, w = seen(soft(moving, 1.5 * FINE), kept, at + B @ field.T + by)
            if (w > 0).mean() > 0.1:
                likeness[tuple(by)] = fit(moved, level, w)[2] - 0.005 * by @ by
        start = field = field + np.array(max(likeness, key=likeness.get, default=(0, 0)))[:, None]

        for blur, stiff, every in ((2.0, 3.0, 2), (0.7, 0.3, 1)):
            kept, at, B = chosen(every)
            level, image = soft(still, blur * FINE)[kept], soft(moving, blur * FINE)
            penalty = 1e-3 * np.kron(np.eye(2), stiff * stiffness() + 0.003 * np.eye(SPLINES**2))
            for _ in range(4):
                places = at + B @ field.T
                moved, w = seen(image, kept, places)
                gain, offset, _ = fit(moved, level, w)
                r, w = level - gain * moved - offset, w / w.sum()
                w = w / (1 + r**2 / (4 * w @ r**2 + 1e-5))
                slopes = [gain * FINE * look(np.gradient(image, axis=axis), places[:, None]) for axis in (1, 0)]
                J = np.concatenate([slope * B for slope in slopes], axis=1)
                system = J.T @ (w[:, None] * J) + penalty
                step = np.linalg.solve(system, J.T @ (w * r) - penalty @ (field - start).ravel())
                field = field + np.clip(step, -2, 2).reshape(field.shape)
        moved, w = seen(image, kept, at + B @ field.T)
        ring = (w > 0) & ~self.lost[kept]
        self.ring = fit(moved[ring], level[ring], np.ones(ring.sum()))[2] if ring.sum() > 100 else np.nan
        self.gain = fit(moved[w > 0], level[w > 0], np.ones((w > 0).sum()))[0]
        self.field = field.reshape(2, SPLINES, SPLINES)

    def displaced(self, at):
        """m + d(m) of places (H, W, 2)."""
        return at + (products(at.reshape(-1, 2)) @ self.field.reshape(2, -1).T).reshape(at.shape)

    def compared(self):
        """What brightness the mirror lacks, and how much it is alike, (N, N) each."""
        like = self.displaced(SAMPLED)
        apart = self.face - self.gain * look(self.other, like)
        known = (look(self.unknown, like, 1.0) <= LOST).astype(np.float32)

        def low(image, sigma, weight):
            return (
                soft(image * weight[..., None], sigma * FINE) / soft(weight, sigma * FINE).clip(1e-3, None)[..., None]
            )

        def same(apart, limit):
            return np.exp(-((abs(apart).mean(axis=-1) / limit) ** 2))

        rough = same(low(apart, 4, known), 0.3)
        shift = low(apart, 16, known * rough).mean(axis=-1)
        apart = apart - shift[..., None]
        both = known * ~(self.lost | self.beyond)
        told = np.minimum(soft(both, 4 * FINE) / 0.05, 1)
        details = 1 - told + told * same(low(abs(soft(apart, 0.7 * FINE)), 4, both), 0.1)
        return shift, rough * same(low(apart, 4, known), 0.2) * details

    def source(self, restored, missing):
        """The source of the blend (H, W, 3), and the trust in the mirror (H, W), of a photograph."""
        shift, alike = self.compared()
        at = self.frame.to_model(lattice(missing.shape))
        x, y = np.moveaxis(self.frame.to_photo(self.flipped(self.displaced(at))).astype(np.float32), -1, 0)
        mirror = cv2.remap(restored, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        lost = missing.astype(np.float32)
        known = cv2.remap(lost, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0) <= LOST
        inner = cv2.erode(known.astype(np.float32), np.ones((3, 3), np.uint8))
        trust = soft(inner, max(0.7 * self.frame.scale, 0.3)) * known * look(alike, at)
        return restored + trust[..., None] * (self.gain * mirror + look(shift, at)[..., None] - restored), trust
