"""A command that is killed, and begun again."""

from __future__ import annotations

import random

from tests.faults.waiting import wait_for


def test_the_driver_is_killed_at_10_moments(album, batch, disk, size):
    """What was said to be done is not done again; at most a batch a process is."""
    rng, before, again = random.Random(2), {}, 0
    for done in sorted(rng.sample(range(1, size.pictures - size.batch), size.stops)):
        run = batch(album)
        wait_for(lambda done=done, run=run: not run.running() or disk.count(run.out) >= done)
        assert run.running(), run.said
        run.kill()
        written, said = disk.readable(run.out), disk.told(run.out)
        assert said >= before.keys(), "a line was lost"
        assert written.keys() >= said, "a line before its picture"
        assert {name: written[name] for name in before} == before, "what had its line was done again"
        redone = written.keys() - said
        assert len(redone) <= size.batch * size.workers
        again += len(redone)
        before = {name: written[name] for name in said}
    run = batch(album)
    assert run.wait() == 0, run.said
    found = disk.lines(run.out)
    assert len(found) == size.pictures
    written = disk.readable(run.out)
    assert {name: written[name] for name in before} == before
    assert [*run.out.rglob(".*")] == []
    print(f"{again} of {size.pictures} pictures were done twice, in {size.stops} kills")
