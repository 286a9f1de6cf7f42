"""A dashboard over a real socket, beside a run of its own that goes on whatever its readers do."""

import socket
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.plan import Timeouts
from coval_load.engine.pulse import Pulses
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.worker_health import WorkerHealth
from coval_load.report.dashboard.access import OURS, Access, Address
from coval_load.report.dashboard.app import Dashboard
from coval_load.report.dashboard.serving import MOST_CONNECTIONS, listen, run_of, serve
from coval_load.report.dashboard.snapshot import Snapshots
from tests.engine.players import Actor, lasting

OUR_PAGE = {OURS: "1"}


class Cast:
    def __init__(self, results):
        self.results = results

    def labels(self, number):
        return Labels(scenario="calls", agent="a")

    def __call__(self, number):
        return Actor(number, lasting(0.05)(number), self.results.account(self.labels(number)))


def beside_a_run(look, access=Access(), page="<p>the page</p>"):  # noqa: B008 - frozen
    """`look(client, runner, results)` while a run goes on; returns the run's results."""
    results = Results()
    told = []

    async def main():
        runner = Runner([Scenario("calls", Constant(2, 60), Cast(results))], Timeouts(), {}, results, lambda row: None)
        pulses = Pulses(runner, results, lambda: None, every_s=0.05)
        snapshots = Snapshots(runner, results, (), lambda: False)
        pulses.feel(snapshots.feel)
        listening = listen(Address.read("0"))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with trio.fail_after(30):
            async with trio.open_nursery() as background:
                run = run_of("a run", "a-folder", runner, results, snapshots, runner.stop)
                dashboard = Dashboard(run, access, page, "<p>sign in</p>")
                background.start_soon(partial(serve, dashboard, listening, told.append))
                background.start_soon(runner.run)
                background.start_soon(pulses.run)
                async with httpx.AsyncClient(base_url=base) as client:
                    await look(client, runner, results)
                runner.stop()
                background.cancel_scope.cancel()

    trio.run(main)
    assert told == []
    return results


async def state_of(client, until=lambda state: True):
    while True:
        state = (await client.get("/api/state")).raise_for_status().json()
        if state["begun"] and until(state):
            return state
        await trio.sleep(0.02)


def test_it_shows_how_the_run_stands():
    async def look(client, runner, results):
        results.record(metrics.RESPONSE_LATENCY, 0.25)
        failure = Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "\x1b[31m<script>")
        results.finished(Outcome("failed", failure))
        state = await state_of(client, lambda state: state["errors"] and state["columns"]["at"])
        assert state["metrics"]["response_latency"]["p95"] == 0.25
        assert state["latest_errors"]["no_response"]["message"] == "␛[31m<script>"
        assert state["scenarios"] == [{"number": 0, "name": "calls", "wanted": 2, "changeable": True}]
        assert len(state["columns"]["at"]) == len(state["columns"]["running"]) >= 1
        page = await client.get("/")
        assert (page.status_code, page.text, page.headers["x-frame-options"]) == (200, "<p>the page</p>", "DENY")

    beside_a_run(look)


def test_its_buttons_change_and_stop_the_run():
    async def look(client, runner, results):
        await state_of(client)
        changed = await client.post("/api/concurrency", json={"scenario": 0, "concurrency": 5}, headers=OUR_PAGE)
        assert changed.status_code == 200
        await state_of(client, lambda state: state["scenarios"][0]["wanted"] == 5 and state["changes"])
        stopped = await client.post("/api/stop", headers=OUR_PAGE)
        assert stopped.status_code == 200
        await state_of(client, lambda state: not state["scenarios"][0]["changeable"])
        refused = await client.post("/api/concurrency", json={"scenario": 0, "concurrency": 5}, headers=OUR_PAGE)
        assert refused.status_code == 409
        assert "goes on" in refused.json()["wrong"]

    beside_a_run(look)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"scenario": 0}', b'{"scenario": true, "concurrency": 2}', b"x" * 20_000]
)
def test_what_is_no_change_is_refused(body):
    async def look(client, runner, results):
        await state_of(client)
        answer = await client.post("/api/concurrency", content=body, headers=OUR_PAGE)
        assert answer.status_code == 400
        assert results.changes == []

    beside_a_run(look)


def test_other_sites_can_neither_read_nor_act():
    async def look(client, runner, results):
        await state_of(client)
        assert (await client.post("/api/stop")).status_code == 403
        assert (await client.get("/api/state", headers={"host": "evil.example"})).status_code == 403
        assert (await client.get("/", headers={"host": "evil.example"})).status_code == 403
        assert runner.changeable == ["calls"]

    beside_a_run(look)


