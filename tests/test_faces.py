"""Faces from folders of images and tar shards."""

from __future__ import annotations

import gzip
import os
import tarfile
import tracemalloc
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.faces import astronaut, load_faces, names_of
from faceinpaint_fast.framing import CELEBA_108, CELEBA_148, Framing
from faceinpaint_fast.images import write_image


def loaded(sources, *, size=64, framing=CELEBA_108, **options):
    """Faces as the shipped model has them."""
    return load_faces(sources, size=size, framing=framing, **options)


def shard(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    return path


def png(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_faces_of_folders_and_shards_in_order(tmp_path, faces, monkeypatch):
    folder = tmp_path / "folder"
    in_some_order = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda path, pattern: sorted(in_some_order(path, pattern), reverse=True))
    # written in another order than that of their names
    for name, number in (("b.png", 1), ("nested/deeper/d.bmp", 3), ("a.png", 0), ("nested/c.PNG", 2)):
        write_image(folder / name, faces[number])
    (folder / "notes.txt").write_text("not a face")
    (folder / "not-a-picture.png").mkdir()
    tar = shard(tmp_path / "shard.tar", {"z.png": png(faces[4]), "README": b"not a face", "y.png": png(faces[5])})
    heard = []
    found = loaded([folder, str(tar), folder], progress=heard.append)
    assert found.dtype == np.uint8
    assert_array_equal(found, faces[[0, 1, 2, 3, 4, 5, 0, 1, 2, 3]])
    assert heard == list(range(1, 11))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_shard_may_be_compressed(tmp_path, faces, mode):
    assert_array_equal(loaded([shard(tmp_path / "a", {"a.png": png(faces[0])}, mode)]), faces[:1])


@pytest.mark.parametrize(
    ("sources", "limit", "message"),
    [
        ("faces", None, "sources: expected a list of them, got 'faces'"),
        (["faces"], -1, "limit: expected an integer >= 1, got -1"),
        (["faces"], 1.5, "limit: expected an integer >= 1, got 1.5"),
    ],
)
def test_arguments_are_checked(sources, limit, message):
    """A text would be taken for a source a letter, of which / is one."""
    with pytest.raises(InputError, match=f"^{message}$"):
        loaded(sources, limit=limit)


def test_some_faces_by_their_names(tmp_path, faces):
    tar = shard(tmp_path / "shard.tar", {"z.png": png(faces[0]), "y.png": b"broken", "x.png": png(faces[1])})
    write_image(tmp_path / "folder" / "a.png", faces[2])
    sources = [tar, tmp_path / "folder"]
    names = [f"{tar}:z.png", f"{tar}:y.png", f"{tar}:x.png", f"{tmp_path}/folder/a.png"]
    assert names_of(sources) == names
    assert_array_equal(loaded(sources, only={names[3], names[0]}), faces[[0, 2]])
    with pytest.raises(InputError, match="data: expected images in"):
        loaded(sources, only=())


def test_a_limit_ends_the_reading(tmp_path, faces):
    tar = shard(tmp_path / "shard.tar", {"a.png": png(faces[0]), "b.png": png(faces[1]), "c.png": b"broken"})
    assert_array_equal(loaded([tar, tmp_path / "nowhere"], limit=2), faces[:2])


def test_a_picture_is_cut_to_the_framing_or_is_of_the_size(tmp_path, draw_face, faces):
    """The framing of CelebA: of 178x218 the centred 108x108."""
    celeba = np.zeros((218, 178, 3), np.uint8)
    celeba[55:163, 35:143] = draw_face(0, 108)
    write_image(tmp_path / "a.png", celeba)
    write_image(tmp_path / "b.png", faces[0])
    told = []
    cut, as_it_is = loaded([tmp_path], tell=told.append)
    assert_array_equal(cut, CELEBA_108.cut(celeba, 64))
    assert_array_equal(as_it_is, faces[0])
    # of the first alone
    assert told == [
        f"{tmp_path}/a.png: 178x218 pixels, of which the square of 108 pixels at (35, 55) is drawn with 64x64"
    ]
    # the same head, drawn smaller: they differ along its outline alone
    assert (abs(cut.astype(int) - draw_face(0)).max(axis=-1) > 8).mean() < 0.1
    # within the larger square it is smaller still
    write_image(tmp_path / "b.png", celeba)
    wide = loaded([tmp_path], framing=CELEBA_148)[0]
    assert (abs(wide.astype(int) - draw_face(0)).max(axis=-1) > 8).mean() > 0.2
    assert loaded([tmp_path], size=108)[0].tobytes() == draw_face(0, 108).tobytes()


def test_a_picture_that_has_been_cut_is_drawn_with_the_model_s_pixels(tmp_path, draw_face):
    """As the shards of CelebA's larger square have them, for models of 128 pixels."""
    write_image(tmp_path / "a.png", draw_face(0, 148))
    told = []
    found = loaded([tmp_path], size=128, framing=CELEBA_148, tell=told.append)
    assert_array_equal(found[0], CELEBA_148.cut(draw_face(0, 148), 128))
    assert (abs(found[0].astype(int) - draw_face(0, 128)).max(axis=-1) > 8).mean() < 0.1
    assert told == [
        f"{tmp_path}/a.png: 148x148 pixels, of which the square of 148 pixels at (0, 0) is drawn with 128x128"
    ]
    # and the smaller square within it, for models of that one
    inner = loaded([tmp_path], framing=Framing.parse("20,20,108"))[0]
    assert_array_equal(inner, CELEBA_108.cut(draw_face(0, 148)[20:128, 20:128], 64))


def test_the_size_is_told_as_well(tmp_path, faces):
    write_image(tmp_path / "a.png", faces[0])
    told = []
    loaded([tmp_path], tell=told.append)
    assert told == [f"{tmp_path}/a.png: 64x64 pixels, taken as they are"]


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        (CELEBA_108, "expected 64x64 pixels, or 108x108 or 178x218 to be cut to celeba-108, got 65x64"),
        (Framing.parse("2,0,64"), "expected 64x64 pixels, or 64x64 or at least 66x64 to be cut to 2,0,64, got 65x64"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_picture_that_is_neither_is_named(tmp_path, faces, framing, expected):
    write_image(tmp_path / "a.png", faces[0])
    write_image(tmp_path / "odd.png", np.zeros((64, 65, 3), np.uint8))
    with pytest.raises(InputError, match=rf"odd\.png: {expected}"):
        loaded([tmp_path], framing=framing)
    assert loaded([tmp_path], framing=Framing.parse("1,0,64")).shape == (2, 64, 64, 3)


def test_a_broken_face_is_named(tmp_path, faces):
    write_image(tmp_path / "folder" / "a.png", faces[0])
    (tmp_path / "folder" / "b.png").write_bytes(png(faces[1])[:-100])
    with pytest.raises(InputError, match=r"folder/b\.png: expected an image file that can be read whole"):
        loaded([tmp_path / "folder"])
    tar = shard(tmp_path / "shard.tar", {"a.png": png(faces[0]), "inner/b.png": png(faces[1])[:-100]})
    with pytest.raises(InputError, match=r"shard\.tar:inner/b\.png: expected an image file that can be read whole"):
        loaded([tar])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_broken_shard_is_named(tmp_path, rng, mode):
    noise = rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    path = shard(tmp_path / "shard", {f"{i}.png": png(noise[i]) for i in range(4)}, mode)
    whole = path.read_bytes()
    for share in (0, 0.3, 0.8):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"shard(, byte \d+)?: expected .* a whole tar file, got: "):
            loaded([path])


def link(path: Path, name: str, target: str, kind: bytes) -> None:
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        tar.addfile(info)


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE], ids=["hard", "symbolic"])
def test_links_within_a_shard_are_followed(tmp_path, faces, kind):
    path = shard(tmp_path / "shard.tar", {"a.png": png(faces[0]), "b.png": png(faces[1])})
    link(path, "c.png", "a.png", kind)
    assert_array_equal(loaded([path]), faces[[0, 1, 0]])
    link(path, "d.png", "gone.png", kind)
    with pytest.raises(InputError, match=r"shard\.tar, byte \d+: .*'gone\.png' not found"):
        loaded([path])


