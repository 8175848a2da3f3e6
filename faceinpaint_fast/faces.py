"""Aligned faces in memory, to train on or to restore: of folders, tar shards, pictures, and one that everybody has."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from glob import glob
from io import BytesIO
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.checks import whole
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.extras import of_extra
from faceinpaint_fast.framing import CELEBA_108, Framing
from faceinpaint_fast.images import EXTENSIONS, read_image
from faceinpaint_fast.picture_folder import Passed, pictures, told
from faceinpaint_fast.picture_shard import members

# eyes, nose and the corners of the mouth of scikit-image's astronaut, (x, y) in pixels
ASTRONAUT = np.array([(203.4, 100.6), (247.4, 103.0), (226.0, 126.0), (205.0, 141.0), (243.6, 142.0)])
FINER = 4  # times: warping alone does not guard against aliasing, averaging afterwards does
TOLD = 10  # so many of the pictures that failed are named

OnError = Literal["fail", "skip"]


def astronaut(framing: Framing, size: int) -> NDArray[np.uint8]:
    """Returns the face of scikit-image's astronaut, aligned as a framing has faces: (size, size, 3).

    A framing that does not say where faces lie gets them as CELEBA_108 has them.
    """
    with of_extra("cli"):
        from skimage import data, transform

    told = framing if framing.points else CELEBA_108
    align = transform.estimate_transform("similarity", told.points_in(FINER * size), ASTRONAUT)
    face = transform.warp(data.astronaut() / 255, align, output_shape=(FINER * size, FINER * size))
    return np.round(transform.downscale_local_mean(face, (FINER, FINER, 1)) * 255).astype(np.uint8)


def load_faces(
    sources: Sequence[Path | str],
    *,
    size: int,
    framing: Framing,
    limit: int | None = None,
    only: Collection[str] | None = None,
    progress: Callable[[int], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
    on_error: OnError = "fail",
) -> NDArray[np.uint8]:
    """Returns the faces of folders, tar files and single pictures, in the order given: (N, size, size, 3).

    Those of a folder and of a pattern, such as faces/*.png, come by name, those of a tar file as they lie in it.

    size      pixels; a picture that has size x size of them is taken as it is
    framing   which square of any other picture is the face; it is drawn with size x size pixels, as is a picture that
              has been cut to the square
    limit     how many faces to read, by default all
    only      names of pictures, as `names_of` has them; others are not read
    progress  hears how many are there
    tell      hears what was done with the first picture, in a line, and at last what was passed over or skipped
    on_error  what a picture does that cannot be read, or is neither of that size nor has that square: "fail", or "skip"

    A face takes 3 size^2 bytes of memory.  Hidden files and those with other extensions than a picture's are passed
    over.  Raises InputError, naming the first pictures that fail, if a tar file is not whole, and if there is no face.
    """
    if isinstance(sources, str | PathLike):
        raise InputError(f"sources: expected a list of them, got {sources!r}")
    if limit is not None:
        whole(limit, "limit", least=1)
    if on_error not in get_args(OnError):
        raise InputError(f"on_error: expected one of {', '.join(get_args(OnError))}, got {on_error!r}")
    passed, failed = Passed(), list[InputError]()
    every = chain.from_iterable(_files(source, passed) for source in matched(sources))
    files = ((name, file) for name, file in every if only is None or name in only)
    named_at_most = TOLD if on_error == "fail" else None
    # it grows where it lies, by an eighth: no face is there twice, and no picture outlives its face
    pixels, count = bytearray(), 0
    for face, done in islice(_fitting(files, size, framing, failed, named_at_most), limit):
        # the others are read on for what else fails
        if not count and not (failed and on_error == "fail"):
            tell(done)
        pixels += face.tobytes()
        count += 1
        progress(count)
    if failed and on_error == "fail":
        raise _together(failed)
    if failed:
        tell(f"skipped {len(failed)} pictures: {_listed(failed)}")
    if passed:
        tell(f"passed over, since no pictures: {told(passed)}")
    if not count:
        where = ", ".join(map(str, sources)) or "some source"
        raise InputError(f"data: expected images in {where}, got none; what counts: {', '.join(sorted(EXTENSIONS))}")
    return np.frombuffer(pixels, np.uint8).reshape(count, size, size, 3)


def names_of(sources: Sequence[Path | str]) -> list[str]:
    """Returns the names of the pictures that `load_faces` reads, in its order: paths, SHARD:MEMBER in tar files."""
    passed = Passed()
    return [name for source in matched(sources) for name, _ in _files(source, passed)]


def matched(sources: Iterable[Path | str]) -> list[Path]:
    """Returns the sources, with the files that a pattern matches in its place; what matches none stays as it is."""
    found: list[Path] = []
    for source in sources:
        path = Path(source)
        # not Path's own, which takes no absolute pattern
        files = [] if path.exists() else sorted(glob(str(source), recursive=True))  # noqa: PTH207
        found += list(map(Path, files)) or [path]
    return found


def is_picture(source: Path) -> bool:
    """Says whether a source of faces is a single picture."""
    return source.suffix.lower() in EXTENSIONS and not source.is_dir()


def _fitting(
    files: Iterable[tuple[str, Path | BinaryIO]],
    size: int,
    framing: Framing,
    failed: list[InputError],
    most: int | None,
) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Yields the faces of files, each with what was done; the errors of others go to `failed`, at most `most`."""
    for name, file in files:
        try:
            fitted = _fitted(read_image(file, name=name), size, framing, name)
        except InputError as error:
            failed.append(error)
            if len(failed) == most:
                return
        else:
            yield fitted


def _together(failed: Sequence[InputError]) -> InputError:
    """Returns one error for all pictures that failed."""
    if len(failed) == 1:
        return failed[0]
    many = f"the first {TOLD}" if len(failed) == TOLD else len(failed)
    return InputError(f"data: expected pictures that can all be used, got {many} that fail: {_listed(failed)}")


def _listed(failed: Sequence[InputError]) -> str:
    """Returns the messages of the first pictures that failed."""
    return "; ".join([*map(str, failed[:TOLD]), *([f"and {len(failed) - TOLD} more"] if len(failed) > TOLD else [])])


def _files(source: Path, passed: Passed) -> Iterator[tuple[str, Path | BinaryIO]]:
    """Yields the pictures of a source, each with its name."""
    if source.is_dir():
        for path in pictures(source, passed):
            yield str(path), path
    elif is_picture(source):
        yield str(source), source
    else:
        yield from _members(source, passed)


def _members(source: Path, passed: Passed) -> Iterator[tuple[str, BinaryIO]]:
    """Yields the pictures of a tar file; links are followed."""

    def take(shard: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, BinaryIO] | None:
        # none of what is no file, such as a folder
        content = shard.extractfile(member)
        return None if content is None else (f"{source}:{member.name}", BytesIO(content.read()))

    return members(source, passed, take)


def _fitted(image: NDArray[np.uint8], size: int, framing: Framing, name: str) -> tuple[NDArray[np.uint8], str]:
    """A picture as (size, size, 3), and what was done with it."""
    height, width = image.shape[:2]
    if height == width == size:
        return image, f"{name}: {size}x{size} pixels, taken as they are"
    place = framing.place_in(width, height)
    if place is None:
        either = f"{size}x{size} pixels, or {framing.pictures} to be cut to {framing}"
        raise InputError(f"{name}: expected {either}, got {width}x{height}")
    square = f"the square of {framing.side} pixels at {place}"
    return framing.cut(image, size), f"{name}: {width}x{height} pixels, of which {square} is drawn with {size}x{size}"
