"""PNG's chunks: 16 bits of a colour in and out, and what is left of a file without its metadata."""

from __future__ import annotations

import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from faceinpaint_fast import png
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.picture_file import PictureFile


@pytest.fixture
def plain():
    """Encodes pixels of 8 bits."""

    def encode(pixels, **options) -> bytes:
        file = BytesIO()
        Image.fromarray(pixels).save(file, "PNG", **options)
        return file.getvalue()

    return encode


def levels(rng, channels: int, shape=(11, 13)):
    return rng.integers(0, 65536, (*shape, channels), dtype=np.uint16)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (11, 13)])
def test_levels_of_16_bits_come_back(rng, plain, channels, shape):
    expected = levels(rng, channels, shape)
    made = png.deepened(plain((expected // 256).astype(np.uint8), dpi=(300, 300)), expected)
    assert_array_equal(png.read_deep(made), expected)
    # as Pillow sees it: a whole file with 8 bits of them, whose metadata are there
    with Image.open(BytesIO(made)) as image:
        assert_array_equal(np.asarray(image)[..., 0], expected[..., 0] // 256)
        assert image.info["dpi"][0] == pytest.approx(300, rel=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_16_bits_is_a_channel_of_alpha(rng, plain, channels):
    expected = levels(rng, channels)
    colour = png.chunk(b"tRNS", expected[2, 3].astype(">u2").tobytes())
    made = (
        plain(expected[..., 0]) if channels == 1 else png.deepened(plain((expected // 256).astype(np.uint8)), expected)
    )
    place = made.index(b"IDAT") - 4
    found = png.read_deep(made[:place] + colour + made[place:])
    assert_array_equal(found[..., :-1], expected)
    clear = (expected == expected[2, 3]).all(axis=-1)
    assert_array_equal(found[..., -1], np.where(clear, 0, 65535))


@pytest.mark.parametrize("filter_", range(5))
def test_every_filter_is_undone(rng, filter_):
    """As the standard has them: none, the pixel to the left, above, their mean, and Paeth's choice."""
    expected = levels(rng, 3)
    rows = expected.astype(">u2").reshape(11, -1).view(np.uint8).astype(int)
    up = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    left, corner = (np.hstack([np.zeros((11, 6), int), plane[:, :-6]]) for plane in (rows, up))
    guess = left + up - corner
    near_left, near_up, near_corner = (abs(guess - plane) for plane in (left, up, corner))
    paeth = np.where(
        (near_left <= near_up) & (near_left <= near_corner), left, np.where(near_up <= near_corner, up, corner)
    )
    predicted = (0, left, up, (left + up) // 2, paeth)[filter_]
    lines = np.hstack([np.full((11, 1), filter_), (rows - predicted) % 256]).astype(np.uint8)
    assert_array_equal(png.read_deep(by_hand(lines.tobytes())), expected)


def test_an_interlaced_picture_is_put_together(rng):
    expected, lines = levels(rng, 3), b""
    for x, y, right, down in png.ADAM7:
        part = expected[y::down, x::right]
        lines += b"".join(b"\0" + row.astype(">u2").tobytes() for row in part if row.size)
    assert_array_equal(png.read_deep(by_hand(lines, interlace=1)), expected)
    # narrower than most passes, which then have no line
    one = b"\0" + expected[0, 0].astype(">u2").tobytes()
    assert_array_equal(png.read_deep(by_hand(one, interlace=1, size=(1, 1))), expected[:1, :1])


def by_hand(lines: bytes, *, interlace: int = 0, size=(13, 11)) -> bytes:
    header = png.HEADER.pack(*size, 16, 2, 0, 0, interlace)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return png.SIGNATURE + b"".join(png.chunk(*part) for part in parts)


def test_other_files_have_no_such_levels(rng, plain):
    grey, colours = rng.integers(0, 65536, (4, 5), dtype=np.uint16), rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    for data in (plain(grey), plain(colours), b"", b"BM"):
        assert png.read_deep(data) is None


def test_metadata_are_left_out_and_whole_exif_is_not(rng, plain):
    pixels = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    bare = png.without_metadata(plain(pixels, dpi=(300, 300), exif=exif, icc_profile=b"profile"))
    assert [kind for kind, _, _ in png.chunks(bare)] == [b"IHDR", b"eXIf", b"IDAT", b"IEND"]
    assert [kind for kind, _, _ in png.chunks(png.without_metadata(bare[:-1]))][:1] == [b"IHDR"]
    assert_array_equal(np.asarray(Image.open(BytesIO(bare))), pixels)


def repacked(made: bytes, packed: bytes) -> bytes:
    """A PNG with other packed pixels."""
    parts = [png.chunk(b"IDAT", packed) if kind == b"IDAT" else whole for kind, _, whole in png.chunks(made)]
    return png.SIGNATURE + b"".join(parts)


def test_what_is_packed_behind_the_pixels_costs_no_memory(rng, plain):
    """Nor does it matter whether it is whole."""
    expected = levels(rng, 3)
    made = png.deepened(plain((expected // 256).astype(np.uint8)), expected)
    lines = zlib.decompress(next(content for kind, content, _ in png.chunks(made) if kind == b"IDAT"))
    longer = repacked(made, zlib.compress(lines + bytes(2**26))[:-1] + b"!")
    tracemalloc.start()
    try:
        assert_array_equal(png.read_deep(longer), expected)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_pixels_that_end_early_are_an_input_error(rng, plain, monkeypatch):
    """Whatever Pillow, which has read its 8 bits before, may think of them."""
    expected = levels(rng, 3)
    made = png.deepened(plain((expected // 256).astype(np.uint8)), expected)
    read_deep = png.read_deep
    monkeypatch.setattr(png, "read_deep", lambda data: read_deep(repacked(data, zlib.compress(b"\0" * 9))))
    with pytest.raises(InputError, match="picture: expected an image file that can be read whole"):
        PictureFile.read(BytesIO(made), name="picture")
