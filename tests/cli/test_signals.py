"""Signals that ask to end, sent to this very process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from faceinpaint_fast.cli.signals import ENDING, ctrl_c_heeded, ending


def send(number):
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _as_before():
    before = [signal.getsignal(number) for number in ENDING]
    yield
    assert [signal.getsignal(number) for number in ENDING] == before


def status(work, *, in_steps=True):
    """The exit status of a command that does this."""

    def command():
        with ending() as end:
            end.in_steps = in_steps
            work(end)

    with pytest.raises(SystemExit) as exit_:
        command()
    return exit_.value.code


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_within_steps_a_signal_waits_for_the_end_of_one(number, expected):
    done = []

    def work(end):
        while not end.wanted():
            send(number)
            done.append("the step")
        done.append(end.name)

    assert status(work) == expected
    assert done == ["the step", signal.Signals(number).name]


@pytest.mark.parametrize("in_steps", [False, True])
def test_outside_of_steps_a_signal_ends_it_at_once_and_so_does_a_second(in_steps):
    done = []

    def work(_):
        for _ in range(2):
            send(signal.SIGTERM)
            done.append("the step")

    assert status(work, in_steps=in_steps) == 143
    assert done == ["the step"] * in_steps


def test_what_is_to_be_ignored_is_ignored():
    """As a command of nohup's is to ignore SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending() as end:
            send(signal.SIGHUP)
        assert not end.wanted()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_hung_up_takes_no_last_words():
    def failing(number):
        def work(_):
            send(signal.SIGHUP)
            raise OSError(number, os.strerror(number))

        return work

    assert status(failing(errno.EIO)) == 129
    with pytest.raises(OSError, match="No space left on device"):
        status(failing(errno.ENOSPC))


def run(becomes):
    """The exit status of a process that gets Ctrl-C, and what it says."""
    program = f"""
import os, signal
from faceinpaint_fast.cli.signals import ctrl_c_heeded
with ctrl_c_heeded():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        {becomes}
    signal.pause()
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("becomes", ["pass", "raise ValueError", "raise"])
def test_ctrl_c_ends_even_what_swallows_it(becomes):
    """As callbacks of torch's do, and compilers that make another error of it."""
    assert run(becomes) == (130, "")


def test_ctrl_c_within_a_callback_is_not_printed():
    swallowed = f"""
import os, signal, weakref
from faceinpaint_fast.cli.signals import ctrl_c_heeded
class Thing: pass
thing = Thing()
seen = weakref.ref(thing, lambda _: os.kill(os.getpid(), {int(signal.SIGINT)}))
with ctrl_c_heeded():
    del thing
    signal.pause()
"""
    done = subprocess.run([sys.executable, "-c", swallowed], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (130, "")


def test_where_no_ctrl_c_comes_nothing_is_changed():
    with ctrl_c_heeded():
        pass
    with pytest.raises(ValueError, match="odd"), ctrl_c_heeded():
        raise ValueError("odd")
