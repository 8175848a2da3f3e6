"""Archives in and out."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile

import pytest

from faceinpaint_fast.service import archive
from faceinpaint_fast.service.archive import Archive, Written
from faceinpaint_fast.service.refusal import Refusal

MOST = 1000
NAMES = ["b/x.jpg", "a.png", "a_mask.png", "b/x.mask.png", "c.png", "lone_mask.png", "readme.txt", "__MACOSX/._a.png"]


def packed(kind, members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w", compression) as made:
            for name, data in members:
                made.writestr(name, data)
    else:
        with tarfile.open(fileobj=file, mode="w") as made:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                made.addfile(info, io.BytesIO(data))
    return file.getvalue()


def unpacked(kind, data):
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as made:
            assert made.testzip() is None
            return {name: made.read(name) for name in made.namelist()}
    with tarfile.open(fileobj=io.BytesIO(data)) as made:
        return {info.name: made.extractfile(info).read() for info in made}


def refused(work):
    with pytest.raises(Refusal) as found:
        work()
    return found.value.status


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_hole_is_called_as_its_picture(kind):
    found = Archive.of(packed(kind, [(name, name.encode()) for name in NAMES]), MOST)
    assert found.kind == kind
    told = {each.name: each.hole and each.hole().decode() for each in found.items}
    assert told == {"a.png": "a_mask.png", "b/x.jpg": "b/x.mask.png", "c.png": None, "lone_mask.png": None}
    assert [each.image().decode() for each in found.items] == list(told)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_that_is_too_large_is_refused_alone(kind):
    found = Archive.of(packed(kind, [("a.png", bytes(MOST + 1)), ("b.png", bytes(MOST))], zipfile.ZIP_DEFLATED), MOST)
    assert refused(found.items[0].image) == 413
    assert found.items[1].image() == bytes(MOST)


def test_a_member_that_is_larger_than_it_says_is_refused_too():
    data = packed("zip", [("a.png", bytes(10 * MOST))], zipfile.ZIP_DEFLATED)
    said = struct.pack("<I", 10 * MOST)
    assert data.count(said) == 2
    found = Archive.of(data.replace(said, struct.pack("<I", 10)), MOST)
    with pytest.raises(Refusal):
        found.items[0].image()


def test_a_broken_member_is_refused_alone():
    data = bytearray(packed("zip", [("a.png", b"aaaa"), ("b.png", b"bbbb")]))
    data[data.index(b"aaaa")] = 0
    found = Archive.of(bytes(data), MOST)
    assert refused(found.items[0].image) == 422
    assert found.items[1].image() == b"bbbb"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 415),
        (b"x" * 2000, 415),
        (b"\x1f\x8b\x08\x00" + bytes(100), 415),
        (b"PK\x03\x04xx", 400),
        (packed("zip", [("a.png", b"a")])[:-20], 400),
        (packed("tar", [("readme.txt", b"a")]), 422),
        (packed("zip", [("readme.txt", b"a")]), 422),
    ],
    # a zip's bytes have the time in them
    ids=["nothing", "letters", "gzip", "zip's first bytes", "zip cut short", "tar of a text", "zip of a text"],
)
def test_what_is_no_archive_of_pictures_is_refused(data, status):
    assert refused(lambda: Archive.of(data, MOST)) == status


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_of_too_many_members_is_refused(kind, monkeypatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    members = [(f"{i}.png", b"") for i in range(4)]
    assert refused(lambda: Archive.of(packed(kind, members), MOST)) == 413
    assert len(Archive.of(packed(kind, members[:3]), MOST).items) == 3


def test_links_and_devices_of_a_tar_are_no_members():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            made.addfile(info)
    assert refused(lambda: Archive.of(file.getvalue(), MOST)) == 422


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_is_written_piece_by_piece(kind):
    written = Written(kind)
    pieces = [
        written.add(written.place(name, ".png"), bytes([i]) * 20_000) for i, name in enumerate(["a.jpg", "b/c.png"])
    ]
    written.note({"input": "a.jpg\n"})
    written.note({"input": "b"})
    pieces.append(written.end())
    assert all(pieces)
    found = unpacked(kind, b"".join(pieces))
    assert list(found) == ["a.png", "b/c.png", archive.MANIFEST]
    assert found["b/c.png"] == b"\x01" * 20_000
    assert [json.loads(line)["input"] for line in found[archive.MANIFEST].splitlines()] == ["a.jpg\n", "b"]


def test_no_name_is_there_twice_and_none_leads_out():
    written = Written("zip")
    assert written.place("a.png", ".png") == "a.png"
    assert written.place("a.jpg", ".png") == "a.jpg.png"
    # where large and small letters are alike, too
    assert written.place("A.PNG", ".png") == "A.PNG.png"
    for name in ("a.jpg", "../b.png", "/b.png", "b/../../c.png", "b\\c.png", "c:d.png"):
        assert refused(lambda name=name: written.place(name, ".png")) == 422
