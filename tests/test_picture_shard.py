"""The pictures of a tar file: what is taken of each, and a file that is not whole."""

from __future__ import annotations

import tarfile
from io import BytesIO

import pytest

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.picture_folder import Passed
from faceinpaint_fast.picture_shard import members


@pytest.fixture
def shard(tmp_path):
    with tarfile.open(tmp_path / "faces.tar", "w") as tar:
        for name, content in (("a.png", b"first"), ("notes.txt", b"words"), ("sub/b.jpg", b"second")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return tmp_path / "faces.tar"


def name_of(_, member):
    return member.name


def test_what_is_taken_of_each_picture(shard):
    passed = Passed()
    assert [*members(shard, passed, name_of)] == ["a.png", "sub/b.jpg"]
    assert passed == {".txt": 1}
    assert [*members(shard, Passed(), lambda _, member: member.name if member.size == 6 else None)] == ["sub/b.jpg"]


def test_where_a_member_lies_in_a_file_that_is_open(shard):
    with shard.open("rb") as source:
        places = [*members("it", Passed(), lambda _, member: (member.offset_data, member.size), source=source)]
    content = shard.read_bytes()
    assert [content[start : start + size] for start, size in places] == [b"first", b"second"]


def test_a_file_that_is_not_whole_is_refused_where_it_breaks(shard):
    whole = shard.read_bytes()
    shard.write_bytes(whole[:1600])
    with pytest.raises(InputError, match=r"faces\.tar, byte \d+: expected a folder of images, an image or a whole tar"):
        [*members(shard, Passed(), name_of)]


def test_a_compressed_one_is_refused_where_members_must_lie_as_they_are(shard, tmp_path):
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as tar:
        tar.add(shard, "a.png")
    assert [*members(tmp_path / "packed.tar", Passed(), name_of)] == ["a.png"]
    with pytest.raises(InputError, match=r"packed\.tar: expected"):
        [*members(tmp_path / "packed.tar", Passed(), name_of, mode="r:")]
