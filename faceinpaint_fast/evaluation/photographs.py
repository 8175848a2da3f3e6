"""How well faces of photographs are restored, beside what fills a hole without knowing faces.

Holes are drawn in the frame of each photograph's undamaged face, and restored with its points, "given", or with what is
found of the damaged one, "detected".  Results are judged as a user gets them, in 8 bits, within the hole.  A file a
method and kind of points, of JSON lines, as `results` has them:

    OUT/<given or detected>/<slug>.jsonl    {"mask": hole, "face": number, "pixels", *FIGURES, "seconds", ...}

Records of ours also have how far the frame is off, in pixels of the model, and what the mirror was worth.  What is
missing of a photograph's hole is done and written at once: an interruption costs no more than that of one, or, with
several processes, of those that are at work and those that wait for one before them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast.arrays import thread_count
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.evaluation.photo_holes import HOLES, draw
from faceinpaint_fast.evaluation.results import PHOTOGRAPHS, Log, Record, check_writable, digest, slug, to_itself
from faceinpaint_fast.evaluation.rivals.biharmonic import biharmonic
from faceinpaint_fast.evaluation.rivals.navier_stokes import navier_stokes
from faceinpaint_fast.evaluation.rivals.patchmatch import patchmatch
from faceinpaint_fast.evaluation.rivals.telea import telea
from faceinpaint_fast.models import Model
from faceinpaint_fast.photo import cv2, mirror, paste
from faceinpaint_fast.photo.frame import Frame, lattice
from faceinpaint_fast.photo.restoration import RestoredFace
from faceinpaint_fast.photo.restorer import Restorer

POINTS = ("given", "detected")
OURS, PLAIN, ALWAYS = "ours", "ours, no mirror", "ours, mirror always"
FIGURES = ("psnr", "ssim", "sharp", "seam")
DECIMALS = {"psnr": 2, "ssim": 4, "sharp": 3, "seam": 2}
MARGIN = 12  # pixels around a hole that are judged with it
CONTEXT = 40  # and that patches are taken from
FEW = 3  # photographs on which the slowest rival is tried

Mask = NDArray[np.bool_]
Fill = Callable[[NDArray[np.float64], Mask], NDArray[np.float64]]


def _tension(photo: NDArray[np.float64], hole: Mask) -> NDArray[np.float64]:
    return paste.smooth(photo.astype(np.float32), hole).astype(np.float64)


def _patches(photo: NDArray[np.float64], hole: Mask) -> NDArray[np.float64]:
    filled, near = photo.copy(), around(hole, CONTEXT)
    filled[near] = patchmatch(photo[near][None], hole[near][None], seeds=[0])[0]
    return filled


RIVALS: Mapping[str, Fill] = {
    "tension": _tension,
    "Telea": lambda photo, hole: telea(photo[None], hole[None])[0],
    "NS": lambda photo, hole: navier_stokes(photo[None], hole[None])[0],
    "biharmonic": lambda photo, hole: biharmonic(photo[None], hole[None])[0],
    "PatchMatch": _patches,
}
METHODS = (OURS, PLAIN, ALWAYS, *RIVALS)


class Photograph(NamedTuple):
    """A photograph (H, W, 3), uint8, the points (5, 2) of its undamaged face, and their frame."""

    image: NDArray[np.uint8]
    points: NDArray[np.float64]
    frame: Frame


Key = tuple[str, str]  # the kind of points, and the method


class Piece(NamedTuple):
    """A photograph, by its number, with a hole, and what is to be measured of it."""

    number: int
    hole: str
    wanted: frozenset[Key]


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Restores photographs' holes, and judges what comes of them."""

    restorer: Restorer
    photographs: Sequence[Photograph]

    def __call__(self, piece: Piece) -> list[tuple[Key, Record]]:
        """Returns the records that are wanted of a photograph's hole."""
        number, hole, wanted = piece
        photo = self.photographs[number]
        missing = draw(hole, photo.frame, photo.image.shape[:2], number)
        truth = photo.image / 255
        damaged = np.where(missing[..., None], 0, truth)
        common = {"mask": hole, "face": number, "pixels": digest(photo.image)}
        found = []
        for points in POINTS:
            if any(key[0] == points and key[1] not in RIVALS for key in wanted):
                given = photo.points if points == "given" else None
                for name, image, said in ours(self.restorer, damaged, missing, given, photo.frame):
                    if (points, name) in wanted:
                        found.append(((points, name), common | figures(image, truth, missing) | said))
        for name, fill in RIVALS.items():
            if (POINTS[0], name) in wanted:
                start = time.perf_counter()
                image = fill(damaged, missing)
                seconds = float(f"{time.perf_counter() - start:.3g}")
                found.append(((POINTS[0], name), common | figures(image, truth, missing) | {"seconds": seconds}))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Judging:
    """What a `Judge` is made of by another process; the model is on the CPU."""

    model: Model
    photographs: Sequence[Photograph]

    def made(self, device: str) -> Judge:
        """Returns a `Judge` on a device."""
        return Judge(restorer_of(self.model, torch.device(device)), self.photographs)


