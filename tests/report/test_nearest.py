"""Percentiles lead to the conversations whose values are nearest."""

from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.distribution import Distribution
from coval_load.report.nearest import TOLD, Nearest

SECONDS = st.floats(0, 100) | st.floats(0, 0.01) | st.sampled_from([0.1, 0.2])


def nearest_of(values, entry):
    nearest = Nearest({"response_latency": entry})
    for number, seconds in enumerate(values):
        nearest.add({"response_latency": seconds, "ttft": 1.0}, f"id{number}", float(number), number * 10)
    return nearest


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_each_percentile_leads_to_the_value_it_is_of(values):
    distribution = Distribution()
    distribution.record_many(values)
    entry = distribution.summary()
    found = nearest_of(values, entry).values()
    assert list(found) == ["response_latency"]
    assert set(found["response_latency"]) == set(TOLD)
    for name, one in found["response_latency"].items():
        assert abs(one.seconds - entry[name]) == min(abs(value - entry[name]) for value in values)
        assert (one.seconds, one.began_s, one.offset) == (
            values[int(one.id[2:])],
            float(one.id[2:]),
            10 * int(one.id[2:]),
        )


@given(st.lists(SECONDS, min_size=1, max_size=30), st.lists(SECONDS, min_size=7, max_size=7))
def test_it_is_the_nearest_whatever_the_percentiles(values, levels):
    """As where the rows of a run tell of less than its summary."""
    entry = dict(zip(TOLD, sorted(levels), strict=True))
    found = nearest_of(values, entry).values().get("response_latency", {})
    for name, level in entry.items():
        best = min(abs(value - level) for value in values)
        if name in found:
            assert abs(found[name].seconds - level) == best
        else:
            assert best > 0.1 * level


def test_a_value_that_is_far_off_is_none():
    entry = dict.fromkeys(TOLD, 1.0)
    assert nearest_of([0.5, 1.5], entry).values() == {}
    assert set(nearest_of([0.95, 1.5], entry).values()["response_latency"]) == set(TOLD)


def test_all_are_those_of_every_metric():
    nearest = Nearest({name: dict.fromkeys(TOLD, 1.0) for name in ("ttft", "turn_time")})
    nearest.add({"ttft": 1.0}, "a", 0.0, 0)
    nearest.add({"turn_time": 1.0}, "b", 0.0, 1)
    assert {one.id for one in nearest.all()} == {"a", "b"}
