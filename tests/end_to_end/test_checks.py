"""Checks of test cases, from the plan to the row and the counters."""

import json
import time
from functools import partial
from importlib.metadata import EntryPoint, EntryPoints
from importlib.resources import files

import jsonschema
import pytest
import trio
from http_agent import converse
from in_process import chat_plan, on_the_line, run, tone, voice_plan, write_tone

from coval_load.actors.checks import functions
from coval_load.actors.checks.judging import SLOW_S

SIMULATION = json.loads(files("coval_load.report").joinpath("schemas/simulation.schema.json").read_text("utf-8"))
CAPTURES = {"non_audio_event_message_types": ["cart_update"]}
TOOL = {"tool": "lookup_order", "result": {"status": "shipped"}}

seen = []


def watches(conversation, **options):
    seen.append((conversation, options))


def raises(conversation):
    raise KeyError("no such thing")


def is_slow(conversation):
    until = time.perf_counter() + 2 * SLOW_S
    while time.perf_counter() < until:
        pass


@pytest.fixture(autouse=True)
def are_installed(monkeypatch):
    seen.clear()
    names = ("watches", "raises", "is_slow")
    points = [EntryPoint(name, f"{__name__}:{name}", functions.ENTRY_POINTS) for name in names]
    monkeypatch.setattr(functions, "entry_points", lambda group: EntryPoints(points).select(group=group))


def with_checks(plan, *checks):
    plan["test_set"][0]["checks"] = list(checks)
    return plan


def outcomes(ran):
    return {check["name"]: check["passed"] for check in ran.row["checks"]}


def counted(ran):
    return ran.summary["counters"]["checks_passed"], ran.summary["counters"]["checks_failed"]


async def greets_and_takes_orders(call):
    await call.say("Welcome!")
    await takes_orders(call)


async def takes_orders(call):
    while True:
        text = (await call.hear())["text"]
        await trio.sleep(1)
        await call.send(type="cart_update", items=[{"size": "large"}])
        await call.say(f"order 1207: {text}")


async def chat(tmp_path, agent, *checks, turns=("one pizza", "Goodbye."), metadata=None, **sections):
    async with on_the_line(agent) as endpoint:
        captures = CAPTURES | (metadata or {})
        plan = chat_plan(endpoint, *turns, metadata=captures, **sections)
        return await run(with_checks(plan, *checks), tmp_path / "run")


PASSES = [
    {"type": "contains", "text": "WELCOME", "turn": 0, "name": "greets"},
    {"type": "contains", "text": "pizza", "turn": 1, "name": "repeats"},
    {"type": "contains", "text": "pizza", "turn": -1, "negate": True, "name": "moves on"},
    {"type": "matches", "pattern": "^order [0-9]+:", "name": "numbers"},
    {"type": "equals", "text": "order 1207: Goodbye.", "turn": 2, "name": "ends"},
    {"type": "event", "message_type": "cart_update", "path": "items.0.size", "equals": "large", "name": "fills"},
    {"type": "event", "message_type": "cart_update", "turn": 0, "negate": True, "name": "starts empty"},
    {"type": "shorter_than", "words": 5, "name": "brief"},
    {"type": "latency_under", "limit": "1.1s", "name": "quick"},
]


async def test_a_chat_over_websocket(virtual_time, tmp_path):
    ran = await chat(
        tmp_path,
        greets_and_takes_orders,
        *PASSES,
        {"type": "latency_under", "limit": "900ms", "name": "quicker", "turn": 1},
        {"type": "contains", "text": "burger", "turn": 1, "name": "upsells"},
        {"type": "function", "name": "raises"},
        persona={"conversation_initiation": "wait_for_user"},
    )
    assert (ran.row["outcome"], ran.error, ran.exit_code) == ("completed", None, 0)
    failing = ["quicker", "upsells", "raises"]
    assert outcomes(ran) == dict.fromkeys([check["name"] for check in PASSES], True) | dict.fromkeys(failing, False)
    assert counted(ran) == (len(PASSES), 3)
    messages = {check["name"]: check.get("message") for check in ran.row["checks"]}
    assert messages["greets"] is None
    assert messages["upsells"] == (
        'expected a reply to the caller\'s turn 1 that contains "burger"; got "order 1207: one pizza"'
    )
    assert messages["raises"].endswith("it raised KeyError: 'no such thing'")
    assert messages["quicker"].startswith("expected response_latency of every reply to the caller's turn 1 to be under")
    jsonschema.validate(ran.row, SIMULATION)