# has pieces judged, in their order
Through = Callable[[Sequence[Piece]], Iterable[list[tuple[Key, Record]]]]


def restorer_of(model: Model, device: torch.device) -> Restorer:
    """Returns what restores the photographs, ready, so that seconds are those of restoring, by torch's threads."""
    cv2().setNumThreads(thread_count())
    restorer = Restorer.of(model, config=InpaintConfig(), device=device)
    restorer.inpainter.warm_up()
    return restorer


def evaluate(
    restorer: Restorer,
    photographs: Sequence[Photograph],
    out: Path,
    *,
    sha256: Mapping[str, str],
    machine: Mapping[str, str],
    progress: Callable[[str, int], None] = lambda *_: None,
    through: Through | None = None,
) -> None:
    """Restores every photograph's holes by every method, but for what is in `out` already.

    sha256    of each of the model's networks
    machine   goes into the headers
    progress  hears what was done, and to how many photographs
    through   has holes restored and judged in their order, wherever; None: here, one after the other

    Raises InputError, before any work, if `out` cannot be written to, or holds results of other photographs.
    """
    pixels = hashlib.sha256(b"".join(photo.image.tobytes() for photo in photographs)).hexdigest()
    digests = [digest(photo.image) for photo in photographs]
    config = restorer.inpainter.config
    settings = config.settings() | ({"encoder": sha256.get("encoder")} if config.start == "encoder" else {})
    judged = through or partial(map, Judge(restorer, photographs))
    with ExitStack() as stack:
        logs = {}
        for points, name in files(METHODS):
            path = out / points / f"{slug(name)}.jsonl"
            check_writable(path)
            stack.enter_context(to_itself(path))
            header = {
                "kind": PHOTOGRAPHS,
                "method": name,
                "data": points,
                "pictures": pixels,
                "model": None if name in RIVALS else sha256["generator"],
                "config": {} if name in RIVALS else settings,
                "machine": machine,
            }
            logs[points, name] = Log(path, header, digests)
        pieces = [
            Piece(number, hole, frozenset(key for key, log in logs.items() if _lacks(key[1], log, hole, number)))
            for number in range(len(photographs))
            for hole in HOLES
        ]
        found = iter(judged([piece for piece in pieces if piece.wanted]))
        for piece in pieces:
            for key, record in next(found) if piece.wanted else ():
                logs[key].append([record])
            progress(piece.hole, 1)


def _lacks(method: str, log: Log, hole: str, number: int) -> bool:
    """Says whether a method has a photograph's hole before it; the slowest has those of a few photographs."""
    return (hole, number) not in log.done and (method != "PatchMatch" or number < FEW)


