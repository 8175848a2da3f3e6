"""The registered mirror: the other half of a face, moved into place, as source of the blend.

What G draws has 64 pixels; the other half of the face is a photograph.  Where that is known, and not of another colour,
it takes the place of the restored face in the blend: details are the mirror's, low frequencies of brightness those of
the restored face.  The paper's second and third future directions: symmetry, and a source of another kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.photo import cv2, paste
from faceinpaint_fast.photo.frame import Floats, Frame, lattice, window_around
from faceinpaint_fast.photo.paste import Mask
from faceinpaint_fast.photo.registration import (
    FINE,
    LOST,
    PAD,
    SIZE,
    Halves,
    Registration,
    flipped,
    look,
    register,
    sampled_at,
    soft,
)

Mode = Literal["auto", "on", "off"]

PULL = 8.0  # tension times pixels to a square model pixel: the blend keeps nearly all of this source's slopes
SMOOTH, ALIKE = 16.0, 4.0  # frame pixels of the low frequencies: of brightness, and of what is compared
ROUGHLY, CLOSELY = 0.3, 0.2  # how far both sides may be apart in these, of 1: before brightness is mended, and after
# how far both may be apart in details where both are known, blurred by so much, over so many frame pixels, and what
# share of these must be known to say anything
DETAILS, BLUR, NEAR, ENOUGH = 0.1, 0.7, 4.0, 0.05
EDGE = 0.7  # frame pixels over which the mirror ends
# when it is trusted at all: docs/decisions/0029
COVER, RING, YAW = 0.1, 0.7, 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mirror:
    """What the other half of a face is worth.

    used      whether it was taken
    why       in words
    cover     its share of the hole
    ring      how well it tells what is known around the hole: a correlation; NaN where nothing is, or it was not asked
    yaw       how far the head is turned, in frame pixels
    trust     (h, w), how much it was trusted at each pixel; None: it was not looked at
    restored  (h, w, 3), the blend with it; None where it was not used
    """

    used: bool
    why: str
    cover: float = 0.0
    ring: float = float("nan")
    yaw: float = float("nan")
    trust: NDArray[np.float32] | None = None
    restored: NDArray[np.float32] | None = None


def mirrored(restored: Floats, missing: Mask, part: Mask, frame: Frame, points: Floats, mode: Mode) -> Mirror:
    """Returns what the mirror makes of a restored face, and whether it can be trusted.

    restored  (h, w, 3), a window of the photograph, filled
    missing   (h, w), where it is not the photograph's own
    part      (h, w), which of that is to be filled
    frame     the model's square in the window
    points    (5, 2) in the window
    mode      "on" takes it wherever there is any; "auto" by the rule
    """
    frame = frame.finer(SIZE / frame.size)
    halves = Halves.of(restored, missing, frame)
    found = register(halves, frame.to_model(points), COVER if mode == "auto" else 0.0)
    if found is None:
        return Mirror(used=False, why="the other half is hidden, too")
    source, trust = _source(restored, missing, part, frame, found, halves)
    cover = float(trust[part].mean())
    why = refusal(cover, found.ring, found.yaw) if mode == "auto" else None
    filled = None
    if why is None:
        filled = paste.blended(restored, source, part, tension=PULL / frame.scale**2)
    return Mirror(
        used=why is None,
        why=why or "the other half",
        cover=cover,
        ring=found.ring,
        yaw=found.yaw,
        trust=trust,
        restored=filled,
    )


def refusal(cover: float, ring: float, yaw: float) -> str | None:
    """Returns why a mirror is not to be trusted; None if it is."""
    if cover < COVER:
        return f"the other half covers {cover:.0%} of the hole"
    # NaN: nothing is known around it that could tell
    if ring < RING:
        return f"the other half is another around the hole, with a correlation of {ring:.2f}"
    if yaw > YAW:
        return f"the head is turned, by {yaw:.1f} pixels of {SIZE}"
    return None


def _source(
    restored: Floats, missing: Mask, part: Mask, frame: Frame, found: Registration, halves: Halves
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the restored face with the mirror where it is trusted, and that trust, (h, w, 3) and (h, w).

    Both are made in the part of the hole and around it, as far as its edges are soft.
    """
    shift, alike = _compared(halves, found)
    edge = max(EDGE * frame.scale, 0.3)
    near = window_around(np.argwhere(part)[:, ::-1].astype(np.float64), 4 * edge + 2, part.shape)
    at = frame.to_model(lattice(part[near].shape) + np.array([near[1].start, near[0].start]))
    like = frame.to_photo(flipped(at + _displacement(found, at)))
    x, y = (np.ascontiguousarray(each, np.float32) for each in (like[..., 0], like[..., 1]))
    R = found.gain * cv2().remap(restored, x, y, cv2().INTER_CUBIC, borderMode=cv2().BORDER_REPLICATE)
    lost = cv2().remap(
        missing.astype(np.float32), x, y, cv2().INTER_LINEAR, borderMode=cv2().BORDER_CONSTANT, borderValue=1.0
    )
    known = (lost <= LOST).astype(np.float32)
    inner = cv2().erode(known, np.ones((3, 3), np.uint8))
    softened = cv2().GaussianBlur(inner, (0, 0), edge, borderType=cv2().BORDER_REPLICATE)
    source, trust = restored.astype(np.float32), np.zeros(part.shape, np.float32)
    trust[near] = softened * known * look(alike, at)
    source[near] += trust[near][..., None] * (R + look(shift, at)[..., None] - restored[near])
    return source, trust


def _displacement(found: Registration, at: Floats) -> NDArray[np.float32]:
    """Returns d at places (h, w, 2) of a frame that may be turned."""
    samples = sampled_at(FINE * (SIZE + 2 * PAD))
    field = (found.displaced(samples) - samples).astype(np.float32)
    return look(field, at)


def _compared(halves: Halves, found: Registration) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns what brightness the mirror lacks, and how much it is alike, 0 to 1, both of a finely drawn face.

    It is alike where its colours are the restored face's, and where its details are those of what is known nearby: on
    one side of a hole there may be glasses, or hair, that the other half has not.
    """
    at = found.displaced(sampled_at(len(halves.face)))
    F, R = halves.face, found.gain * look(halves.other, at)
    known = (look(halves.unknown.astype(np.float32), at, beyond=1.0) <= LOST).astype(np.float32)

    def low(difference: Floats, sigma: float, weight: Floats) -> NDArray[np.float32]:
        # what does not count has no part in it
        total = np.maximum(soft(weight, sigma), 1e-3)
        return np.asarray(soft(difference * weight[..., None], sigma) / total[..., None])

    def same(difference: Floats, limit: float) -> NDArray[np.float32]:
        return np.exp(-((np.abs(low(difference, ALIKE, known)).mean(axis=-1) / limit) ** 2))

    # a background over a cheek, say
    rough = same(F - R, ROUGHLY)
    shift = low(F - R, SMOOTH, known * rough).mean(axis=-1)
    R = R + shift[..., None]
    both = known * ~(halves.lost | halves.beyond)
    apart = low(np.abs(soft(F - R, BLUR)), NEAR, both).mean(axis=-1)
    told = np.minimum(soft(both, NEAR) / ENOUGH, 1)
    details = 1 - told + told * np.exp(-((apart / DETAILS) ** 2))
    return shift, rough * same(F - R, CLOSELY) * details
