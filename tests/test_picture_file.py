"""Pictures that go back to a file as they came: known pixels, depth, transparency, and what they say of themselves."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageCms

from faceinpaint_fast import png
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import FORMATS, read_image
from faceinpaint_fast.picture_file import CARRIES, PictureFile

cv2 = pytest.importorskip("cv2")

DESCRIPTION, ORIENTATION, EXIF_IFD, TAKEN = 0x010E, 0x0112, 0x8769, 0x9003
# ITU-R 601
LUMINANCE = (0.299, 0.587, 0.114)
# one for all tests: it says when it was made
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def hole():
    hole = np.zeros((12, 16), np.bool_)
    hole[3:9, 4:11] = True
    return hole


@pytest.fixture
def fill(rng):
    """What a search may find, float32 in [0, 1]: (12, 16, 3)."""
    return rng.random((12, 16, 3), np.float32)


def exif(orientation: int = 6) -> Image.Exif:
    said = Image.Exif()
    said[DESCRIPTION], said[ORIENTATION] = "words", orientation
    said.get_ifd(EXIF_IFD)[TAKEN] = "2020:01:01 00:00:00"
    return said


def levels(rng, shape, dtype):
    if dtype == np.float32:
        return rng.random(shape, np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def opened(path):
    return Image.open(BytesIO(path.read_bytes()))


def stored(path):
    """A file as a program that knows 16 bits reads it: (H, W) or (H, W, C), RGB and alpha."""
    if path.suffix == ".png":
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        return found if found.ndim == 2 else found[..., [2, 1, 0, 3][: found.shape[-1]]]
    if path.suffix == ".tif":
        return tifffile.imread(path)
    return np.asarray(opened(path))


def store(path, image):
    if path.suffix == ".png":
        cv2.imwrite(str(path), image if image.ndim == 2 else image[..., [2, 1, 0, 3][: image.shape[-1]]])
    elif path.suffix == ".tif":
        photometric = {"photometric": "rgb", "extrasamples": [2] if image.shape[-1] == 4 else []}
        photometric = {} if image.ndim == 2 else photometric
        tifffile.imwrite(path, image, software=False, metadata=None, **photometric)
    else:
        Image.fromarray(image).save(path, lossless=True, exact=True)


@pytest.mark.parametrize(
    ("extension", "channels", "dtype"),
    [
        *((extension, channels, np.uint8) for extension in (".png", ".tif", ".webp") for channels in (3, 4)),
        *((extension, channels, np.uint16) for extension in (".png", ".tif") for channels in (None, 3, 4)),
        *((extension, None, np.uint8) for extension in (".png", ".tif", ".bmp")),
        (".bmp", 3, np.uint8),
        (".tif", None, np.float32),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_known_pixels_depth_and_channels_stay(tmp_path, rng, hole, fill, extension, channels, dtype):
    shape = hole.shape if channels is None else (*hole.shape, channels)
    before = levels(rng, shape, dtype)
    if channels == 4:
        # opaque in the hole, for a simple expectation
        before[hole, 3] = np.iinfo(dtype).max
    path, out = tmp_path / f"a{extension}", tmp_path / f"out{extension}"
    store(path, before)
    picture, told = PictureFile.read(path), []
    assert picture.pixels.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
    given = np.round(fill * 255).astype(np.uint8) if dtype == np.uint8 else fill
    picture.filled(given, hole).write(out, told.append)
    after = stored(out)
    assert told == []
    assert (after.dtype, after.shape) == (before.dtype, before.shape)
    assert_array_equal(after[~hole], before[~hole])
    unit = given[hole] / (255 if dtype == np.uint8 else 1)
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    if channels is None:
        assert_allclose(after[hole], unit @ LUMINANCE * white, atol=0.51 if white > 1 else 1e-6)
    else:
        assert_allclose(after[hole][:, :3], unit * white, atol=0.51)
    # the file that was read is as it was
    assert_array_equal(stored(path), before)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_the_pixels_are_those_that_an_array_has(rng, mode):
    picture = Image.fromarray(levels(rng, (12, 16, 4), np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(levels(rng, (12, 16), np.uint16))
    elif mode == "F":
        picture = Image.fromarray(levels(rng, (12, 16), np.float32))
    elif mode == "P":
        picture = picture.convert("RGB").quantize(16)
    else:
        picture = picture.convert(mode)
    file = BytesIO()
    picture.save(file, "TIFF")
    pixels = PictureFile.read(BytesIO(file.getvalue())).pixels
    if pixels.dtype != np.uint8:
        pixels = np.round(pixels * np.float64(255))
    assert_array_equal(pixels, read_image(BytesIO(file.getvalue())))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("extension", "dtype"), [(".png", np.uint8), (".png", np.uint16), (".tif", np.uint16)])
def test_a_picture_is_turned_once(tmp_path, rng, orientation, extension, dtype):
    """By the tag, which then says that it is upright: of 16 bits as of 8."""
    shown = levels(rng, (12, 16, 3), dtype)
    path, out = tmp_path / f"a{extension}", tmp_path / f"out{extension}"
    if extension == ".tif":
        tifffile.imwrite(path, shown, photometric="rgb", extratags=[(ORIENTATION, "H", 1, orientation, True)])
    else:
        store(path, shown)
        data, behind_the_header = path.read_bytes(), 33
        said = png.chunk(b"eXIf", exif(orientation).tobytes()[6:])
        path.write_bytes(data[:behind_the_header] + said + data[behind_the_header:])
    PictureFile.read(path).write(out)
    first = read_image(path).astype(int)
    assert_allclose(read_image(out), first, atol=1)
    assert_allclose(stored(out) / np.iinfo(dtype).max * 255, first, atol=1)
    assert opened(out).getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("extension", sorted(FORMATS))
def test_what_a_picture_says_of_itself_is_carried_over(tmp_path, rng, source, extension):
    """Every format's carried over to every other's, and what cannot be is told."""
    path, out, told = tmp_path / f"a.{source.lower()}", tmp_path / f"out{extension}", []
    image = Image.fromarray(levels(rng, (12, 16, 3), np.uint8))
    image.save(path, source, exif=exif().tobytes(), icc_profile=PROFILE, dpi=(300, 300), lossless=True)
    PictureFile.read(path).write(out, told.append)
    written = opened(out)
    carries = CARRIES[FORMATS[extension]]
    assert ("icc_profile" in carries) == (written.info.get("icc_profile") == PROFILE)
    said = written.getexif()
    assert ("exif" in carries) == (said.get(DESCRIPTION) == "words")
    assert ("exif" in carries) == (said.get_ifd(EXIF_IFD).get(TAKEN) == "2020:01:01 00:00:00")
    assert said.get(ORIENTATION, 1) == 1
    if "dpi" in carries and source != "WEBP":
        assert_allclose(np.array(written.info["dpi"], float), (300, 300), rtol=1e-3)
    assert written.size == (12, 16)
    assert any("carries no" in line for line in told) == bool(
        {"icc_profile", "exif", *(["dpi"] if source != "WEBP" else [])} - carries
    )


def test_what_tells_how_pixels_are_stored_in_a_tiff_is_not_carried_over(tmp_path, rng):
    path, out = tmp_path / "a.tif", tmp_path / "out.png"
    Image.fromarray(levels(rng, (12, 16, 3), np.uint8)).save(path, compression="tiff_lzw", exif=exif(1))
    PictureFile.read(path).write(out)
    assert set(opened(out).getexif()) <= {DESCRIPTION, ORIENTATION, EXIF_IFD}


def test_a_profile_of_other_colours_is_left_out(rng):
    """Ink becomes RGB, which the profile does not describe."""
    file = BytesIO()
    Image.fromarray(levels(rng, (12, 16, 4), np.uint8), "CMYK").save(file, "JPEG", icc_profile=b"of ink")
    assert "icc_profile" not in PictureFile.read(BytesIO(file.getvalue())).metadata


def test_metadata_that_cannot_be_written_are_told(tmp_path):
    """JPEG has room for 64 KB of EXIF."""
    long = Image.Exif()
    long[DESCRIPTION] = "words" * 20_000
    Image.new("RGB", (16, 12)).save(tmp_path / "a.png", exif=long)
    told = []
    PictureFile.read(tmp_path / "a.png").write(tmp_path / "out.jpg", told.append)
    assert read_image(tmp_path / "out.jpg").shape == (12, 16, 3)
    assert told[1] == f"{tmp_path}/out.jpg: JPEG cannot take the picture's EXIF"


def test_jpeg_says_that_it_cannot_keep_known_pixels_and_nearly_does(tmp_path, rng):
    noise = levels(rng, (12, 16, 3), np.uint8)
    store(tmp_path / "a.png", noise)
    told = []
    PictureFile.read(tmp_path / "a.png").write(tmp_path / "out.jpg", told.append)
    expected = "JPEG cannot keep known pixels, they change by a level or two: PNG, TIFF and WebP keep them"
    assert told == [f"{tmp_path}/out.jpg: {expected}"]
    assert_allclose(read_image(tmp_path / "out.jpg").astype(int), noise.astype(int), atol=4)


@pytest.mark.parametrize(
    ("dtype", "extension", "bits", "message"),
    [
        (np.uint16, ".jpg", 8, "JPEG has 8 bits for a level of 16"),
        (np.uint16, ".webp", 8, "WEBP has 8 bits for a level of 16"),
        (np.float32, ".png", 16, "PNG has 16 bits for a level of 32"),
        (np.float32, ".bmp", 8, "BMP has 8 bits for a level of 32"),
    ],
    ids=str,
)
def test_levels_that_a_format_has_no_room_for_are_rounded_and_told(tmp_path, rng, dtype, extension, bits, message):
    before = levels(rng, (12, 16), dtype)
    store(tmp_path / "a.tif", before)
    told = []
    PictureFile.read(tmp_path / "a.tif").write(tmp_path / f"out{extension}", told.append)
    assert any(message in line for line in told)
    after = np.asarray(opened(tmp_path / f"out{extension}")).astype(float)
    after = after if after.ndim == 2 else after[..., 0]
    white = 1 if dtype == np.float32 else 65535
    assert_allclose(after / (2**bits - 1), before / white, atol=(3 if extension == ".jpg" else 0.51) / (2**bits - 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("extension", [".jpg", ".bmp", ".ppm"])
def test_transparency_that_a_format_does_not_have_is_laid_over_black_and_told(tmp_path, rng, dtype, extension):
    before = levels(rng, (12, 16, 4), dtype)
    store(tmp_path / "a.png", before)
    told = []
    PictureFile.read(tmp_path / "a.png").write(tmp_path / f"out{extension}", told.append)
    assert any("carries no transparency" in line for line in told)
    expected = before[..., :3] / np.iinfo(dtype).max * before[..., 3:] / np.iinfo(dtype).max * 255
    assert_allclose(read_image(tmp_path / f"out{extension}"), expected, atol=4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_hole_that_was_cut_out_becomes_opaque(tmp_path, rng, hole, fill, dtype):
    """What an eraser leaves: else what was restored could not be seen."""
    before = levels(rng, (12, 16, 4), dtype)
    before[hole, 3] = 0
    store(tmp_path / "a.png", before)
    given = np.round(fill * 255).astype(np.uint8) if dtype == np.uint8 else fill
    PictureFile.read(tmp_path / "a.png").filled(given, hole).write(tmp_path / "out.png")
    after = stored(tmp_path / "out.png")
    assert (after[hole, 3] == np.iinfo(dtype).max).all()
    assert_allclose(after[hole][:, :3] / np.iinfo(dtype).max, fill[hole], atol=0.003)
    assert_array_equal(after[~hole], before[~hole])


def test_any_other_hole_keeps_its_transparency_and_looks_as_it_was_filled(tmp_path, rng, hole):
    """The background of a portrait that was cut out stays transparent beside the restored cheek."""
    before = levels(rng, (12, 16, 4), np.uint8)
    store(tmp_path / "a.png", before)
    picture = PictureFile.read(tmp_path / "a.png")
    # what is seen already, as if a search had found it
    picture.filled(picture.pixels, hole).write(tmp_path / "out.png")
    after = stored(tmp_path / "out.png")
    assert_array_equal(after[..., 3], before[..., 3])
    assert_allclose(read_image(tmp_path / "out.png").astype(int), picture.pixels.astype(int), atol=1)


def test_a_compression_that_leaves_8_bits_is_told(tmp_path, rng, monkeypatch):
    store(tmp_path / "a.tif", levels(rng, (12, 16, 3), np.uint16))

    def refuse(_):
        raise ValueError("requires the 'imagecodecs' package")

    monkeypatch.setattr("faceinpaint_fast.tiff.read_deep", refuse)
    with pytest.warns(UserWarning, match=r"a\.tif: 8 bits of its levels are read, more cannot be: requires"):
        picture = PictureFile.read(tmp_path / "a.tif")
    assert_array_equal(picture.pixels, read_image(tmp_path / "a.tif"))


def test_colours_of_which_8_bits_are_read_alone_are_told(tmp_path, rng):
    deep = levels(rng, (12, 16, 3), np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", np.dstack([deep, deep[..., 0]]), photometric="rgb", extrasamples=["assocalpha"]
    )
    (tmp_path / "a.ppm").write_bytes(b"P6 # a word\n16 12\n65535\n" + deep.astype(">u2").tobytes())
    for name in ("a.tif", "a.ppm"):
        with pytest.warns(UserWarning, match=f"{name}: 8 bits of its levels are read, more cannot be"):
            assert PictureFile.read(tmp_path / name).levels.dtype == np.uint8


def test_what_is_no_picture_and_no_place_are_refused(tmp_path, rng):
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"a\.png: expected an image file"):
        PictureFile.read(tmp_path / "a.png")
    with pytest.raises(InputError, match="stdin: expected an image file"):
        PictureFile.read(BytesIO(b""), name="stdin")
    store(tmp_path / "a.png", levels(rng, (12, 16), np.uint8))
    with pytest.raises(InputError, match=r"a\.docx: expected an extension"):
        PictureFile.read(tmp_path / "a.png").write(tmp_path / "a.docx")


def test_broken_metadata_cost_no_pixel(tmp_path, rng):
    before = levels(rng, (12, 16, 3), np.uint8)
    Image.fromarray(before).save(tmp_path / "a.webp", lossless=True, exif=b"no EXIF", icc_profile=PROFILE)
    with pytest.warns(UserWarning, match=r"a\.webp: its EXIF cannot be read"):
        picture = PictureFile.read(tmp_path / "a.webp")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture.write(tmp_path / "out.png")
    assert_array_equal(stored(tmp_path / "out.png"), before)
    assert opened(tmp_path / "out.png").info["icc_profile"] == PROFILE


def whole(rng, name: str) -> bytes:
    """A small file of a format, with EXIF where it takes some."""
    file, colours = BytesIO(), levels(rng, (16, 16, 3), np.uint8)
    if name == "deep PNG":
        return PictureFile(colours.astype(np.uint16) * 257, None, {}).encoded("PNG")
    if name == "deep TIFF":
        tifffile.imwrite(file, colours.astype(np.uint16) * 257, photometric="rgb", compression="zlib")
    else:
        takes = {"exif": exif()} if "exif" in CARRIES.get(name, ()) else {}
        Image.fromarray(colours).save(file, name, **takes)
    return file.getvalue()


@pytest.mark.parametrize("format_", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", "deep PNG", "deep TIFF"])
def test_a_broken_file_is_read_or_refused_and_nothing_else(rng, format_, capfd):
    """Cut at 40 places, and with one of 120 bits changed, half of them where the structure is."""
    data = whole(rng, format_)
    broken = [data[:place] for place in np.linspace(0, len(data) - 1, 40).astype(int)]
    for most in (len(data), min(len(data), 200)):
        for bit in rng.integers(8 * most, size=60):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            broken.append(bytes(changed))
    outcomes, messages = set(), []
    for each in broken:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                outcomes.add(type(PictureFile.read(BytesIO(each), name="picture")))
            except InputError as error:
                messages.append(str(error))
    assert outcomes == {PictureFile}
    assert messages
    assert all(message.startswith("picture: expected an image file") for message in messages)
    # what its library has to say of it
    capfd.readouterr()
