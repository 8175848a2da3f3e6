"""What is said on stderr."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from faceinpaint_fast.service.log import Lines


def record(message, error=None, **more):
    made = logging.LogRecord("x", logging.WARNING, __file__, 1, message, None, error)
    vars(made).update(more)
    return made


def test_a_line_is_json_and_one_line_whatever_it_tells():
    line = Lines(is_json=True).format(record("event\n\x1b", path="/\u2028ä\r\n", status=200, what=object))
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    assert (found["event"], found["path"], found["status"]) == ("event\n\x1b", "/\u2028ä\r\n", 200)
    assert found["level"] == "warning"
    assert found["time"].endswith("Z")


def test_an_error_has_its_traceback():
    try:
        raise KeyError("x")
    except KeyError:
        made = record("failed", sys.exc_info())
    assert "KeyError" in json.loads(Lines(is_json=True).format(made))["traceback"]
    assert "KeyError" in Lines(is_json=False).format(made)


def test_on_a_terminal_it_is_for_people():
    assert Lines(is_json=False).format(record("request", status=200)) == "faceinpaint: request status=200"


@pytest.mark.parametrize("is_json", [True, False])
def test_what_uvicorn_says_in_colour_is_said_once(is_json):
    assert "31m" not in Lines(is_json=is_json).format(record("plain", color_message="\x1b[31mcolour"))
