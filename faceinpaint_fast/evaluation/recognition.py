"""Is the person recognised?  A restored picture against another, undamaged one of the same person, and of others.

Of each person one undamaged face is in the gallery; another face is damaged, restored by a method and described by a
recogniser, as a user gets it, in 8 bits.  Its distance to the person's own face in the gallery is a true pair's, those
to everybody else's are false pairs'.  `damaged` leaves the hole grey, `undamaged` has no hole: what a method has to
beat, and what it can reach.  A person's seed is that of a face of the evaluation in the same place.

A record has no descriptor, which would be a person's own data, but what the figures are made of:

    {"mask", "face", "pixels", "own", "rank", "others"}

the person's place in the data set, the distance to the person's own face, how many of the others' are nearer, and the
distances to those of them that are among the TAIL nearest of all false pairs under this mask.  For these a mask's
records are written at once, when all people have been restored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.identities import People
from faceinpaint_fast.evaluation.methods import Choice, Method
from faceinpaint_fast.evaluation.protocol import MASKS, Evaluation, Piece, as_handed_over, opened, seed_of
from faceinpaint_fast.evaluation.recogniser import NAME, Recogniser, load
from faceinpaint_fast.evaluation.results import RECOGNITION, Record, digest
from faceinpaint_fast.framing import Framing

DAMAGED, UNDAMAGED = "damaged", "undamaged"
NO_HOLE = "none"  # the mask of what is undamaged
GREY = 0.5  # of 1, what `damaged` has in its hole
RECOGNISED = ("centre", "eyes", "mouth", *MASKS[1:])  # masks
TAIL = 0.02  # of the false pairs, twice as many as are ever accepted


def _grey(images: NDArray[np.float64], holes: NDArray[np.bool_], _: Sequence[int]) -> NDArray[np.float64]:
    return np.where(holes[..., None], GREY, images)


# which restore nothing: what is there without a method
BOUNDS: Mapping[str, Method] = {
    DAMAGED: Method(restore=_grey, config={"grey": GREY}),
    UNDAMAGED: Method(restore=lambda images, *_: images),
}


@dataclass(frozen=True, slots=True, eq=False)
class Describer:
    """Describes batches of people, damaged and restored: of each data set the faces (N, H, W, 3)."""

    methods: Mapping[str, Method]
    probes: Mapping[str, NDArray[np.uint8]]
    recogniser: Recogniser
    seed: int

    def __call__(self, piece: Piece) -> NDArray[np.float64]:
        """Returns descriptors (B, 128); ModelError for what is not finite."""
        batch, faces = piece.batch, self.probes[piece.data][piece.batch.start : piece.batch.stop]
        shape = (faces.shape[1], faces.shape[2])
        seeds = [seed_of(self.seed, face) for face in batch]
        none = piece.mask == NO_HOLE
        holes = np.stack([np.zeros(shape, bool) if none else masks.draw(piece.mask, shape, s) for s in seeds])
        restored = self.methods[piece.method].restore(np.where(holes[..., None], 0, faces / 255), holes, seeds)
        return self.recogniser(as_handed_over(restored, f"recognise: expected finite images under {piece.mask}", batch))


@dataclass(frozen=True, slots=True, eq=False)
class Describing:
    """What a `Describer` is made of by another process; size and framing are the faces'."""

    choice: Choice
    probes: Mapping[str, NDArray[np.uint8]]
    seed: int
    size: int
    framing: Framing

    def made(self, device: str) -> Describer:
        """Returns one on a device."""
        methods = {**BOUNDS, **self.choice.built(torch.device(device))}
        return Describer(methods, self.probes, load(self.size, self.framing), self.seed)


# has people described, in the order of the pieces
Through = Callable[[Sequence[Piece]], Iterable[NDArray[np.float64]]]


def recognise(
    asked: Evaluation,
    methods: Mapping[str, Method],
    people: Mapping[str, People],
    out: Path,
    *,
    recogniser: Recogniser,
    machine: Mapping[str, str],
    progress: Callable[[str, int], None] = lambda *_: None,
    through: Through | None = None,
) -> None:
    """Measures every method on the people of every data set, but for what is in `out` already, a mask at a time.

    machine   goes into the headers
    progress  hears what was done, and to how many people
    through   has batches restored and described in their order, wherever; None: here, one after the other

    Raises InputError, before any work, if `out` cannot be written to or holds results of another kind, of other people
    or settings.
    """
    sets = {name: (those.probes, _said_of(those)) for name, those in people.items()}
    probes = {name: those.probes for name, those in people.items()}
    galleries: dict[str, NDArray[np.float64]] = {}
    described = through or partial(map, Describer(methods, probes, recogniser, asked.seed))
    with opened(asked, methods, sets, out, machine) as logs:
        missing = {
            (data, name, mask): [
                Piece(data, name, mask, batch, str(log.path)) for batch in asked.batches(len(people[data]))
            ]
            for (data, name), log in logs.items()
            for mask in masks_of(name, asked.masks)
            if any((mask, i) not in log.done for i in range(len(people[data])))
        }
        found = iter(described([piece for pieces in missing.values() for piece in pieces]))
        for (data, name), log in logs.items():
            those = people[data]
            for mask in masks_of(name, asked.masks):
                heard = partial(progress, f"{data} {name} {mask}")
                if (data, name, mask) not in missing:
                    heard(len(those))
                    continue
                if data not in galleries:
                    galleries[data] = recogniser(those.gallery)
                descriptors = []
                for piece in missing[data, name, mask]:
                    descriptors.append(next(found))
                    heard(len(piece.batch))
                made = _records(mask, those, galleries[data], np.concatenate(descriptors))
                # a kill may have cut a mask's records short
                log.append([each for each in made if (mask, each["face"]) not in log.done])


def masks_of(method: str, asked: Iterable[str]) -> tuple[str, ...]:
    """Returns the masks under which a method is measured: the undamaged face has no hole."""
    return (NO_HOLE,) if method == UNDAMAGED else tuple(asked)


def _said_of(people: People) -> Record:
    """Returns what headers say of people, and of what looks for them."""
    pixels = people.gallery.tobytes() + people.probes.tobytes()
    return {
        "kind": RECOGNITION,
        "people": len(people),
        "pictures": hashlib.sha256(pixels).hexdigest(),
        "recogniser": NAME,
    }


def _records(mask: str, people: People, gallery: NDArray[np.float64], found: NDArray[np.float64]) -> Iterable[Record]:
    """Yields a record a person; descriptors are (N, 128)."""
    distances = np.round(cdist(found, gallery), 4)
    false = ~np.eye(len(people), dtype=np.bool_)
    kept = int(TAIL * false.sum())
    # one more than may be accepted, at which acceptance ends
    tail = np.partition(distances[false], kept)[kept]
    for i, row in enumerate(distances):
        others = np.sort(row[false[i]])
        yield {
            "mask": mask,
            "face": i,
            "pixels": digest(people.probes[i]),
            "own": float(row[i]),
            "rank": int((others < row[i]).sum()),
            "others": others[others <= tail].tolist(),
        }
