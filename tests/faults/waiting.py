"""Waiting for something to be so."""

from __future__ import annotations

import time

OFTEN = 0.1  # seconds between two looks: more of them would take the processors from what is waited for


def wait_for(what, seconds=300):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(OFTEN)