def test_with_a_token_one_signs_in():
    token = "0123456789abcdef"

    async def look(client, runner, results):
        assert (await client.get("/")).text == "<p>sign in</p>"
        assert (await client.get("/api/state")).status_code == 401
        assert (await client.post("/sign-in", data={"token": "wrong"})).status_code == 401
        signed = await client.post("/sign-in", data={"token": token}, follow_redirects=True)
        assert signed.text == "<p>the page</p>"
        await state_of(client)
        scraped = httpx.AsyncClient(base_url=client.base_url, headers={"authorization": f"Bearer {token}"})
        async with scraped:
            assert (await scraped.get("/metrics")).status_code == 200

    beside_a_run(look, Access(token))


def test_metrics_are_scraped_also_alone():
    async def look(client, runner, results):
        answer = await client.get("/metrics")
        assert 'coval_load_simulations_total{status="started"}' in answer.text
        assert (await client.get("/")).status_code == 404

    beside_a_run(look, page=None)


def test_a_reader_that_stops_reading_does_not_keep_the_run():
    async def look(client, runner, results):
        stuck = socket.create_connection((client.base_url.host, client.base_url.port))
        held.append(stuck)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        request = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
        await trio.to_thread.run_sync(stuck.sendall, request * 20)
        await state_of(client)

    held = []
    beside_a_run(look, page="x" * 3_000_000)
    held[0].close()


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_readers_leave_the_run_its_descriptors():
    async def look(client, runner, results):
        address, before = (client.base_url.host, client.base_url.port), descriptors()
        for _ in range(MOST_CONNECTIONS + 90):
            held.append(socket.create_connection(address, 5))
            await trio.lowlevel.checkpoint()
        held[0].sendall(b"GET /api/state HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        assert (await trio.to_thread.run_sync(held[0].recv, 12)).endswith(b"200")
        ours = descriptors() - before - len(held)
        assert ours <= MOST_CONNECTIONS + 20  # Trio and the thread have some of their own
        for one in held:
            one.close()

    held = []
    beside_a_run(look)


def test_a_port_that_is_taken_is_told():
    with (
        listen(Address.read("0")) as taken,
        pytest.raises(ValueError, match=r"on 127.* --web-address or"),
    ):
        listen(Address.read(str(taken.getsockname()[1])))


def test_a_page_that_is_open_is_shown_the_end():
    results, states = Results(), []

    async def main():
        runner = Runner([Scenario("calls", Constant(2, 60), Cast(results))], Timeouts(), {}, results, lambda row: None)
        pulses = Pulses(runner, results, lambda: None, every_s=0.05)
        snapshots = Snapshots(runner, results, (), lambda: False)
        pulses.feel(snapshots.feel)
        listening = listen(Address.read("0"))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"

        async def end():
            snapshots.end(pulses.take())
            await snapshots.show_end()

        async def watch():
            async with httpx.AsyncClient(base_url=base) as client:
                await state_of(client)
                runner.stop()
                states.append(await state_of(client, lambda state: state["over"]))

        with trio.fail_after(30):
            async with trio.open_nursery() as page:
                page.start_soon(watch)
                async with trio.open_nursery() as background:
                    run = run_of("a run", "a-folder", runner, results, snapshots, runner.stop)
                    dashboard = Dashboard(run, Access(), "<p>the page</p>", "")
                    background.start_soon(serve, dashboard, listening, states.append, end)
                    background.start_soon(pulses.run)
                    await runner.run()
                    background.cancel_scope.cancel()

    trio.run(main)
    (state,) = states
    assert (state["running"], state["folder"]) == (0, "a-folder")
    assert state["counts"]["completed"] == results.counted(metrics.COMPLETED) > 0


def test_a_worker_that_was_lost_is_named_and_its_host_stays_text():
    states = []

    async def look(client, runner, results):
        results.workers = [WorkerHealth(name="worker-3", host="\x1b[2Jb", lost="killed", lost_at_s=1.0)]
        states.append(await state_of(client, lambda state: state["generator"]["reasons"]))

    beside_a_run(look)
    told = states[0]["generator"]
    assert told["verdict"] == "invalid"
    assert told["reasons"][0].startswith("worker-3 on ␛[2Jb was lost at 0:00:01 (killed)")
    assert "workers" not in told  # there may be a thousand, and pages ask each second


def test_what_tells_most_comes_first_and_twins_are_for_who_asks():
    async def look(client, runner, results):
        for name in (metrics.LOOP_LAG, metrics.CONNECT_TIME, metrics.TTFT, metrics.RESPONSE_LATENCY):
            results.record(name, 0.1)
        results.record(metrics.scheduled(metrics.RESPONSE_LATENCY), 0.1)
        state = await state_of(client, lambda state: state["others"] and "ttft" in state["metrics"])
        assert list(state["metrics"])[:2] == ["response_latency", "ttft"]
        assert "connect_time" in state["metrics"]
        assert {"loop_lag", "scheduled_response_latency"} <= state["others"].keys()
        assert not state["others"].keys() & state["metrics"].keys()

    beside_a_run(look)
