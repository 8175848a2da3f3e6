"""How many cores a process may use: affinity, and quotas of control groups."""

from __future__ import annotations

import os

import pytest

from faceinpaint_fast import cores


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups in a folder; the process is in inner, which is in outer."""
    (tmp_path / "fs" / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "cgroup").write_text("1:cpu:/old\n0::/outer/inner\n")
    monkeypatch.setattr(cores, "GROUPS", str(tmp_path / "fs"))
    monkeypatch.setattr(cores, "GROUP_OF_PROCESS", str(tmp_path / "cgroup"))
    cores.cores_of_group.cache_clear()
    yield tmp_path / "fs"
    cores.cores_of_group.cache_clear()


@pytest.mark.parametrize(
    ("outer", "inner", "count"),
    [
        ("max 100000", "200000 100000", 2),
        ("max 100000", "150000 100000", 2),
        ("10000 100000", "max 100000", 1),
        ("300000 100000", "50000 10000", 3),
    ],
)
def test_the_least_quota_bounds_them_and_a_part_of_a_core_counts_as_one(outer, inner, count, groups, monkeypatch):
    (groups / "outer" / "cpu.max").write_text(outer + "\n")
    (groups / "outer" / "inner" / "cpu.max").write_text(inner + "\n")
    assert cores.cores_of_group() == count
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert cores.core_count() == count
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(1), raising=False)
    assert cores.core_count() == 1


@pytest.mark.parametrize("named", [True, False])
def test_without_a_quota_the_affinity_decides(named, groups, monkeypatch):
    (groups / "outer" / "inner" / "cpu.max").write_text("max 100000\n")
    if not named:
        (groups.parent / "cgroup").unlink()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert cores.core_count() == 64
