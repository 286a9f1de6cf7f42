import gc

import pytest
import trio
from trio.testing import MockClock

from coval_load.engine import health, metrics, resources
from coval_load.engine.health import watch_generator
from coval_load.engine.results import Results


async def watch_for(results, seconds, meanwhile=None):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_generator, results)
        if meanwhile is not None:
            nursery.start_soon(meanwhile)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


async def test_a_loop_on_time_has_no_lag(autojump_clock):
    results = Results()
    await watch_for(results, 10.05)
    assert results.samples(metrics.LOOP_LAG) == 100
    assert results.percentile(metrics.LOOP_LAG, 100) == 0.0


def test_a_stall_weighs_as_long_as_it_lasted():
    clock = MockClock()
    clock.autojump_threshold = 0
    results = Results()

    async def stall():
        await trio.sleep(0.95)
        clock.jump(1.0)

    trio.run(watch_for, results, 3.05, stall, clock=clock)

    # Due at 1.0, 1.1 … 1.9, all awake at 1.95: ten wake-ups, 0.95 s to 0.05 s late.
    lag = results.summary()["metrics"]["loop_lag"]
    assert lag["count"] == 30
    assert lag["max"] == pytest.approx(0.95, abs=1e-3)
    assert lag["mean"] == pytest.approx(5.0 / 30, abs=1e-3)


def test_a_stall_that_the_run_ends_in_counts():
    clock = MockClock()
    clock.autojump_threshold = 0
    results = Results()

    async def stall():
        await trio.sleep(0.95)
        clock.jump(30.0)

    trio.run(watch_for, results, 1.0, stall, clock=clock)

    lag = results.summary()["metrics"]["loop_lag"]
    assert lag["count"] == pytest.approx(309, abs=1)
    assert lag["max"] == pytest.approx(29.95, rel=1e-2)


async def test_what_gathers_is_counted_each_second(autojump_clock):
    results = Results()

    async def frames():
        await trio.sleep(0.5)
        for _ in range(10):
            results.frame_lateness([0.001])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_generator, results)
        nursery.start_soon(frames)
        await trio.sleep(1.5)
        assert results.whole.distributions[metrics.SEND_LATENESS]._pending == []
        nursery.cancel_scope.cancel()


async def test_vitals_are_kept(autojump_clock):
    results = Results()
    await watch_for(results, 2.5)
    vitals = results.vitals
    assert vitals.watched_s == pytest.approx(2.5)
    assert vitals.cpu_s >= 0
    assert vitals.busiest_cpu_share >= 0
    assert 10_000_000 < vitals.rss_bytes <= vitals.max_rss_bytes < 2**40
    assert 0 < vitals.descriptors.most < vitals.descriptors.limit == resources.descriptor_limits()[0]


@pytest.fixture
def machine(monkeypatch):
    """What the readers of `resources` say, one value for each look; the first ones are from before the start."""

    def says(**readings):
        for name, values in readings.items():
            following = iter(values)
            monkeypatch.setattr(resources, name, lambda following=following: next(following))

    return says


async def test_time_without_a_cpu_is_counted_from_the_start_on(autojump_clock, machine):
    machine(cpu_wait_s=[100.0, 100.25, None, 100.5, 101.0], throttled_s=[7.0, 7.0, 7.5, 7.25, 8.25])
    results = Results()
    await watch_for(results, 3.05)
    # What a reading that failed hides is not made up; a cgroup that was left does not count backwards.
    assert results.vitals.cpu_wait_s == pytest.approx(0.25 + 0.5)
    assert results.vitals.throttled_s == pytest.approx(0.5 + 1.0)


async def test_what_the_system_does_not_say_stays_unknown(autojump_clock, machine):
    nothing = [None] * 9
    machine(cpu_wait_s=nothing, throttled_s=nothing, rss_bytes=nothing, ephemeral_ports=nothing, ports_in_use=nothing)
    results = Results()
    await watch_for(results, 2.5)
    generator = results.summary()["generator"]
    unknown = ("cpu_wait_share", "throttled_share", "rss_bytes", "ports_most", "ports_limit")
    assert [generator[name] for name in unknown] == [None] * 5


async def test_the_most_of_what_is_limited_is_kept(autojump_clock, machine):
    machine(
        open_descriptors=[10, 95, 20],
        descriptor_limits=[(100, 200), (100, 200), (1000, 2000)],
        ephemeral_ports=[range(1000, 1100)],
        ports_in_use=[5, 80, 91],
    )
    results = Results()
    await watch_for(results, 2.05)
    judged = results.summary()["generator"]
    assert (judged["descriptors_most"], judged["descriptors_limit"]) == (95, 100)
    assert (judged["ports_most"], judged["ports_limit"]) == (91, 100)
    assert len(judged["reasons"]) == 2


@pytest.mark.parametrize(("costly_ns", "looks"), [(-1, 3), (10**12, 21)])
async def test_descriptors_that_take_long_to_count_are_counted_less_often(
    autojump_clock, monkeypatch, costly_ns, looks
):
    counted = []
    monkeypatch.setattr(resources, "open_descriptors", lambda: counted.append(1) or 1)
    monkeypatch.setattr(health, "_COSTLY_NS", costly_ns)
    await watch_for(Results(), 20.05)
    # At 1 s, 11 s and at the end, which is the 21st look; otherwise at each.
    assert len(counted) == looks


async def test_pauses_of_the_garbage_collector_are_kept(autojump_clock):
    results = Results()
    before = list(gc.callbacks)

    async def collect():
        await trio.sleep(0.5)  # the watch is on by then
        gc.collect()
        gc.collect()

    await watch_for(results, 1.5, collect)
    assert results.samples(metrics.GC_PAUSE) >= 2
    assert results.vitals.gc_s == pytest.approx(results.whole.distributions[metrics.GC_PAUSE].total_s, abs=1e-4)
    assert gc.callbacks == before
