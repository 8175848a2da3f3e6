"""Files to write: a place that is asked for beforehand, and the whole file or none."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import check_place, sweep, write_atomically

LONGEST = f"{'n' * 251}.png"


@pytest.mark.parametrize(
    "place", ["file/a.png", "file/deeper/a.png", f"{'long' * 70}.png", f"new/{'long' * 70}.png", "loop/a.png"]
)
def test_a_place_that_cannot_be_written_to_is_refused_and_nothing_made(tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=r"\.png: expected a place that can be written to"):
        check_place(tmp_path / place)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "loop"]


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


def put(path: Path, content: bytes) -> None:
    check_place(path)
    write_atomically(path, lambda file: file.write(content))


def test_a_name_may_be_as_long_as_a_name_can_be(tmp_path):
    put(tmp_path / "new" / LONGEST, b"new")
    put(tmp_path / "new" / LONGEST, b"newer")
    assert (tmp_path / "new" / LONGEST).read_bytes() == b"newer"
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_is_written_through(tmp_path, there):
    named, link, chained = tmp_path / "far" / "named", tmp_path / "link", tmp_path / "chained"
    link.symlink_to("far/named")
    chained.symlink_to(link)
    if there:
        named.parent.mkdir()
        named.write_bytes(b"old")
    put(chained, b"new")
    assert link.is_symlink()
    assert chained.is_symlink()
    assert named.read_bytes() == b"new"
    assert [file.name for file in named.parent.iterdir()] == ["named"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_file_keeps_its_rights_and_nobody_else_has_any_meanwhile(tmp_path, mode):
    path, seen = tmp_path / "private", []
    path.write_bytes(b"old")
    path.chmod(mode)

    def write(file):
        seen.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode))
        file.write(b"new")

    write_atomically(path, write)
    assert seen == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="Linux has them")
def test_a_file_keeps_its_attributes_and_gets_a_new_time(tmp_path):
    """Among which Linux has access lists."""
    path, name = tmp_path / "labelled", "user.label"
    path.write_bytes(b"old")
    os.utime(path, (1, 1))
    try:
        os.setxattr(path, name, b"private")
    except OSError as error:
        pytest.skip(f"the file system has none: {error}")
    put(path, b"new")
    assert os.getxattr(path, name) == b"private"
    assert path.stat().st_mtime > 1


def test_a_new_file_has_the_rights_of_any_other(tmp_path):
    (tmp_path / "other").touch()
    put(tmp_path / "new", b"new")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_keeps_its_owner(tmp_path):
    path = tmp_path / "theirs"
    path.write_bytes(b"old")
    try:
        os.chown(path, 12345, 54321)
    except OSError as error:
        # root of a namespace that knows no other users
        pytest.skip(f"files are not given away here: {error}")
    put(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@pytest.mark.parametrize("name", ["protected", "link"])
@pytest.mark.parametrize("attempt", [check_place, lambda path: write_atomically(path, lambda file: file.write(b"new"))])
def test_a_protected_file_is_not_written_over(tmp_path, name, attempt):
    """Not even by root, whom the system would let."""
    path = tmp_path / "protected"
    path.write_bytes(b"old")
    path.chmod(0o444)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(InputError, match=f"{name}: expected a place that can be written to, got: .*write-protected"):
        attempt(tmp_path / name)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EACCES, errno.EPERM])
def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path, monkeypatch, number):
    """One that is mounted there, or whose folder takes no other file."""

    def refuse(self, _):
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "replace", refuse)
    path = tmp_path / "mounted"
    path.write_bytes(b"a long old content")
    number_of_the_file = path.stat().st_ino
    put(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino == number_of_the_file
    assert [file.name for file in tmp_path.iterdir()] == ["mounted"]
    with pytest.raises(OSError, match=os.strerror(number)):
        put(tmp_path / "new", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["mounted"]


def test_in_place_too_the_old_content_outlives_a_writer_that_fails(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "no other file in this folder")

    def fail_midway(file):
        file.write(b"ne")
        raise RuntimeError("power cut")

    path = tmp_path / "state"
    path.write_bytes(b"old")
    monkeypatch.setattr("secrets.token_hex", refuse)
    with pytest.raises(RuntimeError, match="power cut"):
        write_atomically(path, fail_midway)
    assert path.read_bytes() == b"old"
    put(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_fifo_is_written_into(tmp_path):
    path, heard = tmp_path / "fifo.png", []
    os.mkfifo(path)
    check_place(path)
    reader = threading.Thread(target=lambda: heard.append(path.read_bytes()))
    reader.start()
    write_atomically(path, lambda file: file.write(b"new" * 100_000))
    reader.join()
    assert heard == [b"new" * 100_000]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_device_is_written_into(tmp_path):
    """A terminal of the test's own: never one of the system's, which root would replace if this failed."""
    controller, terminal = os.openpty()
    try:
        link = tmp_path / "link"
        link.symlink_to(os.ttyname(terminal))
        put(link, b"new")
        assert os.read(controller, 100) == b"new"
        assert link.is_symlink()
        assert stat.S_ISCHR(link.stat().st_mode)
    finally:
        os.close(controller)
        os.close(terminal)


def test_what_the_system_says_without_a_name_gets_the_file_s(tmp_path):
    """As of a full disk."""

    def fill(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/state'"):
        write_atomically(tmp_path / "state", fill)
    assert not any(tmp_path.iterdir())


def test_what_killed_writers_left_is_swept(tmp_path):
    """Of other writers' names, by chance, not by the process: those of two containers may have one number."""
    left = []
    for _ in range(2):
        write_atomically(tmp_path / "state", lambda file: left.append(file.name))
    assert left[0] != left[1]
    for name in left:
        Path(name).touch()
    (tmp_path / "mine.partial").touch()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.partial", "state"]
