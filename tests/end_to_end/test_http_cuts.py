"""Runs over HTTP that end at any instant, in any stage, in any way: a row for each, and nothing left behind."""

import gc
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from http_agent import A2A, HTTP_CHAT, converse, on_http
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import on_the_port, plan_for, run
from test_cuts import open_descriptors, run_until
from trio.testing import MockClock

from coval_load.actors.simulation import Simulation
from coval_load.engine.http_answer import Reading
from coval_load.engine.http_connection import HttpConnection
from coval_load.engine.run_folder import create, read_rows

TOOL = {"tool": "look", "result": "found"}
ORIGINS = 300
STAGES = {"discovery": "setup", "initialization": "setup", "head": "conversation", "stream": "conversation"}


async def talk(asked):
    """Sets up, streams, calls a tool; now and then it drops the caller, in every way it can."""
    await trio.sleep(0.2)
    if asked.path == "/init":
        await asked.answer({"sessionId": "s-1"})
        return
    messages, number = asked.json["messages"], asked.connection
    if messages[-1]["role"] == "user" and len(messages) > 1:
        await asked.call_tool("look", {})
        return
    if number % 7 == 3:
        return
    await asked.begin(content_type="text/event-stream")
    for piece in "abc":
        await trio.sleep(0.1)
        await asked.piece(piece)
    if number % 7 != 5:
        await asked.event("[DONE]")
        await asked.end()


async def cut(told, out):
    async with on_http(talk) as agent:
        metadata = {"chat_endpoint": f"{agent.url}/chat", "initialization_endpoint": f"{agent.url}/init"}
        load = {"concurrency": 6, "duration": "3s"}
        plan = plan_for(HTTP_CHAT, metadata, ["a", "b"], load=load, timeouts={"grace": "2s"})
        plan["test_set"][0]["tool_results"] = [TOOL]
        plan["limits"] = {"per_agent": 4}
        folder = create(out, "cut", datetime.now(UTC))
        return folder, *await run_until(plan, folder, told)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 3), max_size=2))
def test_every_simulation_has_one_row_and_lets_go(told):
    before = open_descriptors()
    with tempfile.TemporaryDirectory() as temporary:
        clock = MockClock(autojump_threshold=0.001)
        folder, summary, runner = trio.run(cut, told, Path(temporary) / "run", clock=clock)
        rows = list(read_rows(folder.simulations_file))
    counts = summary["counts"]
    assert len(rows) == counts["offered"] == len({row["simulation_output_id"] for row in rows})
    assert counts["offered"] == counts["completed"] + counts["failed"] + counts["cancelled"]
    assert summary["errors"].keys() <= {"connection_closed"}
    assert (runner.running, runner.queued) == (0, 0)
    assert open_descriptors() <= before


async def fails(asked, way):
    match way:
        case "answers":
            await asked.say("yes")
        case "drops":
            pass
        case "breaks off":
            await asked.begin(content_length="10")
            await asked.send(b"{")
        case "is no HTTP":
            await asked.stream.send_all(b"220 smtp.example.com\r\n")
        case "is no JSON":
            await asked.answer(b"<html>")
        case "breaks a stream":
            await asked.begin(content_type="text/event-stream")
            await asked.piece("Hel")
            await asked.event("{lo")
            await asked.end()
        case "refuses":
            await asked.answer({}, status=500)
        case "hangs":
            await trio.sleep(3600)


WAYS = ["answers", "drops", "breaks off", "is no HTTP", "is no JSON", "breaks a stream", "refuses", "hangs"]


@pytest.mark.parametrize("way", WAYS)
async def test_none_waits_for_the_garbage_collector(virtual_time, tmp_path, way):
    gc.collect()
    gc.disable()
    try:
        load = {"concurrency": 2, "simulations": 6}
        await converse(tmp_path, lambda asked: fails(asked, way), "a", "b", load=load, timeouts={"response": "1s"})
        kinds = Simulation | Reading | HttpConnection
        left = [type(it).__name__ for it in gc.get_objects() if isinstance(it, kinds)]
    finally:
        gc.enable()
    assert left == []


@pytest.mark.parametrize(("where", "stage"), STAGES.items())
async def test_a_conversation_that_takes_too_long_ends_where_it_is(virtual_time, tmp_path, where, stage):
    async def dawdles(asked):
        if where == "stream" and asked.path == "/chat":
            await asked.begin(content_type="text/event-stream")
            while True:
                await asked.piece("x")
                await trio.sleep(0.01)
        if (where, asked.path) == ("head", "/init"):
            await asked.answer({"access_token": "t"})
            return
        if where in ("initialization", "head", "stream") and asked.method == "GET":
            await asked.answer({}, status=404)
            return
        await trio.sleep(3600)

    metadata = {} if where in ("stream", "discovery") else {"initialization_endpoint": "URL/init"}
    timeouts = {"simulation": "5s", "response": "60s", "setup": "60s"}
    model_type = HTTP_CHAT if where == "stream" else A2A
    ran, _ = await converse(
        tmp_path, dawdles, "a", metadata=metadata, model_type=model_type, timeouts=timeouts, path="/chat"
    )
    assert (ran.error["kind"], ran.error["stage"]) == ("simulation_timeout", stage)
    assert ran.lasted == pytest.approx(5, abs=0.1)


async def test_one_that_takes_too_long_to_be_reached(virtual_time, tmp_path):
    async def never_speaks(stream):
        await trio.sleep_forever()

    async with on_the_port(never_speaks) as port:
        plan = plan_for(HTTP_CHAT, {"chat_endpoint": f"https://{port}/"}, ["a"])
        plan["timeouts"] = {"simulation": "5s", "connect": "60s"}
        ran = await run(plan, tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"]) == ("simulation_timeout", "connect")


async def test_agents_at_hundreds_of_origins(virtual_time, tmp_path):
    async def echoes(asked):
        await asked.say(f"{asked.headers['host']} heard {asked.said}")

    before = open_descriptors()
    async with AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(on_http(echoes)) for _ in range(ORIGINS)]
        plan = plan_for(HTTP_CHAT, {}, ["a", "b"], load={"concurrency": 100, "simulations": 2 * ORIGINS})
        plan["persona"] = {"wait_seconds": 0}
        (body,) = plan["agents"]
        plan["agents"] = [
            {**body, "display_name": f"agent {n}", "metadata": {"chat_endpoint": f"{agent.url}/chat"}}
            for n, agent in enumerate(agents)
        ]
        ran = await run(plan, tmp_path / "run")
    assert ran.summary["counts"]["completed"] == 2 * ORIGINS
    for number, agent in enumerate(agents):
        (host,) = {asked.headers["host"] for asked in agent.asked}
        assert agent.url == f"http://{host}"
        rows = [row for row in ran.rows if row["agent"] == f"agent {number}"]
        assert all(row["transcript"][1]["content"] == f"{host} heard a" for row in rows)
        assert len(rows) == 2
    assert open_descriptors() <= before
