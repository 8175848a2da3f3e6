"""The command that serves: what it is told goes on to the service."""

from __future__ import annotations

import pytest

from faceinpaint_fast.service import serve as of_serve


@pytest.fixture
def served(faceinpaint, monkeypatch):
    """Run the command without a service: its settings."""
    told = []
    monkeypatch.setattr(of_serve, "serve", told.append)

    def run(*arguments):
        assert faceinpaint("serve", *arguments) == (0, "", "")
        return told.pop()

    return run


def test_what_it_is_told_are_the_settings(served, tmp_path):
    (tmp_path / "index.html").touch()
    token = "a token of some length"
    told = served(
        *("--host", "0.0.0.0", "--port", 1234, "--token", token, "--model", "faces128", "--device", "cpu"),
        *(
            "--config",
            "fast",
            "--workers",
            3,
            "--batch",
            5,
            "--window",
            0.1,
            "--queue",
            7,
            "--deadline",
            9,
            "--page",
            tmp_path,
        ),
    )
    assert told.model_dump(exclude={"token", "body", "archive", "pixels", "connections"}) == {
        "host": "0.0.0.0",
        "port": 1234,
        "model": "faces128",
        "device": "cpu",
        "config": "fast",
        "workers": 3,
        "batch": 5,
        "window": 0.1,
        "queue": 7,
        "deadline": 9.0,
        "page": tmp_path,
    }
    assert told.token.get_secret_value() == token


def test_what_it_is_not_told_the_environment_tells(served, monkeypatch):
    monkeypatch.setenv("FACEINPAINT_PIXELS", "1000")
    told = served()
    assert (told.host, told.port, told.pixels, told.is_open) == ("127.0.0.1", 8000, 1000, False)


def test_what_does_not_fit_is_refused(refused):
    assert "port: " in refused("serve", "--port", -1)
    assert "config: " in refused("serve", "--config", "best")
