"""The evaluation: every method restores every face under every mask.

All methods get the same holes.  A face's seed, of its hole and of the start of a search, is a function of the
evaluation's seed and of the face's place in its data set; so holes of random pixels grow from drop-20 to drop-80.
Results are judged as a user gets them, rounded to 8 bits.  Methods restore a batch at a time, and `seconds` is the
batch's time over its size.  A batch's records are written at once: an interruption costs no more than one batch, or,
with several processes, those that are at work and those that wait for one before them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast import masks
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.evaluation.methods import Choice, Method
from faceinpaint_fast.evaluation.metrics import Quality, quality
from faceinpaint_fast.evaluation.results import Log, Record, check_writable, digest, slug, to_itself
from faceinpaint_fast.faces import OnError, is_picture, load_faces, matched
from faceinpaint_fast.framing import Framing

MASKS = ("centre", "left", "right", "top", "bottom", "free-form", "drop-20", "drop-40", "drop-60", "drop-80")
SHARD = re.compile(r"\.(tar(\.\w+)?|t[gbx]z)$")  # how the name of a shard ends
# dB, for a perfect restoration, so that means stay finite; any other has at most 95 in 128x128 pixels of 8 bits
PERFECT = 100.0
SMALLEST = (32, 32)  # pixels of any model's images
DECIMALS = {"psnr": 2, "ssim": 4, "hole_psnr": 2, "hole_ssim": 4, "l1": 5, "seam": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What every method is asked: masks by the names of `masks.draw`, the seed, how many images at a time."""

    masks: tuple[str, ...] = MASKS
    seed: int = 0
    batch: int = 16

    def __post_init__(self) -> None:
        for option, least in (("seed", 0), ("batch", 1)):
            if getattr(self, option) < least:
                raise InputError(f"{option}: expected >= {least}, got {getattr(self, option)}")
        for name in self.masks:
            if not 0 < masks.draw(name, SMALLEST).mean() < 1:
                raise InputError(f"masks: expected a hole with missing and with known pixels, got {name}")

    def batches(self, count: int) -> list[range]:
        """Returns so many faces by their numbers, a batch at a time."""
        return [range(first, min(first + self.batch, count)) for first in range(0, count, self.batch)]


def parts(sources: Sequence[Path]) -> dict[str, list[Path]]:
    """Returns what every data set is read from: folders or tar shards, by their names without suffix.

    Single pictures are one data set by their folder's name.  Raises InputError for two data sets of one name.
    """
    found: dict[str, list[Path]] = {}
    lies_in: dict[str, Path | None] = {}  # of single pictures
    for source in matched(sources):
        folder = source.resolve().parent if is_picture(source) else None
        path = folder or source.resolve()
        name = path.name if path.is_dir() else SHARD.sub("", source.name)
        if name in found and (folder is None or lies_in[name] != folder):
            raise InputError(f"data: expected data sets of different names, got {name} twice")
        lies_in[name] = folder
        found.setdefault(name, []).append(source)
    return found


def data_sets(
    sources: Sequence[Path],
    *,
    size: int,
    framing: Framing,
    limit: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
    on_error: OnError = "fail",
) -> dict[str, NDArray[np.uint8]]:
    """Returns the faces (N, size, size, 3) of every data set, by the names of `parts`.

    Each is read as `load_faces` reads it; `limit` is of each.  Raises InputError as the two do.
    """
    return {
        name: load_faces(part, size=size, framing=framing, limit=limit, progress=progress, tell=tell, on_error=on_error)
        for name, part in parts(sources).items()
    }


def seed_of(seed: int, face: int) -> int:
    """Returns the seed of a face's holes and searches, 32 bits."""
    return int(np.random.SeedSequence([seed, face]).generate_state(1)[0])


