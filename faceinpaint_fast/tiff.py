"""TIFF, for what Pillow does not do: read past broken metadata, and keep 16 bits of a colour."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# what a picture shows; all other tags say how its pixels are stored
DESCRIPTIVE = {
    *(0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C),  # description, camera, program, date, author, computer
    *(0x02BC, 0x8298, 0x83BB, 0x8649),  # XMP, copyright, IPTC and Photoshop's
    *(0x8769, 0x8825),  # the tags of EXIF and of GPS
    *range(0x9C9B, 0x9CA0),  # title, comment, author, keywords and subject as Windows has them
}
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


def read_deep(tiff: bytes) -> tuple[NDArray[np.uint16], int] | None:
    """Returns the levels of such a file, (H, W, C), alpha the last, and its orientation; None of any other file.

    Raises ValueError and others where it is packed in a way that tifffile cannot read, and for 16 bits of other colours
    than RGB and of RGB that has been multiplied with its alpha.
    """
    if not tiff.startswith(SIGNATURES):
        return None
    # not above: it takes as long to import as all the rest of a picture
    from tifffile import PHOTOMETRIC, PLANARCONFIG, TiffFile

    with TiffFile(BytesIO(tiff)) as file:
        page: Any = file.pages[0]
        if page.dtype != np.uint16 or page.samplesperpixel < 3:
            return None
        if page.photometric != PHOTOMETRIC.RGB or page.samplesperpixel > 4 or ASSOCIATED in page.extrasamples:
            raise ValueError("expected RGB, and alpha that it has not been multiplied with")
        levels = page.asarray()
        if page.planarconfig == PLANARCONFIG.SEPARATE:
            levels = np.moveaxis(levels, 0, -1)
        return levels, int(page.tags.valueof("Orientation", 1))


def written_deep(levels: NDArray[np.uint16], metadata: dict[str, Any]) -> bytes:
    """Returns a file with levels (H, W, C), alpha the last of 4, and with a profile and a resolution by name."""
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
