"""Another process's clock is where it is said to be, however unlike the ways there and back are."""

from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.cluster.clocks import DRIFT, WINDOW_S, Clock

ROUNDING_S = 1e-7
DELAYS_S = st.one_of(st.floats(0, 0.002), st.floats(0, 5))


@attrs.frozen
class TrueClock:
    """Stands off by `offset_s`, and runs too fast or too slow, by another rate in each second."""

    offset_s: float
    rates: list[float]

    def reads(self, at: float) -> float:
        whole = int(at)
        drifted_s = sum(self.rates[second % len(self.rates)] for second in range(whole))
        return self.offset_s + at + drifted_s + (at - whole) * self.rates[whole % len(self.rates)]


TRUE_CLOCKS = st.builds(TrueClock, st.floats(-1e6, 1e6), st.lists(st.floats(-DRIFT, DRIFT), min_size=1, max_size=5))


@attrs.frozen
class Trip:
    """A ping, how long it takes, how long its answer does, how often that arrives."""

    after_s: float
    there_s: float
    back_s: float
    arrives: int


TRIPS = st.builds(Trip, st.floats(0, 30), DELAYS_S, DELAYS_S, st.sampled_from([1, 1, 1, 0, 2]))


def measure(clock, true, trips):
    """Ping along `trips`; yields our time after each thing that happens."""
    events = []
    sent_at = 1.0
    for number, trip in enumerate(trips):
        sent_at += trip.after_s
        read_at = sent_at + trip.there_s
        events.append((sent_at, 0, number, None))
        events += [(read_at + trip.back_s + again, 1, number, read_at) for again in range(trip.arrives)]
    for at, _, number, read_at in sorted(events, key=lambda event: event[:3]):
        if read_at is None:
            clock.pinged(number, at)
        else:
            clock.ponged(number, true.reads(read_at), at)
        yield at


@given(TRUE_CLOCKS, st.lists(TRIPS, min_size=1, max_size=20), st.floats(0, 100))
def test_the_true_offset_is_always_within_the_error(true, trips, later_s):
    clock = Clock()
    for at in measure(clock, true, trips):
        if clock.is_known:
            assert abs(true.reads(at) - at - clock.offset_s) <= clock.error_s + ROUNDING_S
            for other in (at + later_s, max(0.0, at - later_s)):
                assert abs(clock.theirs(other) - true.reads(other)) <= clock.error_at(other) + ROUNDING_S


@given(TRUE_CLOCKS, st.lists(TRIPS, min_size=1, max_size=20))
def test_no_sample_within_the_window_would_have_been_better(true, trips):
    together = Clock()
    at = list(measure(together, true, trips))[-1]
    for trip_number, trip in enumerate(trips):
        sent_at = 1.0 + sum(each.after_s for each in trips[: trip_number + 1])
        heard_at = sent_at + trip.there_s + trip.back_s
        if trip.arrives and heard_at - WINDOW_S / 2 > at - WINDOW_S:
            alone = Clock()
            alone.pinged(0, sent_at)
            alone.ponged(0, true.reads(sent_at + trip.there_s), heard_at)
            assert together.error_at(at) <= alone.error_at(at) + ROUNDING_S


def measured(*trips, clock=None):
    """A clock after pings, each (sent at, read there at, heard of at); theirs shows 1,000 s more."""
    clock = clock or Clock(drift=0.0)
    for number, (sent_at, read_at, heard_at) in enumerate(trips):
        clock.pinged(number, sent_at)
        clock.ponged(number, read_at + 1000, heard_at)
    return clock


def test_the_middle_of_the_round_trip_is_taken_and_half_of_it_is_the_error():
    clock = measured((10, 10.1, 10.4))
    assert clock.offset_s == pytest.approx(999.9)
    assert clock.error_s == pytest.approx(0.2)
    assert clock.theirs(20) == pytest.approx(1019.9)
    assert clock.ours(1019.9) == pytest.approx(20)


@given(st.permutations(range(5)))
def test_the_shortest_round_trip_counts_whenever_it_was(order):
    clock = measured(*((10 + place, 10 + place, 10 + place + 0.1 * (1 + trip)) for place, trip in enumerate(order)))
    assert clock.error_s == pytest.approx(0.05)
    assert clock.offset_s == pytest.approx(999.95)


def test_a_good_sample_of_long_ago_gives_way_to_a_fair_one_of_now():
    clock = measured((0, 0.0005, 0.001), (20, 20.002, 20.004), clock=Clock(drift=100e-6))
    assert clock.error_s == pytest.approx(0.0020004)  # 0.5 ms and 20 s of drift make 2.5 ms
    clock = measured((0, 0.0005, 0.001), (10, 10.002, 10.004), clock=Clock(drift=100e-6))
    assert clock.error_s == pytest.approx(0.0015004)


def test_a_sample_expires_when_there_is_a_newer_one():
    clock = measured((0, 0, 0), (59, 59, 60))
    assert clock.error_s == 0
    clock = measured((0, 0, 0), (60, 60, 61))
    assert clock.error_s == 0.5
    assert clock.offset_s == pytest.approx(999.5)


def test_the_last_sample_is_kept_and_its_error_grows():
    clock = measured((0, 0, 0), clock=Clock(drift=100e-6))
    clock.pinged(7, 1000)
    assert clock.is_known
    assert clock.error_s == pytest.approx(0.1)
    assert clock.error_at(2000) == pytest.approx(0.2)


def test_a_pong_that_was_not_asked_for_or_comes_twice_is_ignored():
    clock = Clock()
    clock.ponged(0, 5, 1)
    assert not clock.is_known
    clock.pinged(1, 10)
    clock.ponged(1, 10, 11)
    clock.ponged(1, 10, 10.0001)
    clock.ponged(2, 99, 11)
    assert clock.offset_s == -0.5


def test_a_ping_that_is_never_answered_is_forgotten():
    clock = Clock()
    for number in range(1000):
        clock.pinged(number, number)
    assert len(clock._asked) <= WINDOW_S + 1
    clock.ponged(0, 0, 1000)
    assert not clock.is_known


def test_what_was_measured_before_a_machine_stood_still_is_void():
    clock = measured((0, 0.001, 0.002), (1, 1.01, 1.02), (2, 2.01 - 30, 2.02))
    assert clock.offset_s == pytest.approx(970)
    assert clock.error_s == pytest.approx(0.01)


def test_memory_is_bounded_over_a_night():
    clock = Clock()
    random = Random(1)
    for number in range(30_000):
        clock.pinged(number, number)
        clock.ponged(number, number, number + random.random())
    assert len(clock._samples) <= WINDOW_S + 1


@pytest.mark.parametrize("ask", [lambda clock: clock.offset_s, lambda clock: clock.error_s])
def test_what_was_not_measured_can_not_be_told(ask):
    with pytest.raises(LookupError, match="no ping was answered"):
        ask(Clock())
