"""Which picture of a folder has which hole, and where it goes."""

from __future__ import annotations

import os

import pytest

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.folders import plan
from faceinpaint_fast.folders.plan import Task


def holes_of(planned):
    """The name of each picture's hole, or what is wrong with it, by the picture's."""
    return {
        str(item.name): str(item.hole) if isinstance(item.hole, InputError) else os.path.basename(item.hole)  # noqa: PTH119
        for item in planned.items
    }


def outputs_of(planned):
    return {str(item.name): str(item.output) for item in planned.items}


def test_pictures_keep_their_folders_and_names(images, put, planned):
    for name in ("b.png", "a/b.webp", "a/c/d.TIF"):
        put(images / name)
    (images / "notes.txt").write_text("words")
    found = planned()
    assert outputs_of(found) == {name: name for name in ("a/b.webp", "a/c/d.TIF", "b.png")}
    assert {item.hole for item in found.items} == {"centre"}
    assert found.passed == "1 .txt"


@pytest.mark.parametrize("extension", ["jpg", "jpeg", "gif", "jp2"])
def test_what_cannot_keep_known_pixels_becomes_a_png(images, put, planned, extension):
    put(images / f"a.{extension}")
    assert outputs_of(planned()) == {f"a.{extension}": "a.png"}


def test_an_extension_may_be_asked_for(images, put, planned):
    put(images / "a.png")
    assert outputs_of(planned(extension=".jpg")) == {"a.png": "a.jpg"}
    with pytest.raises(InputError, match=r"extension: expected one of \.bmp, .*, got '\.gif'"):
        planned(extension=".gif")


def test_no_two_pictures_go_to_one_place(images, put, planned):
    """Nor where large and small letters are alike; a picture that keeps its name keeps it."""
    for name in ("a.gif", "a.jpg", "a.png", "A.jpeg", "a.jpg.png"):
        put(images / name)
    found = outputs_of(planned())
    assert found["a.png"] == "a.png"
    assert found["a.jpg.png"] == "a.jpg.png"
    assert found["a.gif"] == "a.gif.png"
    assert found["a.jpg"] == "a.jpg-2.png"
    assert len({output.casefold() for output in found.values()}) == 5


@pytest.mark.parametrize("hole", ["a.png", "a_mask.png", "a.mask.png", "a_MASK.gif", "a.jpg.png", "a.jpg_mask.webp"])
def test_holes_are_matched_by_name(images, put, put_hole, planned, tmp_path, hole):
    put(images / "sub" / "a.jpg")
    put_hole(tmp_path / "holes" / "sub" / hole)
    put_hole(tmp_path / "holes" / "a.png")
    assert holes_of(planned(tmp_path / "holes")) == {"sub/a.jpg": hole}


def test_a_hole_of_the_whole_name_goes_before_that_of_the_name(images, put, put_hole, planned, tmp_path):
    for name in ("a.jpg", "a.png"):
        put(images / name)
    for name in ("a.png", "a.jpg.png"):
        put_hole(tmp_path / "holes" / name)
    assert holes_of(planned(tmp_path / "holes")) == {"a.jpg": "a.jpg.png", "a.png": "a.png"}


def test_none_and_two_holes_are_errors_of_the_picture(images, put, put_hole, planned, tmp_path):
    for name in ("sub/none.png", "one.png", "two.png"):
        put(images / name)
    for name in ("one.png", "two.png", "two_mask.png"):
        put_hole(tmp_path / "holes" / name)
    found = holes_of(planned(tmp_path / "holes"))
    folder = tmp_path / "holes"
    assert found == {
        "one.png": "one.png",
        "sub/none.png": f"sub/none.png: expected one hole called sub/none or sub/none_mask in {folder}, got none",
        "two.png": f"two.png: expected one hole called two or two_mask in {folder}, got two.png and two_mask.png",
    }


def test_holes_lie_beside_their_pictures(images, put, put_hole, planned):
    """Then they are no pictures; what is called as if it were one is."""
    for name in ("a.jpg", "sub/b.png", "halloween_mask.png"):
        put(images / name)
    for name in ("a_mask.png", "sub/b.mask.png", "halloween_mask_mask.png"):
        put_hole(images / name)
    assert holes_of(planned(images)) == {
        "a.jpg": "a_mask.png",
        "halloween_mask.png": "halloween_mask_mask.png",
        "sub/b.png": "b.mask.png",
    }


def test_folders_of_holes_and_of_results_within_are_no_pictures(images, put, put_hole):
    put(images / "a.png")
    put_hole(images / "holes" / "a.png")
    put(images / "done" / "a.png")
    out = images / "done"
    found = plan.Plan.of(Task(images=images, holes=str(images / "holes"), out=out))
    assert holes_of(found) == {"a.png": "a.png"}
    assert found.items[0].hole == images / "holes" / "a.png"


def test_pictures_may_lie_within_the_folders_of_holes_and_of_results(images, put, put_hole, planned):
    put(images / "a.png")
    put_hole(images.parent / "a.png")
    assert holes_of(planned(images.parent)) == {"a.png": "a.png"}
    # in its own folder's place
    put(images / "in" / "a.png")
    with pytest.raises(InputError, match=r"in this one in/a\.png would replace what is read"):
        plan.Plan.of(Task(images=images, holes="centre", out=images.parent))


def test_one_hole_may_serve_all(images, put, put_hole, planned):
    """It may lie among them."""
    for name in ("a.png", "b.png"):
        put(images / name)
    hole = put_hole(images / "hole.png")
    assert {str(item.name): item.hole for item in planned(hole).items} == {"a.png": hole, "b.png": hole}


def test_a_picture_s_seed_is_its_own_whatever_the_others_are(images, put, planned):
    put(images / "a.png")
    (first,) = planned().items
    put(images / "0.png")
    before, again = planned().items
    assert first == again
    assert before.seed != again.seed
    assert planned(seed=1).items[1].seed != again.seed


def test_nothing_that_is_read_is_written_over(images, put, put_hole, tmp_path):
    put(images / "a.png")
    with pytest.raises(InputError, match=r"in: expected another folder, in this one a\.png would replace what is read"):
        plan.Plan.of(Task(images=images, holes="centre", out=images))
    put_hole(tmp_path / "holes" / "a.png")
    with pytest.raises(InputError, match="holes: expected another folder"):
        plan.Plan.of(Task(images=images, holes=str(tmp_path / "holes"), out=tmp_path / "holes"))


def test_a_task_without_pictures_or_holes_is_refused(images, out):
    with pytest.raises(InputError, match="in: expected a folder of pictures, got none there"):
        Task(images=images, holes="centre", out=out)
    images.mkdir()
    with pytest.raises(InputError, match=r"in: expected pictures to restore, got none; what counts: \.avif"):
        plan.Plan.of(Task(images=images, holes="centre", out=out))
    with pytest.raises(InputError, match=r"middle: expected a folder of holes, a picture of one, or a name, got none"):
        Task(images=images, holes="middle", out=out)


@pytest.mark.parametrize(
    ("name", "value"), [("batch", 0), ("seed", -1), ("seed", 0.5), ("resume", 1), ("on_error", "stop"), ("invert", "")]
)
def test_a_task_is_checked(images, out, name, value):
    images.mkdir()
    with pytest.raises(InputError, match=f"{name}: expected"):
        Task(images=images, holes="centre", out=out, **{name: value})
