"""How many cores the process may use."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
GROUP_OF_PROCESS = Path("/proc/self/cgroup")


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
    try:
        named = [line for line in GROUP_OF_PROCESS.read_text().splitlines() if line.startswith("0::")]
        group = GROUPS / named[0].removeprefix("0::").lstrip("/") if named else GROUPS
    except OSError:
        group = GROUPS
    least = 2**20
    for each in (group, *group.parents):
        try:
            # "max 100000", or microseconds of processors' time in so many of the clock's
            quota, period = (each / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota.isdecimal():
            least = min(least, math.ceil(int(quota) / int(period)))
    return max(1, least)
