"""Image files in and out: every kind of file becomes upright RGB, every broken one an InputError, and no file half."""

from __future__ import annotations

import os
import re
import struct
import threading
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageFile

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import (
    EXTENSIONS,
    FormatError,
    PixelsError,
    check_writable,
    claim_of,
    read_grey,
    read_image,
    write_image,
)

LOSSLESS = [".bmp", ".png", ".ppm", ".tif", ".tiff", ".webp"]
ORIENTATION = 0x0112  # the EXIF tag


@pytest.fixture
def picture(rng):
    """No two sides, channels or corners alike: (5, 7, 3) uint8."""
    return rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.fixture
def smooth():
    """What JPEG and WebP keep: a ramp along each side, (32, 48, 3) uint8."""
    y, x = np.mgrid[:32, :48]
    return np.stack([4 * x, 6 * y, 255 - 4 * x], axis=-1).astype(np.uint8)


def refused(path: Path) -> str:
    """The message with which a file is refused; it names the file."""
    with pytest.raises(InputError, match=re.escape(f"{path}: expected an image file")) as caught:
        read_image(path)
    return str(caught.value)


@pytest.mark.parametrize("extension", LOSSLESS)
def test_a_picture_comes_back_bit_for_bit(tmp_path, picture, extension):
    write_image(tmp_path / f"a{extension}", picture)
    found = read_image(tmp_path / f"a{extension}")
    assert found.dtype == np.uint8
    assert_array_equal(found, picture)


@pytest.mark.parametrize("extension", [".jpg", ".jpeg"])
def test_jpeg_is_written_as_well_as_it_can_be(tmp_path, picture, extension):
    """Quality 100, and chroma at full resolution: noise comes back within the rounding of its YCbCr."""
    noise = np.tile(picture, (5, 5, 1))
    write_image(tmp_path / f"a{extension}", noise)
    assert_allclose(read_image(tmp_path / f"a{extension}").astype(int), noise.astype(int), atol=4)


@pytest.mark.parametrize(
    ("extension", "format_"), [(".avif", "AVIF"), (".gif", "GIF"), (".jfif", "JPEG"), (".jp2", "JPEG2000")]
)
def test_other_pictures_are_read_and_never_written(tmp_path, smooth, extension, format_):
    path = tmp_path / f"a{extension}"
    assert extension in EXTENSIONS
    path.write_bytes(encoded(smooth, format_))
    # a palette of 256 colours is the coarsest
    assert_allclose(read_image(path).astype(int), smooth.astype(int), atol=32)
    with pytest.raises(InputError, match=r"expected an extension among \.bmp, "):
        check_writable(path)


@pytest.mark.parametrize(
    ("extension", "format_"),
    [(".png", "PNG"), (".PNG", "PNG"), (".jpg", "JPEG"), (".bmp", "BMP"), (".tif", "TIFF"), (".tiff", "TIFF")],
)
def test_the_extension_decides_the_format(tmp_path, picture, extension, format_):
    write_image(tmp_path / f"a{extension}", picture)
    with Image.open(tmp_path / f"a{extension}") as image:
        assert image.format == format_


def test_the_content_decides_how_a_file_is_read(tmp_path, picture):
    (tmp_path / "a.png").write_bytes(encoded(picture, "BMP"))
    assert_array_equal(read_image(tmp_path / "a.png"), picture)


def encoded(picture, format_: str, **options) -> bytes:
    buffer = BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, format_, **options)
    return buffer.getvalue()


def read(data: bytes):
    return read_image(BytesIO(data), name="picture")


