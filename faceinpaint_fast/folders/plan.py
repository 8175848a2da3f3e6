"""What is to do in a folder: which picture has which hole, and where what comes of it goes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Literal, get_args

from faceinpaint_fast import holes
from faceinpaint_fast.checks import expect_flag, whole
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.folders import sources
from faceinpaint_fast.folders.sources import Where, place_of
from faceinpaint_fast.images import EXTENSIONS, FORMATS
from faceinpaint_fast.picture_folder import Passed, told

MANIFEST, LOCK = "manifest.jsonl", ".lock"
# extensions of formats that keep known pixels bit for bit; another picture becomes a PNG
KEEPING = {extension for extension, format_ in FORMATS.items() if format_ != "JPEG"}

OnError = Literal["skip", "fail"]
# names of holes by the folder and the name of a picture that they may be of
Marked = Mapping[tuple[Path, str], Sequence[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A folder to restore.

    images     the folder of damaged pictures, with those in folders within it; an address of fsspec's in place of the
               folder; or a tar file, or a pattern of some, as shards/*.tar
    holes      where holes are, as images, matched by name; a picture of one hole for all; or a name, as of
               `holes.read_hole`
    out        the folder that restored pictures go to, in the folders that they came in
    seed       of all that is drawn at random; each picture has one of its own, which follows from this and its name
    extension  of all restored pictures; None: each picture's, or .png where that cannot keep known pixels
    invert     a hole is what its picture does not show
    force      take holes that are hardly meant to be some
    batch      pictures at a time, at most
    on_error   what a picture that fails does: "skip", and the others go on, or "fail", which ends it
    resume     leave what is finished as it is
    """

    images: Path | str
    holes: str
    out: Path
    seed: int = 0
    extension: str | None = None
    invert: bool = False
    force: bool = False
    batch: int = 64
    on_error: OnError = "skip"
    resume: bool = True

    def __post_init__(self) -> None:
        whole(self.seed, "seed", least=0)
        whole(self.batch, "batch", least=1)
        for name in ("invert", "force", "resume"):
            expect_flag(getattr(self, name), name)
        if self.extension is not None and self.extension not in FORMATS:
            raise InputError(f"extension: expected one of {', '.join(sorted(FORMATS))}, got {self.extension!r}")
        if self.on_error not in get_args(OnError):
            raise InputError(f"on_error: expected one of {', '.join(get_args(OnError))}, got {self.on_error!r}")
        sources.check(place_of(self.images), self.images)
        place = place_of(self.holes)
        if not holes.is_said(self.holes) and isinstance(place, Path) and not place.exists():
            raise InputError(f"{self.holes}: expected a folder of holes, a picture of one, or a name, got none")


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of a folder.

    name    its path in the folder
    where   where it is
    hole    its hole: the name of one, as `holes.read_hole` has it, or where its picture is; an InputError: it has none
    output  the path of the restored picture in its folder
    seed    its own
    """

    name: Path
    where: Where
    hole: str | Where | InputError
    output: Path
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to do: the pictures by name, and what was passed over, in words."""

    task: Task
    items: Sequence[Item]
    passed: str

    @classmethod
    def of(cls, task: Task) -> Plan:
        """Looks through the folders; InputError where there is no picture, or one would be written over."""
        passed = Passed()
        images, said = place_of(task.images), place_of(task.holes)
        found = _without(task.out, sources.pictures_of(images, passed), images)
        masks: list[Where] = []
        hole_of: dict[Path, str | Where | InputError]
        if holes.is_said(task.holes):
            hole_of = dict.fromkeys(found, task.holes)
        elif sources.is_picture(said):
            masks = [sources.picture_at(said)]
            found = found if isinstance(said, str) else _without(said, found, images)
            hole_of = dict.fromkeys(found, masks[0])
        else:
            beside = _same(said, images)
            lie = found if beside else sources.pictures_of(said, Passed())
            found = found if beside or isinstance(said, str) else _without(said, found, images)
            matched = _matched(found, lie, beside)
            masks = [lie[name] for name in chain.from_iterable(matched.values())]
            hole_of = {name: _only(name, task.holes, [lie[each] for each in own]) for name, own in matched.items()}
        if not hole_of:
            extensions = ", ".join(sorted(EXTENSIONS))
            raise InputError(f"{task.images}: expected pictures to restore, got none; what counts: {extensions}")
        outputs = _outputs(hole_of, task.extension)
        items = [
            Item(name, found[name], hole, outputs[name], seed_of(task.seed, name)) for name, hole in hole_of.items()
        ]
        _check_apart(task.out, outputs.values(), [*(found[name] for name in hole_of), *masks])
        return cls(task, items, told(passed))


