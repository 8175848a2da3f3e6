"""Files to write: a place that is asked for beforehand, and the whole file or none."""

from __future__ import annotations

import pytest

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import check_place, write_atomically


@pytest.mark.parametrize("place", ["file/a.png", "file/deeper/a.png", f"{'long' * 70}.png"])
def test_a_place_that_cannot_be_written_to_is_refused_and_nothing_made(tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"\.png: expected a place that can be written to"):
        check_place(tmp_path / place)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_which_no_file_can_be_made_is_refused(monkeypatch, tmp_path):
    """Permissions do not stop root, who may be running this: the file system itself refuses here."""

    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError, match="Read-only file system"):
        check_place(tmp_path / "a.png")


def test_asking_leaves_nothing_behind(tmp_path):
    check_place(tmp_path / "new" / "a.png")
    assert not any(tmp_path.iterdir())


def test_a_folder_is_no_place_for_a_file(tmp_path):
    with pytest.raises(InputError, match="expected a file to write to, got a folder"):
        check_place(tmp_path)


def test_the_old_file_stays_when_the_writer_fails_midway(tmp_path):
    path = tmp_path / "state"
    path.write_bytes(b"old")

    def fail_midway(file):
        file.write(b"ne")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_atomically(path, fail_midway)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "state"
    path.write_bytes(b"old")
    seen = []

    def write(file):
        file.write(b"new")
        file.flush()
        seen.append(path.read_bytes())

    write_atomically(path, write)
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"
