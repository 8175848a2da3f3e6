"""Faces from folders of images and tar shards."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.faces import astronaut, load_faces
from faceinpaint_fast.framing import CELEBA_108, CELEBA_148
from faceinpaint_fast.images import write_image


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
    found = load_faces([folder, str(tar), folder], progress=heard.append)
    assert found.dtype == np.uint8
    assert_array_equal(found, faces[[0, 1, 2, 3, 4, 5, 0, 1, 2, 3]])
    assert heard == list(range(1, 11))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_shard_may_be_compressed(tmp_path, faces, mode):
    assert_array_equal(load_faces([shard(tmp_path / "a", {"a.png": png(faces[0])}, mode)]), faces[:1])


def test_a_limit_ends_the_reading(tmp_path, faces):
    tar = shard(tmp_path / "shard.tar", {"a.png": png(faces[0]), "b.png": png(faces[1]), "c.png": b"broken"})
    assert_array_equal(load_faces([tar, tmp_path / "nowhere"], limit=2), faces[:2])


def test_the_centred_square_is_cut_and_resized(tmp_path, draw_face, rng):
    wide = rng.integers(0, 256, (64, 90, 3), dtype=np.uint8)
    write_image(tmp_path / "wide.png", wide)
    assert_array_equal(load_faces([tmp_path])[0], wide[:, 13:77])
    # the framing of CelebA: of 178x218 the centred 108x108
    celeba = np.zeros((218, 178, 3), np.uint8)
    celeba[55:163, 35:143] = draw_face(0, 108)
    write_image(tmp_path / "wide.png", celeba)
    found = load_faces([tmp_path], crop=108)[0]
    assert found.shape == (64, 64, 3)
    # the same head, drawn smaller: they differ along its outline alone
    assert (abs(found.astype(int) - draw_face(0)).max(axis=-1) > 8).mean() < 0.1
    # uncropped, it is smaller still
    assert (abs(load_faces([tmp_path])[0].astype(int) - draw_face(0)).max(axis=-1) > 8).mean() > 0.2


def test_a_face_smaller_than_the_crop_is_named(tmp_path, faces):
    write_image(tmp_path / "small.png", faces[0])
    for crop in (65, 0, -3):
        with pytest.raises(InputError, match=rf"small\.png: expected at least the {crop}x{crop} to be cropped"):
            load_faces([tmp_path], crop=crop)


def test_a_broken_face_is_named(tmp_path, faces):
    write_image(tmp_path / "folder" / "a.png", faces[0])
    (tmp_path / "folder" / "b.png").write_bytes(png(faces[1])[:-100])
    with pytest.raises(InputError, match=r"folder/b\.png: expected an image file that can be read whole"):
        load_faces([tmp_path / "folder"])
    tar = shard(tmp_path / "shard.tar", {"a.png": png(faces[0]), "inner/b.png": png(faces[1])[:-100]})
    with pytest.raises(InputError, match=r"shard\.tar:inner/b\.png: expected an image file that can be read whole"):
        load_faces([tar])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_broken_shard_is_named(tmp_path, rng, mode):
    noise = rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    path = shard(tmp_path / "shard", {f"{i}.png": png(noise[i]) for i in range(4)}, mode)
    whole = path.read_bytes()
    for share in (0, 0.3, 0.8):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match="shard: expected a folder of images or a tar file, got: "):
            load_faces([path])


def test_links_within_a_shard_are_no_faces(tmp_path, faces):
    path = shard(tmp_path / "shard.tar", {"a.png": png(faces[0])})
    with tarfile.open(path, "a") as tar:
        for name, target in (("b.png", "a.png"), ("c.png", "gone.png")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    assert_array_equal(load_faces([path]), faces[:1])


def test_no_faces_at_all(tmp_path):
    (tmp_path / "notes.txt").write_text("not a face")
    with pytest.raises(InputError, match=f"data: expected images in {tmp_path}, got none"):
        load_faces([tmp_path])
    with pytest.raises(InputError, match="data: expected images in some source, got none"):
        load_faces([])
    for source in (tmp_path / "nowhere", tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=f"{source}: expected a folder of images or a tar file"):
            load_faces([source])


def test_the_astronaut_has_any_size_and_framing():
    small = astronaut(CELEBA_108, 64)
    assert (small.shape, small.dtype) == ((64, 64, 3), np.uint8)
    # the same face with twice the pixels a side, and with more around it
    halved = astronaut(CELEBA_108, 128).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert abs(halved - small).mean() < 2
    wider = astronaut(CELEBA_148, 148)[20:128, 20:128]
    assert abs(wider - astronaut(CELEBA_108, 108).astype(float)).mean() < 2
