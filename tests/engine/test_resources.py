import errno
import os
import resource
import socket
import sys

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine import resources

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SOCKSTAT = """sockets: used 16
TCP: inuse 5 orphan 0 tw 7 alloc 1 mem 21
UDP: inuse 3 mem 0
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose /proc and /sys/fs/cgroup hold these files, and nothing else."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(resources, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(resources, "_CGROUPS", tmp_path / "cgroups")

    def holds(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("DOT", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return holds


def test_ports_in_use_are_those_of_both_versions_and_those_that_wait(machine):
    machine(proc__net__sockstat=SOCKSTAT)
    assert resources.ports_in_use() == 12
    machine(proc__net__sockstat6="TCP6: inuse 4\nUDP6: inuse 9\n")
    assert resources.ports_in_use() == 16


def test_the_port_range_includes_its_ends(machine):
    machine(proc__sys__net__ipv4__ip_local_port_range="32768\t60999\n")
    ports = resources.ephemeral_ports()
    assert (len(ports), ports.start, ports[-1]) == (28_232, 32_768, 60_999)


def test_waiting_for_a_cpu_is_the_second_field_in_nanoseconds(machine):
    machine(**{"proc__thread-self__schedstat": "58156623 64759303 161\n"})
    assert resources.cpu_wait_s() == 0.064759303


def test_throttling_is_that_of_our_own_cgroup(machine):
    machine(
        proc__self__cgroup="9:cpu:/other\n0::/a/b\n", cgroups__a__b__cpuDOTstat="usage_usec 5\nthrottled_usec 2500000\n"
    )
    assert resources.throttled_s() == 2.5


def test_a_cgroup_at_the_root_is_one(machine):
    machine(proc__self__cgroup="0::/\n", cgroups__cpuDOTstat="throttled_usec 7\n")
    assert resources.throttled_s() == 7e-6


def test_a_machine_that_says_nothing_is_no_fault(machine):
    readers = (resources.ports_in_use, resources.ephemeral_ports, resources.cpu_wait_s, resources.throttled_s)
    assert [read() for read in readers] == [None] * 4


@pytest.mark.parametrize(
    "text", ["", "\n", "TCP: inuse\n", "TCP: inuse x\n", "TCP: mem 4\n", "1 2 3", "0::/\n0::/\n", "é"]
)
def test_what_is_no_answer_is_none(machine, text):
    names = (
        "proc__net__sockstat",
        "proc__sys__net__ipv4__ip_local_port_range",
        "proc__self__cgroup",
        "cgroups__cpuDOTstat",
    )
    machine(**dict.fromkeys(names, text), **{"proc__thread-self__schedstat": text and "x"})
    readers = (resources.ports_in_use, resources.ephemeral_ports, resources.cpu_wait_s, resources.throttled_s)
    assert [read() for read in readers] == [None] * 4


@given(
    st.text(),
    st.sampled_from([resources._port_range, resources._tcp_sockets, resources._cgroup_path, resources._throttled]),
)
def test_no_text_makes_a_reader_raise(text, understand):
    class Said:
        def read_text(self, _encoding):
            return text

    resources._read(Said(), understand)


@pytest.mark.parametrize(("platform", "ports"), [("darwin", range(49_152, 65_536)), ("sunos5", None)])
def test_elsewhere_only_what_is_documented_is_known(monkeypatch, platform, ports):
    monkeypatch.setattr(sys, "platform", platform)
    assert resources.ephemeral_ports() == ports
    assert [resources.ports_in_use(), resources.cpu_wait_s(), resources.throttled_s()] == [None] * 3


def test_open_descriptors_are_counted():
    before = resources.open_descriptors()
    opened = [os.dup(0) for _ in range(20)]
    try:
        assert resources.open_descriptors() == before + 20
    finally:
        for descriptor in opened:
            os.close(descriptor)


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "lists"])
def test_both_ways_to_count_descriptors_agree(monkeypatch, tmp_path, counts):
    if not counts:
        monkeypatch.setattr(sys, "platform", "elsewhere")
    assert abs(resources.open_descriptors() - psutil.Process().num_fds()) <= 2


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (OSError(errno.EMFILE, "too many open files"), "limit"),
        (OSError(errno.EACCES, "forbidden"), None),
        (psutil.AccessDenied(1), None),
        (AttributeError("num_fds"), None),
    ],
)
def test_descriptors_that_can_not_be_counted(monkeypatch, error, answer):
    def fails():
        raise error

    monkeypatch.setattr(sys, "platform", "elsewhere")
    monkeypatch.setattr(resources, "_own", fails)
    assert resources.open_descriptors() == (resources.descriptor_limits()[0] if answer else None)


def test_no_limit_is_none(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    assert resources.descriptor_limits() == (1024, None)


def test_memory_now_and_at_most():
    assert 10_000_000 < resources.rss_bytes() <= resources.max_rss_bytes() + 10_000_000


def test_memory_that_can_not_be_read_is_unknown(monkeypatch):
    def fails():
        raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(resources, "_own", fails)
    assert resources.rss_bytes() is None


@on_linux
def test_this_machine_says_what_it_has():
    assert len(resources.ephemeral_ports()) > 100
    assert resources.cpu_wait_s() is None or resources.cpu_wait_s() >= 0
    before = resources.ports_in_use()
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    try:
        assert before is None or resources.ports_in_use() > 0
    finally:
        for each in sockets:
            each.close()