async def test_an_agent_over_http_that_calls_a_tool(virtual_time, tmp_path):
    async def calls_first(asked):
        if asked.json["messages"][-1]["role"] == "user" and "order" in asked.said:
            await asked.call_tool("lookup_order", {"number": "1207", "full": True})
        else:
            await asked.say("It is shipped.")

    checks = [
        {"type": "tool_called", "tool": "lookup_order", "arguments": {"number": "1207"}, "turn": 2, "name": "looks"},
        {"type": "tool_called", "tool": "lookup_order", "turn": 1, "negate": True, "name": "looks late"},
        {"type": "tool_called", "tool": "refund", "name": "refunds"},
        {"type": "equals", "text": "It is shipped.", "turn": -1, "name": "tells"},
    ]
    case = {"tool_results": [TOOL], "checks": checks}
    ran, _ = await converse(tmp_path, calls_first, "hello", "my order?", case=case)
    assert ran.row["outcome"] == "completed", ran.error
    assert outcomes(ran) == {"looks": True, "looks late": True, "refunds": False, "tells": True}
    assert ran.row["checks"][2]["message"].startswith('expected a call of the tool refund; got "lookup_order" with "{')
    assert counted(ran) == (3, 1)


async def test_a_function_sees_the_conversation(virtual_time, tmp_path):
    ran = await chat(
        tmp_path,
        greets_and_takes_orders,
        {"type": "function", "name": "watches", "options": {"words": ["please"]}},
        {"type": "function", "name": "watches", "turn": 2},
        record={"transcripts": "none"},
        persona={"name": "hasty", "conversation_initiation": "wait_for_user"},
    )
    assert ran.row["transcript"] == ran.row["events"] == []
    assert outcomes(ran) == {"watches": True, "watches-2": True}
    (whole, options), (part, nothing) = seen
    assert (options, nothing) == ({"words": ["please"]}, {})
    assert (whole.agent, whole.test_case, whole.persona) == ("in process", "case", "hasty")
    assert (whole.attributes, whole.turns, len(whole.events)) == ({"account": "42"}, 2, 2)
    assert whole.texts() == ["Welcome!", "order 1207: one pizza", "order 1207: Goodbye."]
    assert part.texts() == ["order 1207: Goodbye."]
    assert whole.metrics["simulation_time"] == pytest.approx(ran.row["metrics"]["simulation_time"])


async def test_a_voice_agent(virtual_time, tmp_path):
    async def answers(call):
        await call.listen_out()
        await call.play(tone(0.5))
        await call.stay()

    turn = {"type": "audio", "audio": write_tone(tmp_path / "hi.wav", 0.5)}
    async with on_the_line(answers) as endpoint:
        plan = voice_plan(endpoint, turn)
        with_checks(
            plan,
            {"type": "latency_under", "limit": "2s", "turn": 1, "name": "quick"},
            {"type": "latency_under", "limit": "1ms", "metric": "turn_time", "name": "impossible"},
        )
        ran = await run(plan, tmp_path / "run")
    assert ran.row["outcome"] == "completed", ran.error
    assert outcomes(ran) == {"quick": True, "impossible": False}


async def test_only_completed_conversations_are_judged(virtual_time, tmp_path):
    async def hangs_up(call):
        await call.hear()
        await call.hang_up(1001)

    ran = await chat(tmp_path, hangs_up, PASSES[1], {"type": "function", "name": "watches"})
    assert ran.row["outcome"] == "failed"
    assert "checks" not in ran.row
    assert (counted(ran), seen) == ((0, 0), [])


async def test_without_checks_nothing_is_said_of_them(virtual_time, tmp_path):
    ran = await chat(tmp_path, takes_orders)
    assert "checks" not in ran.row
    assert counted(ran) == (0, 0)


async def test_each_simulation_counts(virtual_time, tmp_path):
    load = {"concurrency": 3, "simulations": 6}
    async with on_the_line(takes_orders) as endpoint:
        plan = chat_plan(endpoint, "Hi", metadata=CAPTURES, load=load)
        ran = await run(with_checks(plan, PASSES[3], {"type": "contains", "text": "burger"}), tmp_path / "run")
    assert counted(ran) == (6, 6)


async def test_a_slow_check_is_told_once(virtual_time, tmp_path):
    async with on_the_line(takes_orders) as endpoint:
        load = {"concurrency": 2, "simulations": 2}
        plan = with_checks(
            chat_plan(endpoint, "Hi", metadata=CAPTURES, load=load), {"type": "function", "name": "is_slow"}
        )
        plan["test_set"].append(plan["test_set"][0] | {"id": "another"})
        ran = await run(plan, tmp_path / "run")
    assert counted(ran) == (2, 0)
    (note,) = [note for note in ran.summary["notes"] if "took longer than 50 ms" in note]
    assert note.startswith("check 'is_slow' of test case ")


async def test_secrets_stay_out_of_what_checks_say(virtual_time, tmp_path, monkeypatch):
    monkeypatch.setenv("CODE", "sesame-42")

    async def tells(call):
        await call.hear()
        await call.say("the code is sesame-42")
        await call.stay()

    tell = partial(chat, tmp_path, tells, turns=["hi"])
    ran = await tell(
        {"type": "contains", "text": "${CODE}", "negate": True}, {"type": "equals", "text": "${CODE}", "name": "code"}
    )
    first, second = ran.row["checks"]
    assert (first["passed"], second["passed"]) == (False, False)
    assert first["name"] == 'not contains "***"'
    assert second["message"] == 'expected a reply that is "***"; got "the code is ***"'
    written = b"".join(file.read_bytes() for file in ran.folder.iterdir() if file.is_file())
    assert b"sesame" not in written
