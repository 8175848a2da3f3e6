"""TIFFs of 16 bits in three or four channels, which Pillow reads with 8."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ASSOCIATED = 1  # alpha that the colours have been multiplied with already


def read_deep(tiff: bytes) -> tuple[NDArray[np.uint16], int] | None:
    """Returns the levels of such a file, (H, W, C), alpha the last, and its orientation; None of any other file.

    Raises ValueError and others where it is packed in a way that tifffile cannot read.
    """
    if not tiff.startswith(SIGNATURES):
        return None
    # not above: it takes as long to import as all the rest of a picture
    from tifffile import PHOTOMETRIC, PLANARCONFIG, TiffFile

    with TiffFile(BytesIO(tiff)) as file:
        page: Any = file.pages[0]
        colours = page.photometric == PHOTOMETRIC.RGB and page.samplesperpixel in (3, 4)
        if page.dtype != np.uint16 or not colours or ASSOCIATED in page.extrasamples:
            return None
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