def files(methods: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the kinds of points and the methods that have a file: a rival needs no points."""
    return [(points, name) for points in POINTS for name in methods if points == POINTS[0] or name not in RIVALS]


def found_in(restorer: Restorer, images: Mapping[str, NDArray[np.uint8]]) -> list[Photograph]:
    """Returns photographs with the points of their largest faces; InputError, naming it, for one without a face."""
    found = []
    for name, image in images.items():
        points = restorer.find(image)
        if not len(points):
            raise InputError(f"{name}: expected a photograph with a face, got none that the detector finds")
        found.append(Photograph(image, points[0], restorer.frame(points[0])))
    return found


def ours(
    restorer: Restorer,
    damaged: NDArray[np.float64],
    missing: Mask,
    points: NDArray[np.float64] | None,
    frame: Frame,
) -> list[tuple[str, NDArray[np.float64], Record]]:
    """Returns what is restored of a face with this frame, by our methods' names, each with what is noted of it."""
    try:
        result = restorer(damaged.astype(np.float32), missing, faces=points, mirror="on")
    except InputError:
        # nothing was found: what the error advises is not at hand
        alone, record = _tension(damaged, missing), {"found": False, "seconds": 0.0}
        return [(name, alone, record) for name in (OURS, PLAIN, ALWAYS)]
    plain = paste.composed(result.smooth, [(f.frame, f.window, f.part, f.plain) for f in result.faces])
    face = nearest(result.faces, frame)
    noted: Record = {"found": face is not None}
    used = False
    if face is not None:
        noted["error"] = round(apart(face.frame, frame), 3)
        if (told := face.mirror) is not None and told.trust is not None:
            used = mirror.refusal(told.cover, told.ring, told.yaw) is None
            ring = None if np.isnan(told.ring) else round(told.ring, 3)
            noted |= {"cover": round(told.cover, 3), "ring": ring, "yaw": round(told.yaw, 3)}
    spent = result.seconds
    noted["align"] = float(f"{spent['find'] + spent.get('look again', 0):.3g}")
    whole = float(f"{sum(spent.values()):.3g}")
    without = float(f"{sum(spent.values()) - spent.get('mirror', 0):.3g}")
    image = result.image
    return [
        (OURS, image if used else plain, noted | {"used": used, "seconds": whole}),
        (PLAIN, plain, noted | {"used": False, "seconds": without}),
        (ALWAYS, image, noted | {"used": True, "seconds": whole}),
    ]


def nearest(faces: Sequence[RestoredFace], frame: Frame) -> RestoredFace | None:
    """Returns the restored face whose frame is nearest to one; None without any."""
    return min(faces, key=lambda face: apart(face.frame, frame), default=None)


def apart(one: Frame, other: Frame) -> float:
    """Returns how far apart two frames put the model's pixels, on average, in such pixels."""
    there = lattice((other.size, other.size))
    return float(np.linalg.norm(one.to_model(other.to_photo(there)) - there, axis=-1).mean())


def figures(image: NDArray[Any], truth: NDArray[np.float64], missing: Mask) -> dict[str, float]:
    """Returns FIGURES of a restored photograph in [0, 1], as it is handed over, in its hole (H, W)."""
    near = around(missing, MARGIN)
    shown = np.round(255 * image[near].clip(0, 1)) / 255
    truth, hole = truth[near], missing[near]
    found = quality(shown, truth, hole)
    slopes = [float(np.hypot(*np.gradient(each, axis=(0, 1)))[hole].mean()) for each in (shown, truth)]
    all_ = {"psnr": found.hole_psnr, "ssim": found.hole_ssim, "sharp": slopes[0] / slopes[1], "seam": found.seam}
    return {name: round(float(value), DECIMALS[name]) for name, value in all_.items()}


def around(hole: Mask, margin: int) -> tuple[slice, slice]:
    """Returns the rows and columns that hold a hole (H, W), with so many pixels around."""
    ends = [np.flatnonzero(hole.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    rows, columns = (slice(max(int(first) - margin, 0), int(last) + margin + 1) for first, last in ends)
    return rows, columns
