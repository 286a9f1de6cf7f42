"""Agents over HTTP that misbehave on one request of many, over TLS: that one fails by its name, the others don't.

The agents are processes of their own, one for each kind of misbehaviour, and one run calls them all at once.
"""

import attrs
from http_agent import A2A, HTTP_CHAT
from in_process import run
from processes import DEEP, agents, plan_for_all

from coval_load.reference.misbehaviour import KINDS_OF

ONE_IN = 12 if DEEP else 3
SLACK_S = 5.0
TIMES = 3 if DEEP else 1
TIMEOUTS_S = {"setup": 4.0 * TIMES, "connect": 4.0 * TIMES, "response": 4.0 * TIMES}
DELAY_S = 2.0 * TIMES
"""All callers have dialled before the first is answered, so that none takes over a connection of another."""

TOOL_ROUNDS = 2
TOOL_RESULTS = [{"tool": "lookup_order", "result": {"status": "shipped"}}]


@attrs.frozen
class Expected:
    """How the one conversation ends: by what name, in which stage, how long after an answer was due at most."""

    error: str
    stage: str = "conversation"
    within_s: float = 0.0
    arguments: tuple = ()


def set_ups(argument):
    return {kind: Expected("setup_failed", "setup", arguments=(argument,)) for kind in ("setup-500", "setup-garbage")}


COMMON = {
    # The reset may come while TCP still connects, or when TLS begins.
    "refuse": Expected("connection_refused or tls_failed", "connect"),
    "tls-broken": Expected("tls_failed", "connect"),
    "status-401": Expected("authentication_failed"),
    "status-429": Expected("rate_limited"),
    "status-500": Expected("agent_error"),
    "slow-loris": Expected("no_response", within_s=TIMEOUTS_S["response"]),
    "silence": Expected("no_response", within_s=TIMEOUTS_S["response"]),
    "garbage": Expected("invalid_message"),
    "drop": Expected("connection_closed"),
    "bad-path": Expected("invalid_message"),
    "half-json": Expected("invalid_message"),
    "half-stream": Expected("invalid_message", arguments=("--stream",)),
    "wrong-content-type": Expected("invalid_message"),
}
CHATS = {
    **COMMON,
    **set_ups("--initialization"),
    "empty-choice": Expected("invalid_message"),
    "endless-tool-call": Expected("no_response", within_s=DELAY_S * TOOL_ROUNDS),
}
WHILE_STREAMING = {"half-stream", "drop", "empty-choice", "endless-tool-call", "wrong-content-type"}
STREAMS = {kind: expected for kind, expected in CHATS.items() if kind in WHILE_STREAMING}
"""What goes wrong in a stream of its own way; the rest is the same for all that agents over HTTP speak."""

A2AS = {
    **COMMON,
    **set_ups("--oauth"),
    "rpc-error": Expected("agent_error"),
    "task-failed": Expected("agent_error"),
}


SPEECHES = {
    "chat": (CHATS, ("--model-type", HTTP_CHAT)),
    "openai, streamed": (STREAMS, ("--model-type", HTTP_CHAT, "--api=openai")),
    "a2a": (A2AS, ("--model-type", A2A)),
}
TABLE = {
    f"{speech}: {kind}": attrs.evolve(
        expected,
        arguments=(*arguments, f"--misbehave={kind}:1/{ONE_IN}", *expected.arguments),
    )
    for speech, (table, arguments) in SPEECHES.items()
    for kind, expected in table.items()
}


def test_nothing_is_left_out():
    assert CHATS.keys() == KINDS_OF[HTTP_CHAT]
    assert A2AS.keys() == KINDS_OF[A2A]


async def test_one_of_each_fails_by_its_name(tmp_path):
    delay = f"--delay={DELAY_S * 1000:g}ms"
    count = ONE_IN * len(TABLE)
    async with agents(tmp_path, {name: [delay, *expected.arguments] for name, expected in TABLE.items()}) as running:
        plan = plan_for_all(
            running,
            tmp_path,
            [{"type": "text", "text": "hello"}],
            load={"concurrency": count, "simulations": count},
            timeouts={name: f"{seconds * 1000:.0f}ms" for name, seconds in TIMEOUTS_S.items()},
        )
        plan["test_set"][0]["tool_results"] = TOOL_RESULTS
        for body in plan["agents"]:
            if body["model_type"] == HTTP_CHAT:
                body["metadata"]["max_tool_rounds"] = TOOL_ROUNDS
        ran = await run(plan, tmp_path / "run")
    assert len(ran.rows) == count
    for name, expected in TABLE.items():
        assert_one_failed(expected, [row for row in ran.rows if row["agent"] == name], name)
    assert ran.summary["generator"]["internal_errors"] == 0
    assert ran.summary["counters"]["rows_lost"] == 0
    assert ran.exit_code in (0, 98)  # a machine that is too busy for this may say so


def assert_one_failed(expected, rows, name):
    failed = [row for row in rows if row["outcome"] != "completed"]
    errors = [row["error"] for row in failed]
    assert (len(rows), len(errors)) == (ONE_IN, 1), (name, errors)
    assert errors[0]["kind"] in expected.error.split(" or "), (name, errors)
    assert errors[0]["stage"] == expected.stage, (name, errors)
    assert failed[0]["ended_at"] - failed[0]["started_at"] < expected.within_s + DELAY_S + SLACK_S, name
    for row in rows:
        if row is not failed[0]:
            assert row["error"] is None
            assert [turn["role"] for turn in row["transcript"]] == ["user", "assistant"]
