import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine import cpus
from coval_load.engine.cpus import usable_cpus

NONE_1 = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}


def quota_1(cores, period=100_000):
    return {"cpu.cfs_quota_us": f"{round(cores * period)}\n", "cpu.cfs_period_us": f"{period}\n"}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A Linux machine of 8 CPUs; /proc/self/cgroup and the files of cgroups are as given."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cpus, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(cpus, "_CGROUPS", tmp_path / "cgroups")

    def holds(cgroup, folders):
        written = {"proc/self/cgroup": cgroup}
        for folder, files in folders.items():
            written |= {f"cgroups/{folder}/{name}": text for name, text in files.items()}
        for name, text in written.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return usable_cpus()

    return holds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("290000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("12000 4000\n", 3),
        ("300000 0\n", 8),
        ("300000\n", 8),
        ("-1 100000\n", 8),
        ("\n", 8),
    ],
)
def test_a_quota_of_version_2(machine, text, count):
    assert machine("0::/a\n", {"a": {"cpu.max": text}}) == count


@pytest.mark.parametrize(
    ("files", "count"), [(NONE_1, 8), (quota_1(3), 3), (quota_1(2.5, 50_000), 2), ({"cpu.cfs_quota_us": "100000"}, 8)]
)
@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_a_quota_of_version_1(machine, files, count, controllers):
    assert machine(f"5:memory:/m\n4:{controllers}:/a/b\n0::/\n", {f"{controllers}/a/b": files}) == count


def test_other_controllers_have_none(machine):
    assert machine("4:cpuset:/\n3:cpuacct:/\n", {"cpuset": quota_1(1), "cpuacct": quota_1(1)}) == 8


@pytest.mark.parametrize("holder", ["", "a", "a/b"])
def test_what_a_cgroup_above_allows_counts_too(machine, holder):
    folders = {"": {"cpu.max": "700000 100000"}, "a/b": {"cpu.max": "600000 100000"}}
    assert machine("0::/a/b\n", folders | {holder: {"cpu.max": "300000 100000"}}) == 3


def test_in_a_container_the_name_may_be_one_of_the_host(machine):
    assert machine("4:cpu,cpuacct:/docker/0d9c\n", {"cpu,cpuacct": quota_1(3)}) == 3


def test_affinity_counts_where_no_quota_is_lower(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5})
    assert machine("0::/\n", {"": {"cpu.max": "400000 100000"}}) == 2


def test_a_machine_that_says_nothing_has_what_its_affinity_says(machine):
    assert usable_cpus() == 8


@given(st.text("0:/cpu,.\n\0ä"), st.text() | st.text("-0123456789 max"))
def test_no_text_is_a_fault(cgroup, quota):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        root = Path(name)
        patched.setattr(cpus, "_PROC", root)
        patched.setattr(cpus, "_CGROUPS", root)
        (root / "self").mkdir()
        (root / "self/cgroup").write_text(cgroup or "0::/", "utf-8")
        (root / "cpu.max").write_text(quota, "utf-8")
        assert usable_cpus() >= 1


@pytest.mark.parametrize(("count", "usable"), [(4, 4), (None, 1)])
def test_elsewhere_the_machine_is_asked(monkeypatch, count, usable):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert usable_cpus() == usable


def test_this_machine_has_some():
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
