"""PNG's chunks, for what Pillow does not do: read past broken metadata, and keep 16 bits of a colour.

A file is a signature and chunks, each its length, its kind, its content and a checksum of the two (PNG, 3rd edition).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">IIBBBBB")  # width, height, bits, colours, compression, filter, interlace
CHANNELS = {2: 3, 4: 2, 6: 4}  # by the header's colours: RGB, grey with alpha, RGB with alpha
CLEAR = {0, 2}  # grey and RGB, of which one colour may be transparent
# the passes of an interlaced picture: where each begins and how far apart its pixels are, (x, y, x, y)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
UP = 2  # the filter of a row that holds its difference from the row above


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yields the kind, the content and the whole of each chunk."""
    start = len(SIGNATURE)
    while start < len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4])
        yield png[start + 4 : start + 8], png[start + 8 : end - 4], png[start:end]
        start = end


def chunk(kind: bytes, content: bytes) -> bytes:
    """Returns a chunk."""
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


def without_metadata(png: bytes) -> bytes:
    """Returns a PNG with the chunks of its pixels, and its EXIF if that is whole."""
    kept = [
        whole
        for kind, content, whole in chunks(png)
        if kind[:1].isupper() or kind == b"tRNS" or (kind == b"eXIf" and whole == chunk(kind, content))
    ]
    return SIGNATURE + b"".join(kept)


def read_deep(png: bytes) -> NDArray[np.uint16] | None:
    """Returns the levels of a PNG of 16 bits in several channels, (H, W, C), alpha the last; None of any other file.

    One colour that is transparent makes a channel of alpha.  Raises ValueError and others where it is not whole.
    A filter treats the bytes of a pixel each on its own.  So the first bytes of all pixels are a grey picture of 8 bits
    with the same filters, and so are the second: Pillow reads those.
    """
    if not png.startswith(SIGNATURE):
        return None
    parts = [(kind, content) for kind, content, _ in chunks(png)]
    width, height, bits, colours, _, _, interlace = HEADER.unpack(parts[0][1])
    clear = dict(parts).get(b"tRNS") if colours in CLEAR else None
    if bits != 16 or (colours not in CHANNELS and clear is None):
        return None
    lanes = 2 * CHANNELS.get(colours, 1)
    passes = [
        (-(-(height - y) // down), -(-(width - x) // right))
        for x, y, right, down in (ADAM7 if interlace else ((0, 0, 1, 1),))
    ]
    shapes = [(rows, 1 + columns * lanes) for rows, columns in passes if rows > 0 and columns > 0]
    # no more than that, of whatever may be packed there
    size = sum(rows * length for rows, length in shapes)
    packed = b"".join(content for kind, content in parts if kind == b"IDAT")
    filtered = np.frombuffer(zlib.decompressobj().decompress(packed, size), np.uint8)
    streams: list[list[bytes]] = [[] for _ in range(lanes)]
    start = 0
    for rows, length in shapes:
        end = start + rows * length
        lines = filtered[start:end].reshape(rows, length)
        for lane in range(lanes):
            streams[lane].append(np.hstack([lines[:, :1], lines[:, 1 + lane :: lanes]]).tobytes())
        start = end
    header = chunk(b"IHDR", HEADER.pack(width, height, 8, 0, 0, 0, interlace))
    bytes_ = [_grey(header, b"".join(stream)) for stream in streams]
    levels = [256 * high.astype(np.uint16) + low for high, low in zip(bytes_[::2], bytes_[1::2], strict=True)]
    if clear is not None:
        colour = np.frombuffer(clear, ">u2", count=len(levels))
        levels.append(np.where((np.stack(levels, axis=-1) == colour).all(axis=-1), 0, 65535).astype(np.uint16))
    return np.stack(levels, axis=-1)


def deepened(png: bytes, levels: NDArray[np.uint16]) -> bytes:
    """Returns a PNG of 8 bits, not interlaced, with levels (H, W, C) of 16 bits in the place of its pixels."""
    rows = levels.astype(">u2").reshape(len(levels), -1).view(np.uint8)
    differences = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    lines = np.hstack([np.full((len(rows), 1), UP, np.uint8), differences])
    made, pixels = [SIGNATURE], chunk(b"IDAT", zlib.compress(lines.tobytes()))
    for kind, content, whole in chunks(png):
        if kind == b"IHDR":
            width, height, _, *others = HEADER.unpack(content)
            made.append(chunk(kind, HEADER.pack(width, height, 16, *others)))
        elif kind != b"IDAT":
            made.append(whole)
        elif pixels not in made:
            made.append(pixels)
    return b"".join(made)


def _grey(header: bytes, filtered: bytes) -> NDArray[np.uint8]:
    """Returns the pixels of a grey picture, (H, W), of its filtered lines."""
    png = SIGNATURE + header + chunk(b"IDAT", zlib.compress(filtered, 0)) + chunk(b"IEND", b"")
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image)
