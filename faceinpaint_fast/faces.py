"""Aligned faces in memory, to train on or to restore: of folders and tar shards, and one that everybody has."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import Framing
from faceinpaint_fast.images import EXTENSIONS, read_image
from faceinpaint_fast.networks.dcgan import IMAGE_SIZE

# eyes, nose and the corners of the mouth of scikit-image's astronaut, (x, y) in pixels
ASTRONAUT = np.array([(203.4, 100.6), (247.4, 103.0), (226.0, 126.0), (205.0, 141.0), (243.6, 142.0)])
FINER = 4  # times: warping alone does not guard against aliasing, averaging afterwards does


def astronaut(framing: Framing, size: int) -> NDArray[np.uint8]:
    """Returns the face of scikit-image's astronaut, aligned as a framing has faces: (size, size, 3)."""
    from skimage import data, transform

    align = transform.estimate_transform("similarity", framing.points_in(FINER * size), ASTRONAUT)
    face = transform.warp(data.astronaut() / 255, align, output_shape=(FINER * size, FINER * size))
    return np.round(transform.downscale_local_mean(face, (FINER, FINER, 1)) * 255).astype(np.uint8)


def load_faces(
    sources: Sequence[Path | str],
    *,
    crop: int | None = None,
    limit: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> NDArray[np.uint8]:
    """Decode the faces of folders and tar files, in the order given and by name within a folder: (N, 64, 64, 3).

    A larger image is cut to its centred square, of `crop` pixels if given (108 for CelebA's 178x218), and resized.
    `progress` hears how many are there.  12 KB of memory a face.  Raises InputError, naming the file, if one cannot
    be read, and if there is none.
    """
    faces: list[NDArray[np.uint8]] = []
    for source in sources:
        for name, file in _files(Path(source)):
            faces.append(_fit(read_image(file, name=name), crop, name))
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


def _fit(image: NDArray[np.uint8], crop: int | None, name: str) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    side = min(height, width) if crop is None else crop
    if not 0 < side <= min(height, width):
        raise InputError(f"{name}: expected at least the {side}x{side} to be cropped, got {width}x{height}")
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == IMAGE_SIZE:
        return square
    return np.asarray(Image.fromarray(square).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS))
