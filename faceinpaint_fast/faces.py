"""Aligned faces in memory, to train on or to restore: of folders and tar shards, and one that everybody has."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import CELEBA_108, Framing
from faceinpaint_fast.images import EXTENSIONS, read_image

# eyes, nose and the corners of the mouth of scikit-image's astronaut, (x, y) in pixels
ASTRONAUT = np.array([(203.4, 100.6), (247.4, 103.0), (226.0, 126.0), (205.0, 141.0), (243.6, 142.0)])
FINER = 4  # times: warping alone does not guard against aliasing, averaging afterwards does


def astronaut(framing: Framing, size: int) -> NDArray[np.uint8]:
    """Returns the face of scikit-image's astronaut, aligned as a framing has faces: (size, size, 3).

    A framing that does not say where faces lie gets them as CELEBA_108 has them.
    """
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
    progress: Callable[[int], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> NDArray[np.uint8]:
    """Returns the faces of folders and tar files, in the order given and by name within a folder: (N, size, size, 3).

    size      pixels; a picture that has size x size of them is taken as it is
    framing   which square of any other picture is the face; it is drawn with size x size pixels, as is a picture that
              has been cut to the square
    limit     how many faces to read, by default all
    progress  hears how many are there
    tell      hears what was done with the first picture, in a line

    A face takes 3 size^2 bytes of memory.  Raises InputError, naming the file, if a picture cannot be read or is
    neither of that size nor has that square, and if there is none.
    """
    faces: list[NDArray[np.uint8]] = []
    for source in sources:
        for name, file in _files(Path(source)):
            face, done = _fitted(read_image(file, name=name), size, framing, name)
            if not faces:
                tell(f"{name}: {done}")
            faces.append(face)
            progress(len(faces))
            if len(faces) == limit:
                return np.stack(faces)
    if not faces:
        raise InputError(f"data: expected images in {', '.join(map(str, sources)) or 'some source'}, got none")
    return np.stack(faces)


def _files(source: Path) -> Iterator[tuple[str, Path | BinaryIO]]:
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in EXTENSIONS and path.is_file():
                yield str(path), path
        return
    try:
        with tarfile.open(source) as shard:
            for member in shard:
                if member.isfile() and Path(member.name).suffix.lower() in EXTENSIONS:
                    yield f"{source}:{member.name}", BytesIO(shard.extractfile(member).read())  # type: ignore[union-attr]
    # a broken shard: TarError, OSError, and of compressed ones EOFError, zlib.error, LZMAError ...
    except Exception as error:
        raise InputError(f"{source}: expected a folder of images or a tar file, got: {error}") from error


def _fitted(image: NDArray[np.uint8], size: int, framing: Framing, name: str) -> tuple[NDArray[np.uint8], str]:
    """A picture as (size, size, 3), and what was done with it."""
    height, width = image.shape[:2]
    if height == width == size:
        return image, f"{size}x{size} pixels, taken as they are"
    place = framing.place_in(width, height)
    if place is None:
        either = f"{size}x{size} pixels, or {framing.pictures} to be cut to {framing}"
        raise InputError(f"{name}: expected {either}, got {width}x{height}")
    square = f"the square of {framing.side} pixels at {place}"
    return framing.cut(image, size), f"{width}x{height} pixels, of which {square} is drawn with {size}x{size}"
