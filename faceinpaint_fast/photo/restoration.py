"""What came of a photograph, and of each of its faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.photo.frame import Frame, Window
from faceinpaint_fast.photo.mirror import Mirror
from faceinpaint_fast.photo.paste import Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RestoredFace:
    """A face that a hole reached into.

    points     (5, 2) or (2, 2), where it lies in the photograph
    frame      the model's square in the photograph
    generated  T, (size, size, 3) in [0, 1]; None: the hole is thin, and the blend alone as good
    losses     of its search, by name; none without one
    window     rows and columns of the photograph that were worked at
    part       its part of the hole there, (h, w)
    plain      what the blend of T makes of it, (h, w, 3) in [0, 1]
    mirror     what the other half is worth; None where it was not asked
    """

    points: NDArray[np.float64]
    frame: Frame
    generated: NDArray[np.float32] | None
    losses: dict[str, float]
    window: Window
    part: Mask
    plain: NDArray[np.float32]
    mirror: Mirror | None

    @property
    def restored(self) -> NDArray[np.float32]:
        """What is there now, (h, w, 3) in [0, 1]."""
        taken = None if self.mirror is None else self.mirror.restored
        return self.plain if taken is None else taken


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Restoration:
    """What came of a photograph.

    image    the restored photograph, as it was handed over: its kind of array, layout, dtype; known pixels bit for bit
    faces    those that the hole reaches into
    others   points (N, 5, 2) of the faces that it does not
    smooth   the photograph with its hole filled by the blend alone, (H, W, 3) in [0, 1]
    notes    what was done otherwise than with a hole in a face, a line each
    seconds  by what they were spent on
    """

    image: Any
    faces: tuple[RestoredFace, ...]
    others: NDArray[np.float64]
    smooth: NDArray[np.float32]
    notes: tuple[str, ...]
    seconds: dict[str, float]