# what a viewer must do to see the picture upright: EXIF 2.32, tag Orientation
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_undone(picture, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert_array_equal(read(encoded(picture, "PNG", exif=exif)), UPRIGHT[orientation](picture))


@pytest.mark.parametrize("format_", ["JPEG", "TIFF", "WEBP"])
def test_exif_orientation_in_other_formats(smooth, format_):
    """Turned once: Pillow's TIFF decoder does it by itself."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    # chroma at half resolution and quality 75 to 80 cost a few grey levels where a ramp meets the border
    assert_allclose(read(encoded(smooth, format_, exif=exif)).astype(int), np.rot90(smooth, -1).astype(int), atol=16)


def test_odd_exif_does_not_make_a_picture_unreadable(picture):
    """A tag of a wrong type, as some cameras write them: Pillow cannot write it back, and need not."""
    exif = Image.Exif()
    description, width = 0x010E, 0x0100
    exif[ORIENTATION], exif[description] = 6, "words"
    whole = encoded(picture, "PNG", exif=exif)
    entry = struct.pack(">HHI", description, 2, 6)
    start = whole.index(b"eXIf")
    end = start + 4 + int.from_bytes(whole[start - 4 : start])
    chunk = whole[start:end].replace(entry, struct.pack(">HHI", width, 2, 6))
    assert chunk != whole[start:end]
    odd = whole[:start] + chunk + zlib.crc32(chunk).to_bytes(4) + whole[end + 4 :]
    assert_array_equal(read(odd), np.rot90(picture, -1))


def chunk(kind: bytes, content: bytes, *, checksum: int = 0) -> bytes:
    """A chunk of a PNG, whose checksum is off by `checksum`."""
    checked = kind + content
    return len(content).to_bytes(4) + checked + ((zlib.crc32(checked) + checksum) % 2**32).to_bytes(4)


def with_chunk(png: bytes, added: bytes, *, last: bool = False) -> bytes:
    """A PNG with one more chunk before its pixels, or behind them."""
    place = png.index(b"IEND" if last else b"IDAT") - 4
    return png[:place] + added + png[place:]


BROKEN = {
    "EXIF": chunk(b"eXIf", b"no EXIF"),
    "empty EXIF": chunk(b"eXIf", b""),
    "EXIF cut short": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x09"),
    "EXIF's checksum": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0", checksum=1),
    "profile's checksum": chunk(b"iCCP", b"name\0\0" + zlib.compress(b"profile"), checksum=1),
    "resolution cut short": chunk(b"pHYs", b"\0"),
    "text's compression": chunk(b"zTXt", b"name\0\x07text"),
    "text's size": chunk(b"zTXt", b"name\0\0" + zlib.compress(bytes(2**21))),
    "text's checksum": chunk(b"tEXt", b"name\0text", checksum=1),
}


@pytest.mark.parametrize("last", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("broken", BROKEN)
def test_broken_metadata_of_a_png_cost_no_pixel(picture, broken, last):
    """What Pillow makes of it depends on its version: the pixels come in any case, and a warning if it refuses it."""
    whole = with_chunk(encoded(picture, "PNG"), BROKEN[broken], last=last)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_array_equal(read(whole), picture)
    ours = {str(warning.message) for warning in caught if warning.category is UserWarning}
    if not last and broken not in {"empty EXIF", "EXIF cut short"}:
        assert any("picture: its " in message and "the pixels are taken as they are" in message for message in ours)


def test_broken_metadata_do_not_cost_those_that_are_whole(picture):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    whole = with_chunk(encoded(picture, "PNG", exif=exif), BROKEN["text's checksum"])
    with pytest.warns(UserWarning, match="picture: its metadata cannot be read"):
        assert_array_equal(read(whole), np.rot90(picture, -1))


@pytest.mark.parametrize("kind", [b"IDAT", b"tRNS", b"PLTE"])
def test_broken_pixels_of_a_png_are_refused(kind):
    image = Image.fromarray(np.eye(4, dtype=np.uint8)).convert("P")
    whole = bytearray(encoded(image, "PNG", transparency=1))
    whole[whole.index(kind) + 4] ^= 1
    with pytest.raises(InputError, match="picture: expected an image file"):
        read(bytes(whole))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_broken_description_of_a_tiff_costs_no_pixel(picture, order):
    file, description, text, beyond = BytesIO(), 270, 2, 10**6
    tifffile.imwrite(file, picture, photometric="rgb", byteorder=order, description="words", metadata=None)
    broken = bytearray(file.getvalue())
    entry = broken.index(struct.pack(f"{order}HH", description, text))
    broken[entry : entry + 12] = struct.pack(f"{order}HHII", description, text, 12, beyond)
    # Pillow warns too
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_array_equal(read(bytes(broken)), picture)
    assert "picture: its metadata cannot be read: the pixels are taken as they are" in [str(w.message) for w in caught]


@pytest.mark.parametrize("broken", [b"\xff\xe0\0\6JFIF", b"\xff\xee\0\7Adobe"], ids=str)
def test_broken_segments_of_a_jpeg_cost_no_pixel(smooth, broken):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    whole = encoded(smooth, "JPEG", exif=exif)
    with pytest.warns(UserWarning, match="picture: its metadata cannot be read: the pixels are taken as they are"):
        assert_array_equal(read(whole[:2] + broken + whole[2:]), read(whole))


@pytest.mark.parametrize("format_", ["JPEG", "WEBP"])
def test_broken_exif_of_other_formats_costs_no_pixel(smooth, format_):
    exif = Image.Exif()
    description = 0x010E
    exif[description] = "words"
    whole = encoded(smooth, format_, exif=exif)
    header = exif.tobytes()[6:14]
    assert whole.count(header) == 1
    broken = whole.replace(header, b"no EXIF!")
    with pytest.warns(UserWarning, match="picture: its EXIF cannot be read: the pixels are taken as they are"):
        assert_array_equal(read(broken), read(whole))


def test_exif_orientation_of_16_bit(rng):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    deep = rng.integers(0, 256, (5, 7), dtype=np.uint16) * 257
    found = read(encoded(deep, "PNG", exif=exif))
    assert_array_equal(found[..., 0], np.rot90(deep // 257, -1))


def test_alpha_is_laid_over_black(rng):
    colours = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (4, 5, 1), dtype=np.uint8)
    alpha[0, 0], alpha[0, 1] = 0, 255
    found = read(encoded(np.concatenate([colours, alpha], axis=-1), "PNG"))
    # Pillow blends in integers
    assert_allclose(found, colours * (alpha / 255), atol=1)
    assert_array_equal(found[0, :2], [[0, 0, 0], colours[0, 1]])


def test_grey_with_alpha_is_laid_over_black():
    found = read(encoded(np.array([[[200, 0], [200, 255], [200, 128]]], np.uint8), "PNG"))
    assert_allclose(found[0, :, 0], [0, 200, 100], atol=1)


def test_palette_with_and_without_a_transparent_colour():
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "L").convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 255, 0])
    image.putdata([0, 1, 2, 1])
    expected = np.array([[[10, 20, 30], [200, 100, 50]], [[0, 255, 0], [200, 100, 50]]])
    assert_array_equal(read(encoded(image, "PNG")), expected)
    expected[0, 1] = expected[1, 1] = 0
    assert_array_equal(read(encoded(image, "PNG", transparency=1)), expected)


def test_grey_is_repeated_over_the_channels(rng):
    grey = rng.integers(0, 256, (4, 5), dtype=np.uint8)
    assert_array_equal(read(encoded(grey, "PNG")), np.repeat(grey[..., None], 3, axis=-1))
    assert_array_equal(read_grey(BytesIO(encoded(grey, "PNG"))), grey)


def test_one_bit_becomes_black_and_white():
    bits = np.array([[True, False, True], [False, False, True]])
    assert_array_equal(read(encoded(bits, "PNG")), np.repeat(255 * bits[..., None], 3, axis=-1))


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(format_):
    deep = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    assert_array_equal(read_grey(BytesIO(encoded(deep, format_))), [[0, 0, 1, 1, 128, 255]])
    assert_array_equal(read(encoded(deep, format_))[..., 2], [[0, 0, 1, 1, 128, 255]])


def test_float_grey_goes_from_0_to_1():
    levels = np.array([[0, 0.5, 1]], np.float32)
    assert_array_equal(read_grey(BytesIO(encoded(levels, "TIFF"))), [[0, 128, 255]])


@pytest.mark.parametrize("level", [np.nan, np.inf, -0.1, 1.1])
def test_float_grey_out_of_range_is_refused_rather_than_black(tmp_path, level):
    path = tmp_path / "a.tiff"
    path.write_bytes(encoded(np.array([[0.5, level]], np.float32), "TIFF"))
    assert "grey levels outside 0 to 1" in refused(path)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int16"])
@pytest.mark.parametrize("white", [1, 255, 32767])
def test_whole_numbers_without_a_white_are_refused_rather_than_black(tmp_path, dtype, white):
    """A TIFF of 32 bits, or of 16 with a sign: some programs write bytes so, others their full range."""
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, np.array([[0, white]], dtype))
    assert "whole numbers (mode I) of which it does not say which is white" in refused(path)


@pytest.mark.parametrize("levels", [np.array([[0, -1]], np.int8), np.array([[0, 127]], np.int8)], ids=str)
def test_bytes_with_a_sign_are_refused_too(tmp_path, levels):
    """Pillow takes -1 for 255."""
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, levels, photometric="minisblack")
    assert "whole numbers (mode L) of which it does not say which is white" in refused(path)


@pytest.mark.parametrize("levels", [np.uint8([[0, 255]]), np.uint16([[0, 65535]]), np.float32([[0, 1]])], ids=str)
def test_a_tiff_whose_zero_is_white_is_no_negative(tmp_path, levels):
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, levels, photometric="miniswhite")
    assert_array_equal(read_grey(path), [[255, 0]])


def test_12_bit_grey_has_its_own_white():
    """Pillow leaves the levels of such a TIFF as they are; it does not write any, so this one is made by hand."""
    levels = int("".join(f"{level:012b}" for level in (0, 2048, 4095, 1)), 2).to_bytes(6)
    short, long = 3, 4
    tags = [(256, short, 4), (257, short, 1), (258, short, 12), (259, short, 1), (262, short, 1), (273, long, 8),
            (277, short, 1), (278, short, 1), (279, long, 6)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    data = b"II*\0" + struct.pack("<I", 14) + levels + struct.pack("<H", len(tags)) + entries + bytes(4)
    assert_array_equal(read_grey(BytesIO(data)), [[0, 128, 255, 0]])


def test_16_bit_grey_of_a_netpbm_file():
    assert_array_equal(read_grey(BytesIO(b"P5 3 1 4095\n\x00\x00\x08\x00\x0f\xff")), [[0, 128, 255]])


def test_grey_levels_are_those_of_itu_r_601():
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    # 255 times 0.299, 0.587 and 0.114
    assert_array_equal(read_grey(BytesIO(encoded(primaries, "PNG"))), [[76, 150, 29, 255]])


def test_cmyk_becomes_rgb():
    cmyk = np.zeros((16, 16, 4), np.uint8)
    cmyk[..., 1] = cmyk[..., 2] = 255
    # all magenta and yellow, no cyan: red; JPEG may be off by a few levels
    found = read(encoded(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=95))
    assert_allclose(found.astype(int), np.broadcast_to([255, 0, 0], (16, 16, 3)), atol=4)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path, rng, format_, share):
    noise = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encoded(noise, format_)
    path = tmp_path / f"a.{format_.lower()}"
    path.write_bytes(data[: int(share * len(data))])
    refused(path)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_not_an_image_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    # Pillow names the bytes by their place in memory
    assert "BytesIO" not in refused(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_what_is_no_tiff_but_for_its_first_bytes_is_told_as_such(tmp_path):
    """Not by what comes of the search for its metadata."""
    (tmp_path / "a.tif").write_bytes(b"II*\0words")
    assert "none of a known format" in refused(tmp_path / "a.tif")


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    assert "directory" in refused(tmp_path)
    assert "no such file" in refused(tmp_path / "a.png")


def test_broken_files_never_raise_anything_else(rng, smooth):
    """500 files with a few bytes changed, some of which read all the same."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    whole = encoded(smooth[:8, :8], "JPEG", exif=exif)
    outcomes = set()
    for _ in range(500):
        broken = bytearray(whole)
        # the headers, where the structure is
        for where in rng.integers(2, 120, 4):
            broken[where] = rng.integers(256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                outcomes.add(read(bytes(broken)).ndim)
            except InputError as error:
                outcomes.add(type(error.__cause__))
    assert {3, OSError} <= outcomes


class Broken(BytesIO):
    """A source whose decoder fails in an unforeseen way."""

    def read(self, *_):
        raise KeyError("no such chunk")


def test_whatever_a_decoder_raises_becomes_an_input_error():
    with pytest.raises(InputError, match=r"picture: .*no such chunk"):
        read_image(Broken(), name="picture")


@pytest.mark.parametrize("limit", [10, 30])
def test_a_decompression_bomb_is_refused(tmp_path, picture, monkeypatch, limit):
    """Pillow warns above its limit and raises above twice of it; where warnings are errors, either is one of ours."""
    path = tmp_path / "a.png"
    write_image(path, picture)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert "decompression bomb" in refused(path)


def test_only_above_twice_the_limit_where_warnings_are_not_errors(tmp_path, picture, monkeypatch):
    path = tmp_path / "a.png"
    write_image(path, picture)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    with pytest.warns(Image.DecompressionBombWarning):
        assert_array_equal(read_image(path), picture)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    refused(path)


def claiming(format_: str, width: int, height: int) -> bytes:
    """A file of 64x64 pixels whose header says that they are more."""
    whole = bytearray(encoded(np.zeros((64, 64, 3), np.uint8), format_))
    if format_ == "JPEG":
        struct.pack_into(">HH", whole, whole.index(b"\xff\xc0") + 5, height, width)
    else:
        place, numbers = {"GIF": (6, "<HH"), "BMP": (18, "<ii"), "PNG": (16, ">II")}[format_]
        struct.pack_into(numbers, whole, place, width, height)
        if format_ == "PNG":
            whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4)
    return bytes(whole)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 13_000, 65_000])
