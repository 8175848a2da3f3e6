"""Photographs of a folder, one by one: the faces of each are found, and restored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from faceinpaint_fast.folders.engine import Damaged, Photographs, Restored
from faceinpaint_fast.framing import Framing
from faceinpaint_fast.photo.detect import detector_of
from faceinpaint_fast.photo.mirror import Mode
from faceinpaint_fast.photo.restorer import Restorer
from faceinpaint_fast.pipeline import Inpainter


def of(inpainter: Inpainter, framing: Framing, detector: str | None, mirror: Mode) -> Photographs:
    """Returns what restores a photograph by an `Inpainter` whose model draws that square of a picture.

    detector  as `photo.detect.detector_of` has it; None: the one that comes along
    """
    finds = None if detector is None else detector_of(detector)
    return by(partial(Restorer, inpainter, framing=framing, detector=finds), mirror)


def by(restorer: Callable[[], Restorer], mirror: Mode) -> Photographs:
    """Returns what restores a photograph by a `Restorer`, which is made when there is one: it needs an extra."""
    made: list[Restorer] = []

    def restored(damaged: Damaged) -> Restored:
        if not made:
            made.append(restorer())
        result = made[0](damaged.pixels, damaged.missing, mirror=mirror, seed=damaged.seed)
        searched = [face.losses for face in result.faces if face.losses]
        return Restored(
            pixels=result.image,
            faces=len(result.faces) + len(result.others),
            losses={name: sum(losses[name] for losses in searched) / len(searched) for name in searched[0]}
            if searched
            else {},
            remarks=result.notes,
        )

    return restored
