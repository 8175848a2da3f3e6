"""TIFF: 16 bits of a colour in and out, and what is left of a file without its metadata."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from PIL import Image

from faceinpaint_fast import tiff
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import read_image


def written(levels, **options) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, levels, **options)
    return file.getvalue()


@pytest.fixture
def levels(rng):
    return rng.integers(0, 65536, (11, 13, 3), dtype=np.uint16)


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}, {"byteorder": ">"}, {"bigtiff": True}],
    ids=str,
)
def test_levels_of_16_bits_are_read(levels, options):
    found, orientation = tiff.read_deep(written(levels, photometric="rgb", **options))
    assert_array_equal(found, levels)
    assert orientation == 1


def test_channels_may_lie_apart(levels):
    data = written(np.moveaxis(levels, -1, 0), photometric="rgb", planarconfig="separate")
    assert_array_equal(tiff.read_deep(data)[0], levels)


@pytest.mark.parametrize("channels", [3, 4])
def test_levels_are_written_with_profile_and_resolution(rng, channels):
    levels = rng.integers(0, 65536, (11, 13, channels), dtype=np.uint16)
    made = tiff.written_deep(levels, {"dpi": (300, 200), "icc_profile": b"profile " * 20})
    assert_array_equal(tiff.read_deep(made)[0], levels)
    with Image.open(BytesIO(made)) as image:
        image.load()
        assert image.mode == ("RGB" if channels == 3 else "RGBA")
        assert image.info["dpi"] == (300, 200)
        assert image.info["icc_profile"] == b"profile " * 20


def test_other_files_have_no_such_levels(levels):
    """Grey, bytes, no TIFF."""
    grey, coarse = written(levels[..., 0]), written((levels // 256).astype(np.uint8), photometric="rgb")
    for data in (grey, coarse, b"", b"PNG"):
        assert tiff.read_deep(data) is None


@pytest.mark.parametrize(
    "options", [{"photometric": "rgb", "extrasamples": [1]}, {"photometric": "separated"}], ids=str
)
def test_colours_that_are_not_read_are_not_passed_over_in_silence(levels, options):
    """Those multiplied with their alpha, and CMYK."""
    with pytest.raises(ValueError, match="expected RGB"):
        tiff.read_deep(written(np.dstack([levels, levels[..., 0]]), **options))


@pytest.mark.parametrize("order", ["<", ">"])
def test_descriptions_are_left_out_and_pixels_are_not(levels, order):
    data = written(levels, photometric="rgb", byteorder=order, description="words", software="words", metadata=None)
    bare = tiff.without_metadata(data)
    assert len(bare) == len(data)
    assert_array_equal(tiff.read_deep(bare)[0], levels)
    with tifffile.TiffFile(BytesIO(bare)) as file:
        assert file.pages[0].tags.valueof("Software") == b"\0"
    for other in (b"", b"PNG", b"II+\0"):
        assert tiff.without_metadata(other) == other


def with_numbers(data: bytes, **numbers: int) -> bytes:
    """A TIFF with other numbers in its tags."""
    changed = bytearray(data)
    with tifffile.TiffFile(BytesIO(data)) as file:
        for name, number in numbers.items():
            tag = file.pages[0].tags[name]
            struct.pack_into({3: "<H", 4: "<I"}[int(tag.dtype)], changed, tag.valueoffset, number)
    return bytes(changed)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_claim_of_more_than_the_file_can_hold_is_refused(compression):
    """Pillow leaves what is not there black, or takes memory for it first."""
    data = written(np.zeros((64, 64, 3), np.uint8), photometric="rgb", compression=compression)
    assert read_image(BytesIO(data)).shape == (64, 64, 3)
    with pytest.raises(InputError, match=r"a claim of \d+ bytes of pixels in a file of \d+"):
        read_image(BytesIO(with_numbers(data, ImageLength=65535)), name="picture")


def test_a_strip_of_more_than_its_pixels_is_not_unpacked(levels):
    data = written(levels, photometric="rgb", compression="zlib")
    strip = zlib.compress(levels.tobytes() + b"\0")
    longer = with_numbers(data + strip, StripOffsets=len(data), StripByteCounts=len(strip))
    with pytest.raises(ValueError, match=f"a segment of more than {levels.nbytes} bytes"):
        tiff.read_deep(longer)