def headers(path: Path) -> list[int]:
    with tarfile.open(path) as tar:
        return [member.offset for member in tar]


def of_zeros(whole: bytes, place: int) -> bytes:
    return whole[:place] + bytes(512) + whole[place + 512 :]


def flipped(whole: bytes, place: int) -> bytes:
    return whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


@pytest.mark.parametrize("compressed", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(
    "broken",
    [
        flipped,
        of_zeros,
        lambda whole, place: whole[:place],
        lambda whole, place: whole[: place + 100],
        lambda whole, place: whole[:place] + bytes(512),
    ],
    ids=["flipped", "zeros", "cut-between", "cut-within", "one-block-at-the-end"],
)
def test_a_shard_that_is_not_whole_is_refused_where_it_breaks(tmp_path, faces, broken, compressed):
    """The tarfile module takes what is no header for the end: the faces before it would be all."""
    path = shard(tmp_path / "shard.tar", {f"{i}.png": png(faces[i]) for i in range(5)})
    whole, place = path.read_bytes(), headers(path)[3]
    assert len(loaded([path])) == 5
    path.write_bytes(compressed(broken(whole, place)))
    with pytest.raises(InputError, match=rf"shard\.tar, byte {place}: .*got: neither a member's header nor the .* end"):
        loaded([path])


def test_joined_shards_are_refused(tmp_path, faces):
    one = shard(tmp_path / "shard.tar", {"a.png": png(faces[0])}).read_bytes()
    other = shard(tmp_path / "shard.tar", {"b.png": png(faces[1])}).read_bytes()
    for joined in (one + other, gzip.compress(one) + gzip.compress(other), one + b"more"):
        (tmp_path / "shard.tar").write_bytes(joined)
        with pytest.raises(InputError, match=rf"shard\.tar, byte \d+: .*end, and more behind it at byte {len(one)}$"):
            loaded([tmp_path / "shard.tar"])


def test_the_checksum_of_a_compressed_shard_is_read(tmp_path, faces):
    path = shard(tmp_path / "shard.tar", {"a.png": png(faces[0])}, "w:gz")
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(InputError, match=r"shard\.tar, byte \d+: .*end-of-stream marker"):
        loaded([path])


def test_single_pictures_and_patterns(tmp_path, faces):
    for i in range(3):
        write_image(tmp_path / f"{i}.png", faces[i])
    assert_array_equal(loaded([tmp_path / "2.png", str(tmp_path / "0.png")]), faces[[2, 0]])
    assert_array_equal(loaded([tmp_path / "[12].png"]), faces[1:3])
    assert_array_equal(loaded([f"{tmp_path.parent}/*{tmp_path.name}/**/*.png"]), faces[:3])
    # a name that looks like a pattern is a name first
    write_image(tmp_path / "[12].png", faces[5])
    assert_array_equal(loaded([tmp_path / "[12].png"]), faces[5:6])
    with pytest.raises(InputError, match=r"7\.png: expected an image file, got nothing"):
        loaded([tmp_path / "7.png"])


def test_faces_are_all_that_is_kept_of_pictures(tmp_path, monkeypatch):
    """Neither are they in memory twice while they are read, nor is a picture behind the square that was cut of it."""
    picture = np.zeros((218, 178, 3), np.uint8)
    monkeypatch.setattr("faceinpaint_fast.faces.read_image", lambda *_, **__: picture.copy())
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(100):
        (folder / f"{i}.png").touch()
    tracemalloc.start()
    found = loaded([folder], size=108)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == (100, 108, 108, 3)
    assert peak < 1.2 * found.nbytes


def test_no_faces_at_all(tmp_path):
    (tmp_path / "notes.txt").write_text("not a face")
    with pytest.raises(InputError, match=f"data: expected images in {tmp_path}, got none"):
        loaded([tmp_path])
    with pytest.raises(InputError, match="data: expected images in some source, got none"):
        loaded([])
    for source in (tmp_path / "nowhere", tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=f"{source}: expected a folder of images, an image or a whole tar file"):
            loaded([source])


def test_the_astronaut_has_any_size_and_framing():
    small = astronaut(CELEBA_108, 64)
    assert (small.shape, small.dtype) == ((64, 64, 3), np.uint8)
    # the same face with twice the pixels a side, and with more around it
    halved = astronaut(CELEBA_108, 128).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert abs(halved - small).mean() < 2
    assert_array_equal(astronaut(Framing.parse("1,2,99"), 64), small)
    wider = astronaut(CELEBA_148, 148)[20:128, 20:128]
    assert abs(wider - astronaut(CELEBA_108, 108).astype(float)).mean() < 2


def test_the_face_is_framed_as_the_training_data():
    face = astronaut(CELEBA_108, 64) / 255
    assert face.shape == (64, 64, 3)
    # pupils where CelebA has them, at about (20, 33) and (43, 33): darker than the cheeks below by far
    for column in (20, 43):
        assert face[32:35, column - 1 : column + 2].mean() < face[42:45, column - 1 : column + 2].mean() - 0.25


def test_hidden_and_system_files_are_passed_over_and_counted(tmp_path, faces):
    """What macOS, Windows and file servers leave beside pictures has their extensions, and is broken as a picture."""
    write_image(tmp_path / "folder" / "003.png", faces[3])
    litter = ("._003.png", ".thumbnails/003.png", "__MACOSX/003.png", "@eaDir/003.png", "Thumbs.db", ".DS_Store")
    for name in litter:
        path = tmp_path / "folder" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"broken")
    told = []
    assert_array_equal(loaded([tmp_path / "folder"], tell=told.append), faces[3:4])
    assert told[1:] == ["passed over, since no pictures: 6 hidden"]
    members = {"./set/003.png": png(faces[3])} | {f"./set/{name}": b"broken" for name in litter}
    assert_array_equal(loaded([shard(tmp_path / "shard.tar", members)], tell=told.append), faces[3:4])
    assert told[3:] == ["passed over, since no pictures: 6 hidden"]
    # what was named is taken, whatever its name is
    hidden = tmp_path / ".hidden"
    write_image(hidden / "a.png", faces[0])
    assert_array_equal(loaded([hidden, hidden / "a.png"]), faces[[0, 0]])


