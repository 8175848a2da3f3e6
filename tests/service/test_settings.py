"""What a service is told."""

from __future__ import annotations

import pytest

from faceinpaint_fast import InputError
from faceinpaint_fast.service.settings import Settings, settings_of


def test_the_environment_tells_what_the_command_line_does_not(monkeypatch):
    monkeypatch.setenv("FACEINPAINT_PORT", "1234")
    monkeypatch.setenv("FACEINPAINT_QUEUE", "5")
    told = settings_of(port=None, queue=6)
    assert (told.port, told.queue, told.batch) == (1234, 6, Settings().batch)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"port": 70_000}, "port"),
        ({"batch": 0}, "batch"),
        ({"window": -1.0}, "window"),
        ({"workers": "many"}, "workers"),
        ({"config": "best"}, "config"),
        ({"token": "short"}, "token"),
        ({"page": "nowhere"}, "page"),
    ],
)
def test_what_does_not_fit_is_named(told, name):
    with pytest.raises(InputError, match=f"^{name}: "):
        settings_of(**told)


def test_a_token_is_never_shown():
    told = settings_of(token="a token of some length")
    assert "a token" not in repr(told)
    assert told.token.get_secret_value() == "a token of some length"


def test_results_do_not_depend_on_the_batch_whatever_the_config():
    for config in ("default", "paper", "fast"):
        assert settings_of(config=config).search.batch_invariant


@pytest.mark.parametrize(
    ("told", "open_"),
    [
        ({}, False),
        ({"host": "localhost"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "::"}, True),
        ({"host": "0.0.0.0", "token": "0123456789abcdef"}, False),
    ],
)
def test_it_is_open_where_others_may_ask_without_a_token(told, open_):
    assert settings_of(**told).is_open is open_
