"""What becomes of the load of a worker that is lost, as a plan says it."""

import pytest


@pytest.mark.parametrize(
    ("given", "when_lost"),
    [
        ({}, "leave"),
        ({"workers": {}}, "leave"),
        ({"workers": {"when_lost": "leave"}}, "leave"),
        ({"workers": {"when_lost": "take_over"}}, "take_over"),
    ],
)
def test_it_is_left_unless_others_are_to_take_it_over(load, given, when_lost):
    plan = load(**given)
    assert plan.takes_over is (when_lost == "take_over")
    assert plan.masked()["workers"] == {"when_lost": when_lost}


def test_how_many_there_are_is_not_the_plans(faults):
    (fault,) = faults(workers={"count": 2})
    assert fault.startswith("workers.count: ")
    assert "when_lost" in fault


def test_a_fault_says_what_may_be_said(faults):
    (fault,) = faults(workers={"when_lost": "give_up"})
    assert fault.startswith("workers.when_lost: expected ")
    assert all(word in fault for word in ("leave", "take_over", "give_up"))
