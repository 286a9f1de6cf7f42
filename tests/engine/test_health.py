import gc

import pytest
import trio
from trio.testing import MockClock

from coval_load.engine import metrics
from coval_load.engine.health import max_rss_bytes, watch_generator
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
            results.frame_lateness(0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_generator, results)
        nursery.start_soon(frames)
        await trio.sleep(1.5)
        assert results._distributions[metrics.SEND_LATENESS]._pending == []
        nursery.cancel_scope.cancel()


async def test_vitals_are_kept(autojump_clock):
    results = Results()
    await watch_for(results, 2.5)
    assert results.vitals.watched_s == pytest.approx(2.5)
    assert results.vitals.cpu_s >= 0
    assert results.vitals.busiest_cpu_share >= 0
    assert results.summary()["generator"]["max_rss_bytes"] <= max_rss_bytes()
    assert max_rss_bytes() > 10_000_000


async def test_pauses_of_the_garbage_collector_are_kept(autojump_clock):
    results = Results()
    before = list(gc.callbacks)

    async def collect():
        await trio.sleep(0.5)  # the watch is on by then
        gc.collect()
        gc.collect()

    await watch_for(results, 1.5, collect)
    assert results.samples(metrics.GC_PAUSE) >= 2
    assert gc.callbacks == before
