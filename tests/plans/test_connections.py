"""What a plan may say about dialling again, and about the age of connections."""

import pytest

from coval_load.engine.back_off import BackOff
from coval_load.faults import Faulty
from coval_load.plans.plan import settle_reconnect
from coval_load.plans.schema import ConnectionsSection, ReconnectSection
from coval_load.strict import structure


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ({}, BackOff(5, 0.5, 30.0)),
        ({"attempts": 2, "first": "20ms", "most": "2m"}, BackOff(2, 0.02, 120.0)),
        ({"first": "30s"}, BackOff(5, 30.0, 30.0)),
    ],
)
def test_what_is_said_is_done(written, made):
    assert settle_reconnect(structure(ReconnectSection, written)) == made


def test_where_nothing_is_said_nothing_is_tried_again():
    assert settle_reconnect(None) is None


@pytest.mark.parametrize(
    ("section", "written", "fault"),
    [
        (ReconnectSection, {"first": "1m"}, "first: expected at most what most says, 30 s; got 60 s"),
        (ReconnectSection, {"first": "2s", "most": "1s"}, "first: expected at most what most says, 1 s; got 2 s"),
        (ReconnectSection, {"attempts": 0}, "attempts: expected a number from 1 to 1000; got 0"),
        (ConnectionsSection, {"most_age": 0}, "most_age: expected"),
    ],
)
def test_what_can_not_be_meant_is_a_fault(section, written, fault):
    with pytest.raises(Faulty) as caught:
        structure(section, written)
    (only,) = caught.value.faults
    assert f"{only.path}: {only.message}".startswith(fault)
