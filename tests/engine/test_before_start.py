import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.before_start import RESERVE, Room, check_before_start

PORTS = range(32_768, 61_000)


@pytest.mark.parametrize(
    ("peak", "recordings", "faults", "notes"),
    [
        (800 - RESERVE, 0, 0, 0),
        (801 - RESERVE, 0, 0, 1),
        (700 - RESERVE, 101, 0, 1),
        (1000 - RESERVE, 0, 0, 1),
        (1001 - RESERVE, 0, 1, 0),
        (900 - RESERVE, 101, 1, 0),
    ],
)
def test_descriptors_at_the_borders(peak, recordings, faults, notes):
    found = check_before_start({"a": peak}, peak, recordings=recordings, room=Room(1000, PORTS))
    assert [len(each) for each in found] == [faults, notes]


def test_a_fault_says_how_many_what_the_limit_is_and_what_to_raise():
    (fault,), _ = check_before_start({"a": 5000}, 5000, room=Room(1024, PORTS))
    assert str(fault) == (
        "load: 5,000 simulations at once take some 5,064 file descriptors; this process may open 1,024: "
        "run `ulimit -n 6331` before, or set LimitNOFILE=6331 for the service"
    )


def test_what_is_advised_suffices():
    peak, advised = 5000, 6331
    assert check_before_start({"a": peak}, peak, room=Room(advised, PORTS)) == ([], [])


@pytest.mark.parametrize(("peak", "faults", "notes"), [(80, 0, 0), (81, 0, 1), (100, 0, 1), (101, 1, 0)])
def test_ports_are_counted_for_each_agent(peak, faults, notes):
    found = check_before_start({"quiet": 80, "loud": peak}, 1, room=Room(None, range(5000, 5100)))
    assert [len(each) for each in found] == [faults, notes]
    for said in map(str, [*found[0], *found[1]]):
        assert "at once to loud take" in said
        assert "gives out 100 (5000 to 5099): widen net.ipv4.ip_local_port_range" in said


def test_what_a_load_may_never_reach_is_only_noted():
    faults, notes = check_before_start({"a": 5000}, 5000, peak_is_a_cap=True, room=Room(1024, range(1000, 1010)))
    assert faults == []
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("peak", "recordings", "faults", "notes"),
    [
        (4 * (800 - RESERVE), 0, 0, 0),
        (4 * (800 - RESERVE) + 1, 0, 0, 1),
        (4 * (1000 - RESERVE), 0, 0, 1),
        (4 * (1000 - RESERVE) + 1, 0, 1, 0),
        (4 * (800 - RESERVE), 1, 0, 1),
    ],
)
def test_descriptors_are_shared_out_to_processes_and_rounded_up(peak, recordings, faults, notes):
    found = check_before_start({}, peak, recordings=recordings, processes=4, room=Room(1000, PORTS))
    assert [len(each) for each in found] == [faults, notes]


def test_a_fault_of_several_processes_says_so():
    (fault,), _ = check_before_start({}, 5001, processes=2, room=Room(1024, PORTS))
    assert str(fault) == (
        "load: 5,001 simulations at once over 2 processes take some 2,565 file descriptors each; one may open 1,024: "
        "run `ulimit -n 3207` before, or set LimitNOFILE=3207 for the service"
    )


def test_ports_are_the_machines_however_many_processes_there_are():
    faults, _ = check_before_start({"a": 101}, 101, processes=64, room=Room(None, range(5000, 5100)))
    assert len(faults) == 1


@given(st.integers(0, 10**9))
def test_where_nothing_is_known_nothing_is_forbidden(peak):
    assert check_before_start({"a": peak}, peak, room=Room(None, None)) == ([], [])


def test_by_default_this_machine_is_asked():
    assert check_before_start({"a": 1}, 1) == ([], [])
    faults, _ = check_before_start({"a": 10**9}, 10**9)
    assert any("ports" in str(fault) for fault in faults)
