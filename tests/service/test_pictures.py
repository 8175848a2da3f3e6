"""Pictures of a request, in and out."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from faceinpaint_fast.service import pictures
from faceinpaint_fast.service.asked import Asked, Options
from faceinpaint_fast.service.refusal import Refusal

MOST = 100_000


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def refused(work):
    with pytest.raises(Refusal) as found:
        work()
    return found.value.status, found.value.field


@pytest.mark.parametrize("side", [400, 12_000, 30_000])
def test_a_claim_of_too_many_pixels_is_refused_before_any_is_decoded(side):
    # beyond 9,000 Pillow warns, beyond 13,000 it refuses
    assert refused(lambda: pictures.claim(claiming(side, side), "hole", MOST)) == (413, "hole")


def test_what_is_no_picture_is_of_no_format_and_a_broken_one_is_a_field_that_does_not_fit(png, face):
    assert refused(lambda: pictures.claim(b"<svg/>", "image", MOST)) == (415, "image")
    assert refused(lambda: pictures.claim(b"", "image", MOST)) == (415, "image")
    assert refused(lambda: pictures.read(png(face)[:1000])) == (422, "image")


def test_claims_are_of_the_picture_and_of_its_hole(png, face, hole):
    asked = Asked(png(face), png(hole), Options())
    assert [(each.format, each.width, each.height) for each in pictures.claims(asked, MOST)] == [("PNG", 64, 64)] * 2
    assert len(pictures.claims(Asked(png(face), "centre", Options()), MOST)) == 1


def test_a_hole_is_read_as_the_command_line_reads_it(png, face, hole):
    for given, options in ((png(hole), Options()), (png(255 - hole), Options(invert=True))):
        found = pictures.damaged(Asked(png(face), given, options), MOST)
        assert (found.missing == (hole > 0)).all()
        assert (found.pixels == face).all()
        assert found.format == "PNG"


@pytest.mark.parametrize(
    "made", [lambda hole: hole[:32], np.zeros_like, lambda hole: hole | 255, lambda hole: 255 - hole]
)
def test_a_hole_that_does_not_fit_is_refused(made, png, face, hole):
    assert refused(lambda: pictures.damaged(Asked(png(face), png(made(hole)), Options()), MOST)) == (422, "hole")


def test_a_hole_of_which_there_is_doubt_is_taken_by_force(png, face, hole):
    found = pictures.damaged(Asked(png(face), png(255 - hole), Options(force=True)), MOST)
    assert found.missing.mean() > 0.5


@pytest.mark.parametrize("format_", pictures.FORMATS)
def test_the_answer_is_of_the_format_that_is_asked_for(format_, png, face, hole, decoded):
    damaged = pictures.damaged(Asked(png(face), png(hole), Options()), MOST)
    made = pictures.encoded(damaged, 255 - face, format_)
    claim = pictures.claim(made.data, "image", MOST)
    assert (claim.format, made.media_type) == (pictures.FORMATS[format_], pictures.MEDIA[claim.format])
    if format_ == "jpeg":
        assert "JPEG cannot keep known pixels" in made.remarks[0]
    else:
        assert made.remarks == ()
        assert (decoded(made.data)[..., :3] == np.where(hole[..., None] > 0, 255 - face, face)).all()


def test_the_same_format_is_the_pictures_own_or_png(png, face, hole):
    import io

    from PIL import Image

    for own, expected in (("WEBP", "image/webp"), ("GIF", "image/png")):
        file = io.BytesIO()
        Image.fromarray(face).save(file, own)
        damaged = pictures.damaged(Asked(file.getvalue(), png(hole), Options()), MOST)
        assert pictures.encoded(damaged, damaged.pixels, "same").media_type == expected


def test_a_picture_that_its_format_cannot_hold_is_refused(png):
    wide = np.zeros((1, 17_000, 3), np.uint8)
    hole = np.zeros((1, 17_000), np.uint8)
    hole[:, :9] = 255
    damaged = pictures.damaged(Asked(png(wide), png(hole), Options()), MOST)
    assert refused(lambda: pictures.encoded(damaged, wide, "webp")) == (422, "format")
