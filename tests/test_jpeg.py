"""JPEG: what is left of a file without its metadata."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from faceinpaint_fast import jpeg


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_descriptions_are_left_out_and_pixels_are_not(rng, mode):
    pixels, exif, file = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), Image.Exif(), BytesIO()
    exif[0x0112] = 6
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", exif=exif, comment="words", icc_profile=b"profile")
    bare = jpeg.without_metadata(file.getvalue())
    with Image.open(file) as whole, Image.open(BytesIO(bare)) as image:
        assert_array_equal(np.asarray(image), np.asarray(whole))
        assert image.getexif()[0x0112] == 6
        assert not {"comment", "icc_profile"} & image.info.keys()


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe0\xff\xff1"])
def test_a_file_may_end_anywhere(data):
    assert data.startswith(jpeg.without_metadata(data))