class Piece(NamedTuple):
    """A batch of a data set's faces, to be restored by a method under a mask; `where` records of them go."""

    data: str
    method: str
    mask: str
    batch: range
    where: str


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Restores batches of the faces (N, H, W, 3) of data sets, and judges what comes of them."""

    methods: Mapping[str, Method]
    data: Mapping[str, NDArray[np.uint8]]
    seed: int

    def __call__(self, piece: Piece) -> list[Record]:
        """Returns the records of a batch; ModelError for what is not finite."""
        batch, faces = piece.batch, self.data[piece.data]
        seeds = [seed_of(self.seed, face) for face in batch]
        truths = faces[batch.start : batch.stop] / 255
        holes = np.stack([masks.draw(piece.mask, truths.shape[1:3], each) for each in seeds])
        start = time.perf_counter()
        restored = self.methods[piece.method].restore(np.where(holes[..., None], 0, truths), holes, seeds)
        seconds = float(f"{(time.perf_counter() - start) / len(batch):.3g}")
        images = as_handed_over(restored, f"{piece.where}: expected finite images under {piece.mask}", batch) / 255
        return [
            {"mask": piece.mask, "face": face, "pixels": digest(faces[face])}
            | _rounded(quality(image, truth, hole))
            | {"seconds": seconds}
            for face, image, truth, hole in zip(batch, images, truths, holes, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Judging:
    """What a `Judge` is made of by another process."""

    choice: Choice
    data: Mapping[str, NDArray[np.uint8]]
    seed: int

    def made(self, device: str) -> Judge:
        """Returns one on a device."""
        return Judge(self.choice.built(torch.device(device)), self.data, self.seed)


# has pieces judged, in their order
Through = Callable[[Sequence[Piece]], Iterable[list[Record]]]


def evaluate(
    asked: Evaluation,
    methods: Mapping[str, Method],
    data: Mapping[str, NDArray[np.uint8]],
    out: Path,
    *,
    machine: Mapping[str, str],
    progress: Callable[[str, int], None] = lambda *_: None,
    through: Through | None = None,
) -> None:
    """Restores the faces (N, H, W, 3) of every data set by every method, but for what is in `out` already.

    machine   goes into the headers
    progress  hears what was done, and to how many faces
    through   has batches restored and judged in their order, wherever; None: here, one after the other

    A file of results is this process's alone while it may write to it.  Raises InputError, before any work, if `out`
    cannot be written to, holds results of another evaluation or is being written to, and for two methods of one slug.
    """
    first_faces = {name: hashlib.sha256(faces[0].tobytes()).hexdigest() for name, faces in data.items()}
    sets = {name: (faces, {"first_face": first_faces[name]}) for name, faces in data.items()}
    judged = through or partial(map, Judge(methods, data, asked.seed))
    with opened(asked, methods, sets, out, machine) as logs:
        missing = {
            Piece(set_name, name, mask, batch, str(log.path)): [i for i in batch if (mask, i) not in log.done]
            for (set_name, name), log in logs.items()
            for mask in asked.masks
            for batch in asked.batches(len(data[set_name]))
        }
        # a whole batch once more where one face is missing: with fewer neighbours the last bits of a search may differ
        found = iter(judged([piece for piece, faces in missing.items() if faces]))
        for piece, faces in missing.items():
            if faces:
                logs[piece.data, piece.method].append([each for each in next(found) if each["face"] in faces])
            progress(f"{piece.data} {piece.method} {piece.mask}", len(piece.batch))


def files(methods: Iterable[str], data: Iterable[str], out: Path) -> dict[tuple[str, str], Path]:
    """Returns where the results of every data set and method lie; InputError for two methods of one slug."""
    slugs = {name: slug(name) for name in methods}
    if len(set(slugs.values())) < len(slugs):
        raise InputError(f"methods: expected names whose files differ, got {', '.join(slugs)}")
    return {(each, name): out / each / f"{slugs[name]}.jsonl" for each in data for name in slugs}


def check(methods: Iterable[str], sources: Sequence[Path], out: Path) -> None:
    """Raises InputError as `evaluate` does for what cannot be written: asked before faces are read, not after."""
    for path in files(methods, parts(sources), out).values():
        check_writable(path)


@contextmanager
def opened(
    asked: Evaluation,
    methods: Mapping[str, Method],
    sets: Mapping[str, tuple[NDArray[np.uint8], Record]],
    out: Path,
    machine: Mapping[str, str],
) -> Iterator[dict[tuple[str, str], Log]]:
    """Holds the results so far of every data set and method for this process, by the two names.

    sets  of each data set the faces that records are of, (N, H, W, 3), and what headers say of it besides its name

    Raises InputError as `evaluate` does.
    """
    with ExitStack() as stack:
        logs = {}
        for (set_name, method_name), path in files(methods, sets, out).items():
            (faces, said), method = sets[set_name], methods[method_name]
            header = {
                "method": method_name,
                "data": set_name,
                **said,
                "model": method.model,
                "config": method.config,
                "seed": asked.seed,
                "batch": asked.batch,
                "machine": machine,
            }
            check_writable(path)
            stack.enter_context(to_itself(path))
            logs[set_name, method_name] = Log(path, header, list(map(digest, faces)))
        yield logs


def as_handed_over(restored: NDArray[np.float64], expected: str, batch: range) -> NDArray[np.uint8]:
    """Returns restored images (n, H, W, 3) as a user gets them, in 8 bits.

    Raises ModelError, which begins with what was expected, for numbers among those of the batch's faces that are none.
    """
    if not np.isfinite(restored).all():
        raise ModelError(f"{expected}, got NaN or Inf among faces {list(batch)}")
    return np.round(255 * restored.clip(0, 1)).astype(np.uint8)


def _rounded(figures: Quality) -> dict[str, float | None]:
    """Returns figures for JSON, which has neither NaN nor infinity, to as many decimals as matter."""
    return {
        name: None if math.isnan(value) else PERFECT if math.isinf(value) else round(value, DECIMALS[name])
        for name, value in dataclasses.asdict(figures).items()
    }
