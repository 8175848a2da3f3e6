"""TIFF, for what Pillow does not do: read past broken metadata, and keep 16 bits of a colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.extras import of_extra

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# what a picture shows; all other tags say how its pixels are stored
DESCRIPTIVE = {
    *(0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C),  # description, camera, program, date, author, computer
    *(0x02BC, 0x8298, 0x83BB, 0x8649),  # XMP, copyright, IPTC and Photoshop's
    *(0x8769, 0x8825),  # the tags of EXIF and of GPS
    *range(0x9C9B, 0x9CA0),  # title, comment, author, keywords and subject as Windows has them
}
WIDTH, LENGTH, BITS_PER_SAMPLE, COMPRESSION, SAMPLES = 256, 257, 258, 259, 277  # tags of the pixels
DEFLATE = {8, 32946}
# bytes that one byte of a file may become, by its compression: none, where colours may be shared by pixels, LZW,
# deflate, PackBits; all others know no limit
EXPANSION = {1: 3, 5: 1400, 32773: 128, **dict.fromkeys(DEFLATE, 1032)}
ASSOCIATED = 1  # alpha that the colours have been multiplied with already


def without_metadata(tiff: bytes) -> bytes:
    """Returns a TIFF whose first directory says nothing in DESCRIPTIVE tags; any other file as it is."""
    if tiff[:4] not in SIGNATURES[:2]:
        return tiff
    order, said = {b"I": "<", b"M": ">"}[tiff[:1]], bytearray(tiff)
    (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(f"{order}H", tiff, entry)
        if tag in DESCRIPTIVE:
            # one byte, which is 0
            struct.pack_into(f"{order}HHII", said, entry, tag, 1, 1, 0)
    return bytes(said)


def check_claim(tags: Mapping[int, Any], size: int) -> None:
    """Raises ValueError for the tags of pixels that a file of `size` bytes cannot hold; of no tags, nothing."""
    most = EXPANSION.get(tags.get(COMPRESSION, 1))
    if not tags or most is None:
        return
    bits = tags.get(BITS_PER_SAMPLE, (1,))
    claimed = tags[WIDTH] * tags[LENGTH] * tags.get(SAMPLES, 1) * max(bits) // 8
    if claimed > most * size:
        raise ValueError(f"a claim of {claimed} bytes of pixels in a file of {size}")


def read_deep(tiff: bytes) -> tuple[NDArray[np.uint16], int] | None:
    """Returns the levels of such a file, (H, W, C), alpha the last, and its orientation; None of any other file.

    Raises ValueError and others where it is packed in a way that tifffile cannot read, and for 16 bits of other colours
    than RGB and of RGB that has been multiplied with its alpha.
    """
    if not tiff.startswith(SIGNATURES):
        return None
    # not above: it takes as long to import as all the rest of a picture
    with of_extra("cli"):
        from tifffile import PHOTOMETRIC, PLANARCONFIG, TiffFile

    with TiffFile(BytesIO(tiff)) as file:
        page: Any = file.pages[0]
        if page.dtype != np.uint16 or page.samplesperpixel < 3:
            return None
        if page.photometric != PHOTOMETRIC.RGB or page.samplesperpixel > 4 or ASSOCIATED in page.extrasamples:
            raise ValueError("expected RGB, and alpha that it has not been multiplied with")
        if page.compression in DEFLATE:
            _check_segments(tiff, page)
        levels = page.asarray()
        if page.planarconfig == PLANARCONFIG.SEPARATE:
            levels = np.moveaxis(levels, 0, -1)
        return levels, int(page.tags.valueof("Orientation", 1))


def _check_segments(tiff: bytes, page: Any) -> None:
    """Raises ValueError for a strip or tile that holds more than its pixels: tifffile would unpack all of it."""
    room = int(np.prod(page.chunks)) * page.dtype.itemsize
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        unpacked = zlib.decompressobj()
        unpacked.decompress(tiff[offset : offset + count], room)
        if unpacked.decompress(unpacked.unconsumed_tail, 1):
            raise ValueError(f"a segment of more than {room} bytes")


def written_deep(levels: NDArray[np.uint16], metadata: dict[str, Any]) -> bytes:
    """Returns a file with levels (H, W, C), alpha the last of 4, and with a profile and a resolution by name."""
    with of_extra("cli"):
        from tifffile import imwrite

    file = BytesIO()
    imwrite(
        file,
        levels,
        photometric="rgb",
        planarconfig="contig",
        extrasamples=["unassalpha"] if levels.shape[-1] == 4 else None,
        resolution=metadata.get("dpi"),
        resolutionunit="inch" if "dpi" in metadata else None,
        iccprofile=metadata.get("icc_profile"),
        metadata=None,
        software=False,
    )
    return file.getvalue()
