"""JPEG, for what Pillow does not do: read past broken metadata."""

from __future__ import annotations

SIGNATURE = b"\xff\xd8"
SCAN, COMMENT = 0xDA, 0xFE  # kinds of segments: of the pixels, of words
APPLICATIONS = range(0xE0, 0xF0)  # those of programs
EXIF, ADOBE = b"Exif\0\0", b"Adobe"  # what two of those begin with
ADOBE_BYTES = 12  # of which the last says what the channels are


def without_metadata(jpeg: bytes) -> bytes:
    """Returns a JPEG with its pixels, its EXIF, and what says which channels it has, if that is whole."""
    kept, start = [jpeg[:2]], 2
    while jpeg[start : start + 1] == b"\xff" and jpeg[start + 1 : start + 2] not in (b"", bytes([SCAN])):
        end = start + 2 + int.from_bytes(jpeg[start + 2 : start + 4])
        kind, content = jpeg[start + 1], jpeg[start + 4 : end]
        channels = content.startswith(ADOBE) and len(content) >= ADOBE_BYTES
        if kind not in (*APPLICATIONS, COMMENT) or content.startswith(EXIF) or channels:
            kept.append(jpeg[start:end])
        start = end
    return b"".join(kept) + jpeg[start:]