def test_what_is_no_picture_is_counted_by_its_extension(tmp_path, faces):
    for name in ("a.txt", "b.txt", "c.heic", "LICENSE"):
        (tmp_path / name).write_bytes(b"no picture")
    os.mkfifo(tmp_path / "endless.png")
    told = []
    with pytest.raises(InputError, match=r"images in .*, got none; what counts: \.avif, .*\.gif, .*\.jp2, .*\.webp$"):
        loaded([tmp_path], tell=told.append)
    write_image(tmp_path / "a.png", faces[0])
    assert_array_equal(loaded([tmp_path], tell=told.append), faces[:1])
    expected = "passed over, since no pictures: 2 .txt, "
    assert told[0].startswith(expected)
    assert told[2].startswith(expected)
    assert all(kind in told[2] for kind in ("1 .heic", "1 without an extension", "1 not a file"))


@pytest.mark.parametrize("format_", ["GIF", "AVIF", "JPEG2000"])
def test_faces_in_other_formats(tmp_path, faces, format_):
    extension = {"GIF": ".gif", "AVIF": ".avif", "JPEG2000": ".jp2"}[format_]
    Image.fromarray(faces[0]).save(tmp_path / f"a{extension}", format_)
    assert abs(loaded([tmp_path])[0].astype(int) - faces[0]).mean() < 8


