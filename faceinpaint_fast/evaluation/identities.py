"""Who is who in a data set: pairs of pictures of one person, from a CSV file of pictures and people."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.faces import load_faces, names_of
from faceinpaint_fast.framing import Framing


@dataclass(frozen=True, slots=True)
class People:
    """Two faces of each person: (N, H, W, 3) of the gallery, which says who is who, and as many to be recognised."""

    gallery: NDArray[np.uint8]
    probes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.gallery)


def read_identities(path: Path) -> dict[str, str]:
    """Returns who is in a picture, by the picture's name as `key` has it.

    The file is CSV: a line of heads, then a line a picture, its name, with or without folder and ending, and the
    person's.  Raises InputError for anything else, and for a picture with two people.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            _, *lines = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV file of pictures and people, got: {error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 2):
        if len(line) != 2 or not all(line):
            raise InputError(f"{path}: expected a picture and a person in line {number}, got {','.join(line)!r}")
        picture, person = key(line[0]), line[1]
        if found.setdefault(picture, person) != person:
            raise InputError(f"{path}: expected one person in picture {picture}, got another in line {number}")
    if not found:
        raise InputError(f"{path}: expected a CSV file of pictures and people, got no line below the heads")
    return found


def key(name: str) -> str:
    """Returns what tells a picture by its name: without folder, shard, ending and a number's leading zeros."""
    stem = Path(re.split(r"[/\\:]", name)[-1]).stem
    return str(int(stem)) if stem.isdecimal() else stem


def pairs(names: Sequence[str], identities: Mapping[str, str]) -> list[tuple[int, int]]:
    """Returns the places of the first two pictures of each person who has two, in the order of the first ones."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if (person := identities.get(key(name))) is not None:
            places.setdefault(person, []).append(place)
    return [(found[0], found[1]) for found in places.values() if len(found) > 1]


def load_people(
    sources: Sequence[Path], identities: Mapping[str, str], *, size: int, framing: Framing, limit: int | None = None
) -> People:
    """Returns the first people of a data set, as many as there are or `limit`, two faces of each.

    Of a person the first picture is the gallery's, the second the one to be recognised.  Raises InputError as
    `load_faces` does, and where no two people have two pictures each.
    """
    names = names_of(sources)
    chosen = pairs(names, identities)[:limit]
    if len(chosen) < 2:
        where = ", ".join(map(str, sources))
        raise InputError(f"recognise: expected two people or more with two pictures each in {where}, got {len(chosen)}")
    wanted = sorted(place for pair in chosen for place in pair)
    faces = load_faces(sources, size=size, framing=framing, only={names[place] for place in wanted})
    if len(faces) != len(wanted):
        raise InputError("recognise: expected pictures of different names, got some of the same")
    row = {place: i for i, place in enumerate(wanted)}
    first, second = (faces[[row[pair[i]] for pair in chosen]] for i in (0, 1))
    return People(first, second)
