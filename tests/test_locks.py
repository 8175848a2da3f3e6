"""A lock that one process at a time has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from faceinpaint_fast import locks
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.locks import held


def test_a_second_one_hears_at_once_who_holds_it(tmp_path):
    lock = tmp_path / "new" / "lock"
    second = f"""
from pathlib import Path
from faceinpaint_fast.locks import held
with held(Path({str(lock)!r}), Path("results")):
    print("held")
"""
    with held(lock, tmp_path):
        run = subprocess.run([sys.executable, "-c", second], check=False, capture_output=True, text=True)
        held_by = f"held by process {os.getpid()} on "
        assert f"results: expected a place that nobody is writing to, got one {held_by}" in run.stderr
        with pytest.raises(InputError, match=held_by), held(lock, tmp_path):
            pass
    assert not lock.exists()
    assert subprocess.run([sys.executable, "-c", second], check=True, capture_output=True, text=True).stdout == "held\n"


def test_it_is_let_go_of_with_an_error_and_left_by_a_dead_process(tmp_path):
    with pytest.raises(KeyError), held(tmp_path / "lock", tmp_path):
        raise KeyError
    (tmp_path / "lock").write_text("process 1 on earth since 1970-01-01 00:00:00")
    with held(tmp_path / "lock", tmp_path):
        pass


def test_one_that_was_removed_while_it_was_waited_for_is_made_anew(tmp_path, monkeypatch):
    """Between opening it and locking it the process before has ended: a lock of a file that is gone holds nothing."""
    flock, calls = locks.fcntl.flock, []

    def removed_before(file, how):
        if not calls:
            (tmp_path / "lock").unlink()
        calls.append(how)
        flock(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", removed_before)
    with held(tmp_path / "lock", tmp_path):
        assert len(calls) == 2
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")


def test_where_nothing_can_be_locked_the_work_goes_on(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    with monkeypatch.context() as patch:
        patch.setattr(locks.fcntl, "flock", unsupported)
        with held(tmp_path / "lock", tmp_path):
            pass
    monkeypatch.setattr(locks, "fcntl", None)
    with held(tmp_path / "lock", tmp_path):
        pass