@pytest.fixture
def some_broken(tmp_path, faces):
    """A folder of three faces and of as many pictures that fail: one broken, one too small, one of another shape."""
    for name, image in (
        ("a", faces[0]),
        ("c", faces[1][:1, :1]),
        ("d", faces[2]),
        ("e", faces[3][:32]),
        ("f", faces[4]),
    ):
        write_image(tmp_path / f"{name}.png", image)
    (tmp_path / "b.png").write_bytes(b"broken")
    return tmp_path


def test_all_pictures_that_fail_are_named_in_one_message(some_broken, faces):
    with pytest.raises(InputError, match="got 3 that fail: ") as caught:
        loaded([some_broken])
    expected = ("b.png: expected an image file", "c.png: expected 64x64 pixels", "got 1x1", "e.png: expected 64x64")
    assert [message for message in expected if message not in str(caught.value)] == []
    for number in range(20):
        (some_broken / f"0{number}.png").write_bytes(b"broken")
    with pytest.raises(InputError, match="got the first 10 that fail: ") as caught:
        loaded([some_broken])
    assert str(caught.value).count("expected an image file") == 10
    # one that lies behind the faces that were asked for is never read
    assert_array_equal(loaded([some_broken / "a.png", some_broken], limit=1), faces[:1])


def test_pictures_that_fail_are_skipped_if_asked_and_counted(some_broken, faces):
    told = []
    assert_array_equal(loaded([some_broken], on_error="skip", tell=told.append), faces[[0, 2, 4]])
    assert len(told) == 2
    assert told[1].startswith(f"skipped 3 pictures: {some_broken}/b.png: expected an image file")
    for number in range(20):
        (some_broken / f"0{number}.png").write_bytes(b"broken")
    assert_array_equal(loaded([some_broken], on_error="skip", tell=told.append), faces[[0, 2, 4]])
    assert told[3].startswith("skipped 23 pictures: ")
    assert told[3].endswith("; and 13 more")
    for name in "adf":
        (some_broken / f"{name}.png").unlink()
    with pytest.raises(InputError, match=r"data: expected images in .*, got none"):
        loaded([some_broken], on_error="skip")
    with pytest.raises(InputError, match="on_error: expected one of fail, skip, got 'ignore'"):
        loaded([some_broken], on_error="ignore")


def test_a_shard_that_is_not_whole_is_never_skipped(tmp_path, faces):
    path = shard(tmp_path / "shard.tar", {"a.png": png(faces[0]), "b.png": b"broken"})
    assert_array_equal(loaded([path], on_error="skip"), faces[:1])
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(InputError, match=r"shard\.tar.*: expected .* a whole tar file"):
        loaded([path], on_error="skip")
