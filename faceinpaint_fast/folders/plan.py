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
from faceinpaint_fast.images import EXTENSIONS, FORMATS
from faceinpaint_fast.picture_folder import Passed, pictures, told

MANIFEST, LOCK = "manifest.jsonl", ".lock"
# extensions of formats that keep known pixels bit for bit; another picture becomes a PNG
KEEPING = {extension for extension, format_ in FORMATS.items() if format_ != "JPEG"}

OnError = Literal["skip", "fail"]
Marked = Mapping[tuple[Path, str], Sequence[Path]]  # holes by the folder and the name of a picture that they may be of


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A folder to restore.

    images     the folder of damaged pictures, with those in folders within it
    holes      a folder of holes, matched by name; a picture of one hole for all; or a name, as of `holes.read_hole`
    out        the folder that restored pictures go to, in the folders that they came in
    seed       of all that is drawn at random; each picture has one of its own, which follows from this and its name
    extension  of all restored pictures; None: each picture's, or .png where that cannot keep known pixels
    invert     a hole is what its picture does not show
    force      take holes that are hardly meant to be some
    batch      pictures at a time, at most
    on_error   what a picture that fails does: "skip", and the others go on, or "fail", which ends it
    resume     leave what is finished as it is
    """

    images: Path
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
        if not self.images.is_dir():
            raise InputError(f"{self.images}: expected a folder of pictures, got none there")
        if not holes.is_said(self.holes) and not Path(self.holes).exists():
            raise InputError(f"{self.holes}: expected a folder of holes, a picture of one, or a name, got none")


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of a folder.

    name    its path in the folder
    path    where it is
    hole    its hole, as `holes.read_hole` has it; an InputError: it has none
    output  the path of the restored picture in its folder
    seed    its own
    """

    name: Path
    path: Path
    hole: str | InputError
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
        found = _without(task.out, pictures(task.images, passed), task.images)
        masks: list[Path] = []
        hole_of: dict[Path, str | InputError]
        if holes.is_said(task.holes):
            hole_of = dict.fromkeys(found, task.holes)
        elif (folder := Path(task.holes)).is_dir():
            matched = _matched(task.images, folder, found)
            masks = [*chain.from_iterable(matched.values())]
            hole_of = {path: _only(path.relative_to(task.images), folder, own) for path, own in matched.items()}
        else:
            masks = [folder]
            hole_of = dict.fromkeys(_without(folder, found, task.images), task.holes)
        if not hole_of:
            extensions = ", ".join(sorted(EXTENSIONS))
            raise InputError(f"{task.images}: expected pictures to restore, got none; what counts: {extensions}")
        names = {path: path.relative_to(task.images) for path in hole_of}
        outputs = _outputs(names.values(), task.extension)
        items = [
            Item(names[path], path, hole, outputs[names[path]], seed_of(task.seed, names[path]))
            for path, hole in hole_of.items()
        ]
        _check_apart(task.out, outputs.values(), [*hole_of, *masks])
        return cls(task, items, told(passed))


def seed_of(seed: int, name: Path) -> int:
    """Returns the seed of a picture by its name, which does not depend on the others in its folder."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name.as_posix()}".encode(errors="surrogateescape")).digest()[:4])


def _without(place: Path, paths: Iterable[Path], images: Path) -> list[Path]:
    """Returns the paths that are not at a place within `images`, nor in it."""
    within = place.resolve()
    if images.resolve().is_relative_to(within):
        return [*paths]
    return [path for path in paths if not path.resolve().is_relative_to(within)]


def _matched(images: Path, folder: Path, found: Sequence[Path]) -> dict[Path, list[Path]]:
    """Returns the pictures that are to be restored, each with the holes in the folder that are called as it is."""
    if folder.resolve() != images.resolve():
        marked = _marked(folder, pictures(folder, Passed()), ("", *holes.MARKS))
        return {path: _of(path.relative_to(images), marked) for path in _without(folder, found, images)}
    # side by side: a hole is what is marked as that of another
    marked = _marked(folder, found, holes.MARKS)
    matched = {path: _of(path.relative_to(images), marked) for path in found}
    masks = set(chain.from_iterable(matched.values()))
    return {path: own for path, own in matched.items() if path not in masks}


def _marked(folder: Path, masks: Iterable[Path], marks: Sequence[str]) -> Marked:
    """Returns holes by the pictures that they may be of: those whose name is theirs without one of the marks."""
    by_picture = defaultdict(list)
    for path in masks:
        for mark in marks:
            if path.stem.lower().endswith(mark):
                by_picture[path.parent.relative_to(folder), path.stem[: len(path.stem) - len(mark)]].append(path)
    return by_picture


def _of(name: Path, marked: Marked) -> list[Path]:
    """Returns the holes of a picture: called as it is with its extension, face.jpg_mask.png, or else without."""
    return [*(marked.get((name.parent, name.name)) or marked.get((name.parent, name.stem), ()))]


def _only(name: Path, folder: Path, masks: Sequence[Path]) -> str | InputError:
    """Returns the hole of a picture, or an InputError unless there is one."""
    if len(masks) == 1:
        return str(masks[0])
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


def _check_apart(out: Path, outputs: Iterable[Path], read: Iterable[Path]) -> None:
    """Raises InputError if a restored picture would take the place of one that is read."""
    places = {path.resolve() for path in read}
    for output in outputs:
        if (out / output).resolve() in places:
            raise InputError(f"{out}: expected another folder, in this one {output} would replace what is read")
