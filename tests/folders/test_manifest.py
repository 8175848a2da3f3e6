"""The lines of what has been done, and what an interrupted run makes of them."""

from __future__ import annotations

import json
import os

import pytest

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.folders.manifest import PARTS, Manifest, Part, key_of, record_of


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
    told = []
    again = Manifest(out / "manifest.jsonl", told.append)
    assert told == [
        f"{out}/manifest.jsonl: its last line was cut short, and is left out: what it was of counts as not done"
    ]
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


def test_no_line_is_added_to_another_file_than_was_begun(items, manifest, out):
    """Who takes the folder away must not find a manifest without the lines before."""
    found = manifest()
    found.begin(items)
    found.add(record_of(items[0], "key"))
    (out / "manifest.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"manifest\.jsonl"):
        found.add(record_of(items[1], "key"))
    assert not (out / "manifest.jsonl").exists()


def test_parts_are_taken_in_one_line_a_picture(items, out):
    place = Part.prepare(out)
    first = Part(place, 1)
    first.add(record_of(items[0], "key"))
    # a process that was taken for dead goes on with what another one does
    second = Part(place, 1)
    assert (second.begun, second.done.keys()) == (1, {"a.png"})
    second.add(record_of(items[1], "key", seconds=1.0))
    first.add(record_of(items[1], "key", seconds=2.0))
    Part(place, 11).add(record_of(items[0], "other"))
    found = Manifest(out.parent / "manifest.jsonl")
    found.begin([])
    assert {line["input"] for line in Part.taken(place, 1, found)} == {"a.png", "b.png"}
    assert len(found.path.read_text().splitlines()) == 2
    # of another piece, and not taken in yet
    Part.clear(place, needed=True)
    assert [path.name.partition("-")[0] for path in place.iterdir()] == ["11"]


def test_what_is_left_in_parts_counts_and_a_run_that_died_adds_no_more(items, manifest, out):
    part = Part(Part.prepare(out), 1)
    for item in items:
        part.add(record_of(item, "key"))
        (out / item.output).touch()
    found = manifest()
    assert [found.finished(item, "key") for item in items] == [True, True]
    found.begin(items[1:])
    assert [line["input"] for line in lines(out)] == ["a.png"]
    # a process of the run before, and the place of the next run
    place = Part.prepare(out)
    with pytest.raises(FileNotFoundError):
        part.add(record_of(items[1], "key"))
    assert [*place.iterdir()] == []
    Part.clear(place, needed=True)
    assert not (out / PARTS).exists()


def test_what_a_process_that_was_taken_for_dead_leaves_is_cleared_once_nobody_needs_it(out):
    place = Part.prepare(out)
    late = Part(place, 1)
    Part.clear(place, needed=True)
    assert [*place.iterdir()] != []
    Part.clear(place, needed=False)
    assert not (out / PARTS).exists()
    with pytest.raises(FileNotFoundError):
        late.add({"output": "a.png"})
    with pytest.raises(FileNotFoundError):
        Part(place, 1)
    assert not (out / PARTS).exists()


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
