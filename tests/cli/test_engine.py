"""Who does the work of a command: what is asked of Ray, and what is refused."""

from __future__ import annotations

import sys

import pytest

from faceinpaint_fast.cli.engine import EngineName, crew_of
from faceinpaint_fast.cluster.crew import Crew

COMMANDS = {
    "batch": ["batch", "IN", "--holes", "centre", "-o", "OUT"],
    "evaluate": ["evaluate", "IN", "--out", "OUT", "--methods", "harmonic"],
    "calibrate": ["calibrate", "MODEL", "IN"],
}


@pytest.fixture
def line(faces, model, tmp_path):
    def line_of(command):
        places = {"IN": faces, "OUT": tmp_path / "out", "MODEL": model}
        return [places.get(word, word) for word in COMMANDS[command]]

    return line_of


def test_a_crew_is_what_was_asked_of_ray():
    assert crew_of(EngineName.local, None, None, 1, "cuda:1") is None
    pytest.importorskip("ray", reason="ray is not installed")
    expected = Crew(address="head:6379", workers=3, threads=2, device="cpu")
    assert crew_of(EngineName.ray, "head:6379", 3, 2, "cpu") == expected


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("options", [["--address", "auto"], ["--workers", "2"], ["--threads", "2"]])
def test_options_of_ray_are_refused_without_it(faceinpaint, line, command, options, tmp_path):
    status, out, err = faceinpaint(*line(command), *options)
    assert (status, out) == (1 if command == "batch" else 2, "")
    assert err.endswith("--address, --workers, --threads: expected --engine ray with them, got local\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_ray_the_extra_is_named(faceinpaint, line, command, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    status, out, err = faceinpaint(*line(command), "--engine", "ray")
    assert (status, out) == (2, "")
    assert err.endswith("ray: expected it to be installed, it is not: pip install 'faceinpaint_fast[cluster]'\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_device_of_this_machine_alone_is_refused(faceinpaint, line, command):
    pytest.importorskip("ray", reason="ray is not installed")
    _, out, err = faceinpaint(*line(command), "--engine", "ray", "--device", "cuda:1")
    assert out == ""
    assert err.endswith("device: expected auto, cpu or cuda on a cluster, got 'cuda:1'\n")


def test_what_one_process_draws_is_refused(refused, line, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed")
    err = refused(*line("evaluate"), "--figures", tmp_path / "new", "--engine", "ray")
    assert err.endswith("--engine: expected local with --figures, got ray")