@pytest.mark.parametrize("format_", ["BMP", "GIF", "JPEG", "PNG"])
def test_a_small_file_that_claims_a_large_picture_is_refused_before_memory_is_taken(format_, side, monkeypatch):
    def never(*_):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    with pytest.raises(InputError, match=r"a claim of \d+x\d+ pixels in \d+ bytes|decompression bomb"):
        read(claiming(format_, side, side))


def test_a_claim_is_told_before_a_pixel_is_decoded(picture):
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    data, (height, width) = file.getvalue(), picture.shape[:2]
    # all that is behind its head may be missing
    claim = claim_of(data[:100], "x", width * height)
    assert (claim.format, claim.width, claim.height) == ("PNG", width, height)
    with pytest.raises(PixelsError, match=rf"^x: expected {width * height - 1} pixels or fewer, got {width}x"):
        claim_of(data, "x", width * height - 1)
    for other in (b"", b"<svg/>", data[1:]):
        with pytest.raises(FormatError, match=r"^x: expected one of AVIF, "):
            claim_of(other, "x", 99)


def test_a_large_picture_of_few_colours_is_no_bomb(monkeypatch):
    """A hole as large as a photograph, of which PNG makes little."""
    hole = np.zeros((2000, 3000), np.uint8)
    hole[500:900, 500:900] = 255
    data = encoded(hole, "PNG")
    assert hole.size > 100 * len(data)
    assert_array_equal(read_grey(BytesIO(data)), hole)
    monkeypatch.setattr("faceinpaint_fast.images.MOST_PIXELS", hole.size - 1)
    with pytest.raises(InputError, match=rf"a claim of 3000x2000 pixels in {len(data)} bytes"):
        read_grey(BytesIO(data))


