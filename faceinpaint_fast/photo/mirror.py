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
from PIL import Image

from faceinpaint_fast._cpu import Halves
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.photo import paste
from faceinpaint_fast.photo.frame import Floats, Frame
from faceinpaint_fast.photo.paste import Mask

Mode = Literal["auto", "on", "off"]

MEANS = CELEBA_108.detected_in(Halves.SIZE)
AXIS = float(np.mean([MEANS[:2, 0].mean(), MEANS[2, 0], MEANS[3:, 0].mean()]))  # what a face is mirrored about
PULL = 8.0  # tension times pixels to a square model pixel: the blend keeps nearly all of this source's slopes
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
    # rows of a window lie apart in memory
    restored = np.ascontiguousarray(restored, np.float32)
    missing, part = np.ascontiguousarray(missing), np.ascontiguousarray(part)
    frame = frame.finer(Halves.SIZE / frame.size)
    fine = frame.finer(Halves.FINE, Halves.PAD)
    face, lost = fine.drawn(restored), fine.drawn(missing, Image.Resampling.BOX)
    height, width = missing.shape
    halves = Halves(face, lost, frame.matrix, height, width, AXIS)
    found = halves.registered(frame.to_model(points).astype(np.float64), COVER if mode == "auto" else 0.0)
    if found is None:
        return Mirror(used=False, why="the other half is hidden, too")
    source, trust = np.empty_like(restored), np.empty(part.shape, np.float32)
    cover = halves.make_source(found, restored, missing, part, frame.matrix, source, trust)
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
        return f"the head is turned, by {yaw:.1f} pixels of {Halves.SIZE}"
    return None
