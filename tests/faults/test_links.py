"""Two machines between which a link is cut."""

from __future__ import annotations

import time

import pytest

from tests.faults.waiting import wait_for


@pytest.mark.parametrize("cut", ["for 5 s", "for good"])
def test_a_link_between_two_machines_is_cut(album, batch, disk, size, two_machines, cut):
    """The second machine has the only processor that restores; where it stays away, another one takes its place."""
    run = batch(album, "--address", two_machines.address)
    wait_for(lambda: not run.running() or disk.count(run.out) >= size.pictures // 10, 600)
    assert run.running(), run.said
    two_machines.cut()
    if cut == "for 5 s":
        time.sleep(5)
        two_machines.mend()
    else:
        two_machines.add()
    assert run.wait(900) == 0, run.said
    assert len(disk.lines(run.out)) == size.pictures
    assert disk.readable(run.out).keys() == disk.lines(run.out).keys()
