"""Agents that misbehave on one connection of many, over TLS: that one fails by its name, the others don't notice.

The agents are processes of their own, one for each kind of misbehaviour, and one run calls them all at once.
"""

import attrs
from in_process import CHAT, run
from processes import DEEP, agents, plan_for_all

ONE_IN = 100 if DEEP else 12

AT_ONCE_AT_MOST = 72
"""So many TLS handshakes at once take two cores a tenth of the timeouts, where they have nothing else to do."""

SLACK_S = 5.0
TIMES = 2 if DEEP else 1
TIMEOUTS_S = {"setup": 2.0 * TIMES, "connect": 4.0 * TIMES, "response": 2.5 * TIMES, "handshake": 1.5 * TIMES}
AT_ONCE = 0.0


@attrs.frozen
class Expected:
    """How the one simulation ends: by what name, in which stage, how long after its start at most."""

    error: str
    stage: str
    within_s: float
    arguments: tuple = ()


CHATS = {
    # The reset may come while TCP still connects, or when TLS begins.
    "refuse": Expected("connection_refused or tls_failed", "connect", AT_ONCE),
    "tls-broken": Expected("tls_failed", "connect", AT_ONCE),
    "setup-500": Expected("setup_failed", "setup", AT_ONCE, ("--http-first",)),
    "setup-garbage": Expected("setup_failed", "setup", AT_ONCE, ("--http-first",)),
    "status-401": Expected("authentication_failed", "connect", AT_ONCE),
    "status-429": Expected("rate_limited", "connect", AT_ONCE),
    "status-500": Expected("upgrade_refused", "connect", AT_ONCE),
    "slow-loris": Expected("connect_timeout", "connect", TIMEOUTS_S["connect"]),
    "no-ready": Expected("handshake_timeout", "handshake", TIMEOUTS_S["handshake"], ("--ready-message=ready",)),
    "not-reading": Expected("no_response", "conversation", TIMEOUTS_S["response"]),
    "silence": Expected("no_response", "conversation", TIMEOUTS_S["response"]),
    "garbage": Expected("invalid_message", "conversation", AT_ONCE),
    "half-frame": Expected("no_response", "conversation", TIMEOUTS_S["response"]),
    "half-frame-drop": Expected("connection_closed", "conversation", AT_ONCE),
    "wrong-close": Expected("connection_closed", "conversation", AT_ONCE, ("--close-code=4321",)),
    "drop": Expected("connection_closed", "conversation", AT_ONCE, ("--messages=4", "--gap=20ms")),
    "wrong-type": Expected("no_response", "conversation", TIMEOUTS_S["response"]),
    "bad-path": Expected("invalid_message", "conversation", AT_ONCE),
}

CLIP_S = 2.6
"""The caller speaks for about so long."""
VOICES = {
    "no-session-id": Expected("handshake_invalid", "handshake", AT_ONCE),
    "not-reading": Expected("agent_not_reading", "conversation", CLIP_S + 4, ("--caller-rate=48000",)),
    "bad-base64": Expected("invalid_message", "conversation", CLIP_S + 0.5),
    "drop": Expected("connection_closed", "conversation", CLIP_S + 0.5),
    "wrong-type": Expected("no_response", "conversation", CLIP_S + 4),
}


async def call_all(tmp_path, table, arguments, turns, one_in, **timeouts):
    wanted = {
        kind: [*arguments, *expected.arguments, f"--misbehave={kind}:1/{one_in}"] for kind, expected in table.items()
    }
    count = one_in * len(table)
    async with agents(tmp_path, wanted) as running:
        plan = plan_for_all(
            running,
            tmp_path,
            turns,
            load={"concurrency": min(count, AT_ONCE_AT_MOST), "simulations": count},
            timeouts={name: f"{seconds * 1000:.0f}ms" for name, seconds in timeouts.items()},
        )
        for body in plan["agents"]:
            body["metadata"]["handshake_timeout_seconds"] = TIMEOUTS_S["handshake"]
        return await run(plan, tmp_path / "run")


def assert_one_of_each_failed(ran, table, one_in):
    assert len(ran.rows) == one_in * len(table)
    for kind, expected in table.items():
        rows = [row for row in ran.rows if row["agent"] == kind]
        failed = [row for row in rows if row["outcome"] != "completed"]
        assert len(rows) == one_in, kind
        errors = [row["error"] for row in failed]
        assert len(errors) == 1, (kind, errors)
        assert errors[0]["kind"] in expected.error.split(" or "), (kind, errors)
        assert errors[0]["stage"] == expected.stage, (kind, errors)
        assert failed[0]["ended_at"] - failed[0]["started_at"] < expected.within_s + SLACK_S, kind
        for row in rows:
            if row is not failed[0]:
                assert (row["error"], row["close_code"]) == (None, 1000)
                assert [turn["role"] for turn in row["transcript"]] == ["user", "assistant"]
    assert ran.summary["generator"]["internal_errors"] == 0
    assert ran.summary["counters"]["rows_lost"] == 0
    assert ran.exit_code in (0, 98)  # a machine that is too busy for this may say so


async def test_chat(tmp_path):
    timeouts = {name: TIMEOUTS_S[name] for name in ("setup", "connect", "response")}
    turns = [{"type": "text", "text": "hello"}]
    ran = await call_all(tmp_path, CHATS, ["--model-type", CHAT, "--delay=50ms"], turns, ONE_IN, **timeouts)
    assert_one_of_each_failed(ran, CHATS, ONE_IN)
    (closed,) = [row for row in ran.rows if row["agent"] == "wrong-close" and row["error"]]
    assert closed["close_code"] == 4321
    assert "code 4321" in closed["error"]["message"]


async def test_voice(tmp_path):
    one_in = 20 if DEEP else 5
    turns = [{"type": "text", "text": "hello", "audio": "clip:pizza-size"}]
    # Half a second, so that no agent takes frames that a busy machine sends late for the end of the turn.
    arguments = ["--delay=650ms", "--end-silence=500ms", "--reply-seconds=0.5"]
    ran = await call_all(tmp_path, VOICES, arguments, turns, one_in, connect=4.0, response=4.0)
    assert_one_of_each_failed(ran, VOICES, one_in)
