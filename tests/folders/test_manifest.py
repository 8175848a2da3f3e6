"""The lines of what has been done, and what an interrupted run makes of them."""

from __future__ import annotations

import json
import os

import pytest

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.folders.manifest import Manifest, key_of, record_of


@pytest.fixture
def items(images, put, planned):
    for name in ("a.png", "b.png"):
        put(images / name)
    return planned().items


@pytest.fixture
def manifest(out):
    out.mkdir()
    return lambda: Manifest(out / "manifest.jsonl")


def lines(out):
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def test_a_line_says_what_became_of_a_picture(items, manifest, out):
    found = manifest()
    found.begin(items)
    found.add(record_of(items[0], "key", faces=2, losses={"total": 0.5}, seconds=0.25, remarks=["odd"]))
    found.add(record_of(items[1], "key", error="broken"))
    first, second = lines(out)
    assert first == {
        "input": "a.png",
        "hole": "centre",
        "output": "a.png",
        "seed": items[0].seed,
        "faces": 2,
        "losses": {"total": 0.5},
        "seconds": 0.25,
        "remarks": ["odd"],
        "error": None,
        "key": "key",
    }
    assert (second["input"], second["error"], second["losses"]) == ("b.png", "broken", None)


def test_finished_is_what_was_done_so_and_is_there(items, manifest, out):
    found = manifest()
    found.begin(items)
    found.add(record_of(items[0], "key"))
    found.add(record_of(items[1], "key", error="broken"))
    (out / "a.png").touch()
    (out / "b.png").touch()
    again = manifest()
    assert again.finished(items[0], "key")
    assert not again.finished(items[0], "another key")
    assert not again.finished(items[1], "key")
    (out / "a.png").unlink()
    assert not again.finished(items[0], "key")


def test_what_is_done_again_and_what_had_failed_goes_out(items, manifest, out):
    found = manifest()
    found.begin(items)
    for item, error in zip(items, (None, "broken"), strict=True):
        found.add(record_of(item, "key", error=error))
    manifest().begin([])
    assert [line["input"] for line in lines(out)] == ["a.png"]
    manifest().begin(items)
    assert lines(out) == []


@pytest.mark.parametrize("cut", [1, 30])
def test_a_line_that_was_cut_short_is_none(items, manifest, out, cut):
    found = manifest()
    found.begin(items)
    for item in items:
        found.add(record_of(item, "key"))
        (out / item.output).touch()
    os.truncate(out / "manifest.jsonl", (out / "manifest.jsonl").stat().st_size - cut)
    again = manifest()
    assert [again.finished(item, "key") for item in items] == [True, False]
    again.begin(items[1:])
    again.add(record_of(items[1], "key"))
    assert [line["input"] for line in lines(out)] == ["a.png", "b.png"]


def test_a_line_is_written_whole_or_not_at_all(items, manifest, out):
    """A disk that is full takes its beginning."""
    resource = pytest.importorskip("resource")
    found = manifest()
    found.begin(items)
    found.add(record_of(items[0], "key"))
    whole = (out / "manifest.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, limits[1]))
    try:
        with pytest.raises(OSError, match=r"manifest\.jsonl"):
            found.add(record_of(items[1], "key"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (out / "manifest.jsonl").read_bytes() == whole


@pytest.mark.parametrize("text", ["words\n", "[]\n", '{"input": "a.png"}\n', "\xff\n"])
def test_what_is_no_manifest_is_refused(manifest, out, text):
    (out / "manifest.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"manifest\.jsonl: expected a manifest of faceinpaint batch, got"):
        manifest()


def test_names_that_are_no_unicode_come_back(images, out, put, planned, manifest):
    name = os.fsdecode(b"\xff.png")
    try:
        put(images / "a.png").rename(images / name)
    except OSError:
        pytest.skip("a file system of Unicode names")
    (item,) = planned().items
    found = manifest()
    found.begin([item])
    found.add(record_of(item, "key"))
    (out / item.output).touch()
    assert manifest().finished(item, "key")


@pytest.mark.parametrize("change", ["input", "hole", "another hole", "seed", "settings", "none"])
def test_a_key_changes_with_what_decides_the_result(images, put, put_hole, planned, tmp_path, change):
    put(images / "a.png")
    hole = put_hole(tmp_path / "hole.png")
    before = key_of(*planned(hole).items, {"config": 1})
    if change == "input":
        os.utime(images / "a.png", (1, 1))
    if change == "hole":
        put(hole)
    (item,) = planned("centre" if change == "another hole" else hole, seed=1 if change == "seed" else 0).items
    after = key_of(item, {"config": 2 if change == "settings" else 1})
    assert (before == after) == (change == "none")