def test_a_program_for_a_printer_is_no_picture_whatever_it_is_called(tmp_path, picture):
    """Pillow would start Ghostscript."""
    (tmp_path / "a.png").write_bytes(encoded(picture, "EPS"))
    assert "none of a known format" in refused(tmp_path / "a.png")


def test_writes_grey_and_makes_folders(tmp_path, picture):
    path = tmp_path / "new" / "folder" / "a.png"
    write_image(path, picture[..., 0])
    with Image.open(path) as image:
        assert image.mode == "L"
        assert_array_equal(np.asarray(image), picture[..., 0])
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["fifo", "fifo.webp"])
def test_a_picture_goes_into_a_fifo(tmp_path, picture, name):
    """As PNG, if its name does not say what is expected."""
    os.mkfifo(tmp_path / name)
    check_writable(tmp_path / name)
    heard = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / name).read_bytes()))
    reader.start()
    write_image(tmp_path / name, picture)
    reader.join()
    with Image.open(BytesIO(heard[0])) as image:
        assert image.format == ("PNG" if name == "fifo" else "WEBP")
        assert_array_equal(np.asarray(image), picture)


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.txt", ".png"])
def test_an_unknown_extension_is_refused(tmp_path, picture, name):
    with pytest.raises(InputError, match=f"{name}: expected an extension"):
        write_image(tmp_path / name, picture)
    assert not any(tmp_path.iterdir())


