"""Pictures behind addresses and in tar files: which there are, and what is read of them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InputError, masks
from faceinpaint_fast.folders import sources
from faceinpaint_fast.folders.manifest import key_of
from faceinpaint_fast.folders.plan import Plan, Task
from faceinpaint_fast.folders.run import restore_folder
from faceinpaint_fast.images import read_image
from faceinpaint_fast.picture_folder import Passed

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")


@pytest.fixture
def album(images, put, put_hole, faces):
    """Three faces in two folders, each beside its hole."""
    for name, face in (("a", faces[0]), ("b", faces[1]), ("sub/c", faces[2])):
        put(images / f"{name}.png", face)
        put_hole(images / f"{name}.mask.png")
    (images / "notes.txt").touch()
    return images


@pytest.fixture
def behind(album, monkeypatch):
    """The same behind an address, as an object store has it: s3fs takes the version of a file before its bytes."""
    store = fsspec.filesystem("memory")
    read = type(store).cat_file

    def cat_file(self, path, version_id=None, start=None, end=None):
        assert version_id is None
        return read(self, path, start=start, end=end)

    monkeypatch.setattr(type(store), "cat_file", cat_file)
    store.put(str(album), "/bucket/album", recursive=True)
    yield "memory://bucket/album"
    store.rm("/bucket", recursive=True)


@pytest.fixture
def shard(album, tmp_path):
    """The same as a tar file."""
    path = tmp_path / "shards" / "album.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as tar:
        tar.add(album, "./")
    return path


@pytest.fixture
def restore(out, inpainter):
    def restore_it(images, holes=None, **asked):
        task = Task(images=images, holes=str(images if holes is None else holes), out=out, **asked)
        return restore_folder(Plan.of(task), inpainter)

    return restore_it


def test_what_is_behind_an_address_is_named_as_in_a_folder(album, behind):
    passed = Passed()
    found = sources.pictures_of(sources.place_of(behind), passed)
    assert found.keys() == sources.pictures_of(album, Passed()).keys()
    assert passed == {".txt": 1}
    assert str(found[Path("sub/c.png")]) == "memory:///bucket/album/sub/c.png"
    assert found[Path("sub/c.png")].open().read() == (album / "sub" / "c.png").read_bytes()


def test_what_is_in_a_tar_file_has_its_name_before(album, shard):
    found = sources.pictures_of(sources.place_of(shard), Passed())
    assert {str(name) for name in found} == {f"album/{path.relative_to(album)}" for path in album.rglob("*.png")}
    assert str(found[Path("album/a.png")]).endswith("/shards/album.tar:./a.png")
    for name, where in found.items():
        assert where.open().read() == (album / name.relative_to("album")).read_bytes()


def test_a_pattern_is_of_many_tar_files(shard, tmp_path):
    (tmp_path / "shards" / "more").mkdir()
    (tmp_path / "shards" / "more" / "other.tar").write_bytes(shard.read_bytes())
    names = {str(name) for name in sources.pictures_of(sources.place_of(f"{tmp_path}/shards/**/*.tar"), Passed())}
    assert {"album/a.png", "more/other/a.png"} < names


def test_the_same_comes_of_a_folder_an_address_and_a_tar_file(album, behind, shard, out, restore, faces):
    hole = masks.centre((64, 64))
    for images, before in ((album, ""), (behind, ""), (shard, "album/")):
        assert restore(images).restored == 3
        for name, face in (("a", faces[0]), ("sub/c", faces[2])):
            found = read_image(out / f"{before}{name}.png")
            assert_array_equal(found[~hole], face[~hole])
            assert (found[hole] != face[hole]).any()
        # and what is finished is left, by what is said of the files there
        assert (restore(images).before, restore(images).restored) == (3, 0)
    outputs = [line["output"] for line in map(json.loads, (out / "manifest.jsonl").read_text().splitlines())]
    assert sorted(outputs) == ["a.png", "album/a.png", "album/b.png", "album/sub/c.png", "b.png", "sub/c.png"]


def test_a_hole_behind_an_address_may_be_one_for_all_or_lie_elsewhere(album, behind, restore, out):
    for path in album.rglob("*.mask.png"):
        path.unlink()
    assert restore(album, f"{behind}/a.mask.png").restored == 3
    assert "memory:///bucket/album/a.mask.png" in (out / "manifest.jsonl").read_text()
    for name in ("a", "b", "sub/c"):
        fsspec.filesystem("memory").rm(f"/bucket/album/{name}.png")
    assert restore(album, behind).restored == 3
    assert "memory:///bucket/album/sub/c.mask.png" in (out / "manifest.jsonl").read_text()


def test_a_key_changes_with_what_is_said_of_a_file(behind, out):
    def key():
        items = Plan.of(Task(images=behind, holes="centre", out=out)).items
        return key_of(next(item for item in items if item.name.name == "a.png"), {})

    before = key()
    assert key() == before
    fsspec.filesystem("memory").pipe("/bucket/album/a.png", b"other")
    assert key() != before


def test_a_tar_file_that_was_touched_is_restored_again(shard, restore):
    assert restore(shard).restored == 3
    with tarfile.open(shard, "a") as tar:
        tar.add(shard.parent.parent / "in" / "a.png", "d.png")
        tar.add(shard.parent.parent / "in" / "a.mask.png", "d_mask.png")
    assert restore(shard).restored == 4


def test_no_picture_leaves_its_folder(tmp_path, put):
    """Whatever a tar file calls it."""
    path = put(tmp_path / "face.png")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for name in ("../up.png", "/root.png", "a/../../up.png", "fine.png"):
            info = tar.gettarinfo(path)
            info.name = name
            with path.open("rb") as file:
                tar.addfile(info, file)
    passed = Passed()
    found = sources.pictures_of(sources.place_of(tmp_path / "evil.tar"), passed)
    assert {str(name) for name in found} == {"evil/root.png", "evil/fine.png"}
    assert passed == {"hidden": 2}


def test_links_in_a_tar_file_are_passed_over(tmp_path, put):
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").symlink_to("a.png")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "in", "")
    passed = Passed()
    assert len(sources.pictures_of(sources.place_of(tmp_path / "a.tar"), passed)) == 1
    assert passed == {"not a file": 1}


def test_a_file_address_is_a_folder_s_path(tmp_path):
    assert sources.place_of(f"file://{tmp_path}/a b") == tmp_path / "a b"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("memory://nowhere", "expected pictures to restore, got none"),
        ("nothing://bucket", "expected pictures that can be read, got: Protocol not known: nothing"),
        ("{tmp}/none.tar", "expected pictures that can be read, got: nothing there"),
    ],
)
def test_what_cannot_be_reached_is_told(address, said, tmp_path, out):
    with pytest.raises(InputError, match=said):
        Plan.of(Task(images=address.format(tmp=tmp_path), holes="centre", out=out))


def test_what_is_gone_costs_no_other(behind, out, inpainter):
    plan = Plan.of(Task(images=behind, holes="centre", out=out))
    fsspec.filesystem("memory").pipe("/bucket/album/a.png", np.random.default_rng(0).bytes(50))
    fsspec.filesystem("memory").rm("/bucket/album/b.png")
    summary = restore_folder(plan, inpainter)
    # what was of their holes is a picture too, as no folder of holes was named
    assert (summary.restored, summary.failed) == (4, 2)
    assert read_image(out / "sub" / "c.png").shape == (64, 64, 3)
