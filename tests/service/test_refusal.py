"""Refusals."""

from __future__ import annotations

from faceinpaint_fast import InputError
from faceinpaint_fast.images import FormatError, PixelsError
from faceinpaint_fast.service import refusal


def test_a_refusal_says_what_is_wrong_where_and_of_which_request():
    made = refusal.Refusal(422, "seed: expected a number", "seed")
    assert made.body("abc") == {"error": {"message": "seed: expected a number", "field": "seed"}, "request_id": "abc"}


def test_errors_of_files_have_statuses_of_their_own():
    statuses = [refusal.of(kind("x"), "image").status for kind in (InputError, FormatError, PixelsError)]
    assert statuses == [422, 415, 413]


def test_who_is_asked_to_come_again_hears_when():
    assert refusal.busy(3).headers == {"Retry-After": "3"}
    assert "3 s" in refusal.busy(3).message
    assert (refusal.late().status, refusal.closing().status, refusal.unforeseen().status) == (504, 503, 500)
