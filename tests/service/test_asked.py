"""What a request asks for, from its fields."""

from __future__ import annotations

import base64

import pytest

from faceinpaint_fast.service.asked import MOST_ITERATIONS, Asked, Options, file_of, options_of, shown
from faceinpaint_fast.service.refusal import Refusal

DATA = b"any bytes \x00\xff"
TEXT = base64.b64encode(DATA).decode()
FIVE = [[1, 2], [3, 2], [2, 3], [1, 4], [3, 4]]


def refused(fields):
    with pytest.raises(Refusal) as found:
        Asked.of(fields)
    return found.value.status, found.value.field


def test_a_form_and_json_say_the_same():
    form = Asked.of({"image": DATA, "hole": DATA, "seed": "7", "force": "true", "boxes": "[[1, 2, 3, 4]]"})
    told = Asked.of({"image": TEXT, "hole": TEXT, "seed": 7, "force": True, "boxes": [[1, 2, 3, 4]]})
    assert form.options == told.options
    assert (form.image, form.hole) == (told.image, told.hole) == (DATA, DATA)
    assert (form.options.seed, form.options.force, form.options.boxes) == (7, True, [[1.0, 2.0, 3.0, 4.0]])


def test_a_hole_may_have_a_name_and_a_picture_be_a_data_url():
    asked = Asked.of({"image": f"data:image/png;base64,{TEXT}", "hole": "centre"})
    assert (asked.image, asked.hole) == (DATA, "centre")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"hole": DATA}, "image"),
        ({"image": DATA}, "hole"),
        ({"image": "no base64", "hole": DATA}, "image"),
        ({"image": TEXT[:-1], "hole": DATA}, "image"),
        ({"image": 5, "hole": DATA}, "image"),
        ({"image": DATA, "hole": "no name"}, "hole"),
        ({"image": DATA, "hole": DATA, "seed": -1}, "seed"),
        ({"image": DATA, "hole": DATA, "seed": 2**63}, "seed"),
        ({"image": DATA, "hole": DATA, "seed": "x"}, "seed"),
        ({"image": DATA, "hole": DATA, "iterations": MOST_ITERATIONS + 1}, "iterations"),
        ({"image": DATA, "hole": DATA, "mirror": "maybe"}, "mirror"),
        ({"image": DATA, "hole": DATA, "boxes": "1,2,3,4"}, "boxes"),
        ({"image": DATA, "hole": DATA, "boxes": "[" * 100_000}, "boxes"),
        ({"image": DATA, "hole": DATA, "boxes": []}, "boxes"),
        ({"image": DATA, "hole": DATA, "boxes": [[1, 2, 3]]}, "boxes"),
        ({"image": DATA, "hole": DATA, "boxes": [[1, 2, 3, float("nan")]]}, "boxes"),
        ({"image": DATA, "hole": DATA, "eyes": [[1, 2, 3, 1e300]]}, "eyes"),
        ({"image": DATA, "hole": DATA, "eyes": [[1, 2, 3, 4]] * 33}, "eyes"),
        ({"image": DATA, "hole": DATA, "landmarks": [FIVE[:4]]}, "landmarks"),
        ({"image": DATA, "hole": DATA, "eyes": [[1, 2, 3, 4]], "landmarks": [FIVE]}, "landmarks"),
        ({"image": DATA, "hole": DATA, "eyes": [[1, 2, 3, 4]], "aligned": True}, "eyes"),
        ({"image": DATA, "hole": DATA, "format": "gif"}, "format"),
        ({"image": DATA, "hole": DATA, "colour": "red"}, "colour"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields, field):
    assert refused(fields) == (422, field)


def test_nothing_is_as_if_it_were_not_said():
    assert Asked.of({"image": DATA, "hole": DATA, "boxes": None, "iterations": None}).options == Options()


def test_a_name_of_a_client_is_shown_without_what_a_terminal_obeys():
    assert shown("a\x1b[31m\n\u202e" + "x" * 1000).isascii()
    assert len(shown("x" * 1000)) == 100
    with pytest.raises(Refusal) as found:
        options_of(Options, {"a\nb": 1})
    assert found.value.field == r"a\nb"


def test_a_file_is_bytes_or_base64():
    assert file_of(DATA, "image") == file_of(TEXT, "image") == DATA
    with pytest.raises(Refusal, match=r"^hole: "):
        file_of("ä", "hole")