def test_a_folder_is_not_written_over(tmp_path, picture):
    (tmp_path / "a.png").mkdir()
    for attempt in (check_writable, lambda path: write_image(path, picture)):
        with pytest.raises(InputError, match=r"a\.png: expected a file to write to, got a folder"):
            attempt(tmp_path / "a.png")
    assert not any((tmp_path / "a.png").iterdir())


@pytest.mark.parametrize("place", ["file/a.png", "file/deeper/a.png", f"{'long' * 70}.png"])
def test_a_place_that_cannot_be_written_to_is_refused_and_nothing_made(tmp_path, picture, place):
    (tmp_path / "file").write_text("in the way")
    for attempt in (check_writable, lambda path: write_image(path, picture)):
        with pytest.raises(InputError, match=r"\.png: expected a place that can be written to"):
            attempt(tmp_path / place)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_picture_that_the_format_has_no_room_for_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.webp: expected a picture that can be written there"):
        write_image(tmp_path / "a.webp", np.zeros((1, 17000, 3), np.uint8))
    assert not any(tmp_path.iterdir())


def test_a_full_disk_is_an_input_error_and_leaves_the_old_file(tmp_path, picture, monkeypatch):
    write_image(tmp_path / "a.png", picture)

    def no_space(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(InputError, match=r"a\.png: .*No space left"):
        write_image(tmp_path / "a.png", picture[::-1])
    assert_array_equal(read_image(tmp_path / "a.png"), picture)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
