"""The pictures of a folder: which count, in which order, and what is passed over."""

from __future__ import annotations

import os

import pytest

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.picture_folder import Passed, counts, pictures, told


def found(folder):
    """The names of its pictures, as they lie in it."""
    return [str(path.relative_to(folder)) for path in pictures(folder, Passed())]


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.PNG", "c/a.jp2", "c/deep/z.webp", "B.gif"):
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).touch()
    return tmp_path / "folder"


def test_pictures_come_by_name(folder, monkeypatch):
    expected = ["B.gif", "a.PNG", "b.png", "c/a.jp2", "c/deep/z.webp"]
    assert found(folder) == expected
    walk = os.walk

    def in_another_order(*arguments, **options):
        for parent, folders, files in walk(*arguments, **options):
            folders.reverse()
            yield parent, folders, sorted(files, reverse=True)

    monkeypatch.setattr("os.walk", in_another_order)
    assert found(folder) == expected


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.png", None),
        ("deep/a.AVIF", None),
        ("._a.png", "hidden"),
        (".git/a.png", "hidden"),
        ("deep/__MACOSX/a.png", "hidden"),
        ("Thumbs.db", "hidden"),
        ("a.HEIC", ".heic"),
        ("README", "without an extension"),
        ("png", "without an extension"),
    ],
)
def test_what_counts(path, kind):
    passed = Passed()
    assert counts(path.split("/"), passed) == (kind is None)
    assert passed == ({} if kind is None else {kind: 1})


def test_what_was_passed_over_is_told_with_the_most_first():
    assert told(Passed({".txt": 1, "hidden": 3})) == "3 hidden, 1 .txt"


def test_symbolic_links_are_followed_and_no_folder_is_entered_twice(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for name in ("e.png", "deep/f.png"):
        (elsewhere / name).parent.mkdir(exist_ok=True)
        (elsewhere / name).touch()
    before = found(folder)
    for link, target in (
        (folder / "linked", elsewhere),
        (folder / "linked too", elsewhere),
        (folder / "loop", folder),
        (elsewhere / "back", folder),
        (elsewhere / "deep" / "up", elsewhere),
        (folder / "itself", folder / "itself"),
        (folder / "z.png", elsewhere / "e.png"),
        (folder / "zz.png", folder / "nowhere"),
    ):
        link.symlink_to(target)
    # a picture that a link names is one; so is one that is missing, for its reader to say so
    assert sorted(found(folder)) == sorted([*before, "linked/e.png", "linked/deep/f.png", "z.png", "zz.png"])


def test_what_has_no_end_is_no_picture(folder):
    os.mkfifo(folder / "endless.png")
    passed = Passed()
    assert folder / "endless.png" not in pictures(folder, passed)
    assert passed == {"not a file": 1}


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    """Permissions do not stop root, who may be running this."""
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(InputError, match=r"deep: expected a folder that can be read, got: .*Permission denied"):
        pictures(folder, Passed())
