"""Whether a plan has room on this machine: what is needed for sure is a fault, what may be needed a note."""

import pytest

from coval_load.engine import before_start
from coval_load.engine.before_start import Room
from coval_load.plans.room import check_room, peak_of

BIG = {"concurrency": 900, "simulations": 9000}
"""With the reserve 964 descriptors."""


@pytest.fixture
def room(load, monkeypatch):
    def room(descriptors, processes=1, **given):
        monkeypatch.setattr(before_start, "Room", lambda: Room(descriptors, None))
        return check_room(load(**given), processes)

    return room


@pytest.mark.parametrize(("descriptors", "faults", "notes"), [(963, 1, 1), (964, 0, 1), (1300, 0, 0), (None, 0, 0)])
def test_what_a_load_takes(room, descriptors, faults, notes):
    told = room(descriptors, load=BIG)
    assert [len(told[0]), len(told[1])] == [faults, notes]
    for message in [*(fault.message for fault in told[0]), *told[1]]:
        assert message.startswith("900 simulations at once take some 964 file descriptors; this process may open 96")
    assert all(fault.path == "load" for fault in told[0])


@pytest.mark.parametrize(
    "given",
    [
        {"load": {"rate": 5, "duration": 60, "concurrency": 900}},
        {"scenarios": [{"name": "a", "load": {"concurrency": 450}}, {"name": "b", "load": {"concurrency": 450}}]},
    ],
)
def test_what_may_not_be_taken_is_noted(room, given):
    faults, (note,) = room(600, **given)
    assert faults == []
    assert note.startswith("900 simulations at once")


def test_scenarios_may_follow_each_other_but_each_needs_its_own(room):
    scenarios = [{"name": "a", "load": BIG}, {"name": "b", "start": "1h", "load": BIG}]
    assert room(970, scenarios=scenarios)[0] == []
    (fault,) = room(960, scenarios=scenarios)[0]
    assert fault.message.startswith("900 simulations at once")
    assert len(room(970, scenarios=scenarios)[1]) == 1


def test_an_agents_limit_bounds_what_is_taken(room):
    assert room(100, load=BIG, limits={"per_agent": 10}) == ([], [])
    assert room(90, load=BIG, limits={"per_agent": 10})[1] != []


@pytest.mark.parametrize(
    ("audio", "needed"),
    [
        ("none", 964),
        ("all", 1864),
        ({"sample": 5}, 969),
        ({"slowest": 5}, 1869),
        ({"slowest": 5, "failed": 5000}, 2864),
    ],
)
def test_recordings_are_files_too(room, audio, needed):
    assert room(needed, load=BIG, record={"audio": audio})[0] == []
    assert len(room(needed - 1, load=BIG, record={"audio": audio})[0]) == 1


@pytest.mark.parametrize(
    ("audio", "needed"),
    [("none", 364), ("all", 664), ({"sample": 5}, 369), ({"sample": 500}, 664), ({"slowest": 5}, 669)],
)
def test_several_processes_share_simulations_and_their_recordings(room, audio, needed):
    assert room(needed, 3, load=BIG, record={"audio": audio})[0] == []
    (fault,), _ = room(needed - 1, 3, load=BIG, record={"audio": audio})
    assert fault.message.startswith(
        f"900 simulations at once over 3 processes take some {needed} file descriptors each"
    )


def test_nothing_is_said_of_other_machines(room):
    assert room(70, None, load=BIG) == ([], [])


@pytest.mark.parametrize(
    ("given", "peak"),
    [
        ({"load": BIG}, 900),
        ({"load": BIG, "limits": {"per_agent": 10}}, 10),
        ({"load": {"rate": 5, "duration": 60, "concurrency": 70}}, 70),
        ({"scenarios": [{"name": "a", "load": BIG}, {"name": "b", "start": "1h", "load": BIG}]}, 1800),
        ({"agents": ["voice.json", "chat.json"], "load": BIG, "limits": {"per_agent": 30}}, 60),
        ({"agents": ["voice.json", "chat.json"], "load": {"concurrency": 4, "duration": 60}}, 4),
    ],
)
def test_the_peak_is_that_of_all_scenarios_within_the_agents_limits(load, given, peak):
    assert peak_of(load(**given)) == peak