def seed_of(seed: int, name: Path) -> int:
    """Returns the seed of a picture by its name, which does not depend on the others in its folder."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name.as_posix()}".encode(errors="surrogateescape")).digest()[:4])


def _without(place: Path, found: dict[Path, Where], images: Path | str) -> dict[Path, Where]:
    """Returns the pictures that are not at a place within `images`, nor in it."""
    within = place.resolve()
    if not isinstance(images, Path) or images.resolve().is_relative_to(within):
        return found
    return {
        name: path
        for name, path in found.items()
        if not (isinstance(path, Path) and path.resolve().is_relative_to(within))
    }


def _same(one: Path | str, other: Path | str) -> bool:
    """Says whether two places are one."""
    if isinstance(one, Path) and isinstance(other, Path):
        return one.resolve() == other.resolve()
    return one == other


def _matched(found: Mapping[Path, Where], lie: Mapping[Path, Where], beside: bool) -> dict[Path, list[Path]]:
    """Returns the names of the pictures that are to be restored, each with those of the holes that are called as it is.

    beside  pictures and holes lie side by side: a hole is what is marked as that of another
    """
    marked = _marked(lie, holes.MARKS if beside else ("", *holes.MARKS))
    matched = {name: _of(name, marked) for name in found}
    masks = set(chain.from_iterable(matched.values())) if beside else set()
    return {name: own for name, own in matched.items() if name not in masks}


def _marked(masks: Iterable[Path], marks: Sequence[str]) -> Marked:
    """Returns holes by the pictures that they may be of: those whose name is theirs without one of the marks."""
    by_picture = defaultdict(list)
    for name in masks:
        for mark in marks:
            if name.stem.lower().endswith(mark):
                by_picture[name.parent, name.stem[: len(name.stem) - len(mark)]].append(name)
    return by_picture


def _of(name: Path, marked: Marked) -> list[Path]:
    """Returns the holes of a picture: called as it is with its extension, face.jpg_mask.png, or else without."""
    return [*(marked.get((name.parent, name.name)) or marked.get((name.parent, name.stem), ()))]


def _only(name: Path, folder: str, masks: Sequence[Where]) -> Where | InputError:
    """Returns the hole of a picture, or an InputError unless there is one."""
    if len(masks) == 1:
        return masks[0]
    called, got = name.with_suffix(""), " and ".join(mask.name for mask in masks) or "none"
    return InputError(f"{name}: expected one hole called {called} or {called}{holes.MARKS[0]} in {folder}, got {got}")


def _outputs(names: Iterable[Path], extension: str | None) -> dict[Path, Path]:
    """Returns where each picture goes, no two to one place, not even where large and small letters are alike.

    Where face.jpg would become face.png, which another picture is, it becomes face.jpg.png.
    """

    def of(name: Path) -> str:
        return extension or (name.suffix if name.suffix.lower() in KEEPING else ".png")

    outputs: dict[Path, Path] = {}
    taken: set[str] = set()
    # first those that keep their names
    for name in sorted(names, key=lambda name: (name.suffix != of(name), name)):
        output = next(path for path in _places(name, of(name)) if str(path).casefold() not in taken)
        taken.add(str(output).casefold())
        outputs[name] = output
    return outputs


def _places(name: Path, extension: str) -> Iterator[Path]:
    yield name.with_suffix(extension)
    yield name.with_name(name.name + extension)
    yield from (name.with_name(f"{name.name}-{number}{extension}") for number in count(2))


def _check_apart(out: Path, outputs: Iterable[Path], read: Iterable[Where]) -> None:
    """Raises InputError if a restored picture would take the place of one that is read."""
    places = {path.resolve() for path in read if isinstance(path, Path)}
    for output in outputs:
        if (out / output).resolve() in places:
            raise InputError(f"{out}: expected another folder, in this one {output} would replace what is read")
