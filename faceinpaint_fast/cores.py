"""How many cores the process may use."""

from __future__ import annotations

import os
from functools import cache

GROUPS = "/sys/fs/cgroup"
GROUP_OF_PROCESS = "/proc/self/cgroup"


def core_count() -> int:
    """Returns how many cores the process may use: by its affinity, and by what its control group has of their time."""
    # not everywhere does a system say which cores a process may use
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores, cores_of_group())


@cache
def cores_of_group() -> int:
    """Returns how many cores the least quota amounts to, of the process's control group and of those above it.

    Quotas are those of version 2 of Linux's control groups, and of when this was first asked; a part of a core counts
    as one.  Without a quota there are more than any processor has.
    """
    # not above: it takes longer to import than all else that a program needs which only asks for W
    from pathlib import Path

    def text(*parts: str) -> str:
        try:
            return Path(*parts).read_text()
        except OSError:
            return ""

    groups = [line[3:].strip("/") for line in text(GROUP_OF_PROCESS).splitlines() if line.startswith("0::")]
    group, least = (groups or [""])[0], 2**20
    while True:
        # "max 100000", or microseconds of processors' time in so many of the clock's; the topmost group has no file
        quota, _, period = text(GROUPS, group, "cpu.max").partition(" ")
        if quota.isdecimal():
            least = min(least, -(-int(quota) // int(period)))
        if not group:
            return max(1, least)
        group = group.rpartition("/")[0]
