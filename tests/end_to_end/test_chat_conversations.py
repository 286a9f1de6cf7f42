"""What a chat over WebSocket means, from a plan to its rows: each agent here is a dialogue of its own."""

import json
from functools import partial

import pytest
import trio
from in_process import chat_plan, on_the_line, on_the_port, run

from coval_load.reference.http_setup import read_body, read_head, respond

SKIP = {"type": "skip"}


async def echoes(call):
    while True:
        text = (await call.hear())["text"]
        await trio.sleep(1)
        await call.say(f"you said {text}")


async def test_turns_follow_one_another(virtual_time, chat_with):
    ran = await chat_with(echoes, "one", "two", persona={"wait_seconds": 0.25})
    assert ran.said == [
        ("user", "one"),
        ("assistant", "you said one"),
        ("user", "two"),
        ("assistant", "you said two"),
    ]
    assert ran.of_metric("response_latency") == pytest.approx([1, 1], abs=0.005)
    first, second = ran.turns("user")
    quiet_s = 0.5
    assert second["start"] - first["start"] == pytest.approx(1 + quiet_s + 0.25, abs=0.01)
    assert (ran.row["outcome"], ran.row["error"], ran.row["close_code"]) == ("completed", None, 1000)
    assert ran.summary["counts"]["completed"] == 1
    assert ran.summary["metrics"]["response_latency"]["count"] == 2
    assert ran.exit_code == 0


@pytest.mark.parametrize(("gap_s", "parts"), [(1.9, ["a\nb\nc"]), (2.1, ["a", "b", "c"])])
async def test_a_reply_is_what_comes_without_two_quiet_seconds_in_between(virtual_time, chat_with, gap_s, parts):
    async def speaks_in_parts(call):
        await call.hear()
        for part in "abc":
            await call.say(part)
            await trio.sleep(gap_s)
        await call.stay()

    ran = await chat_with(
        speaks_in_parts, "hello", SKIP, SKIP, metadata={"coalesce_timeout_seconds": 2.0}, timeouts={"response": "3s"}
    )
    assert [turn["content"] for turn in ran.turns("assistant")] == parts
    assert [turn["messages"] for turn in ran.turns("assistant")] == [len(part.split()) for part in parts]
    assert ran.row["outcome"] == ("completed" if len(parts) == 3 else "failed")  # nothing was left for the skips


async def test_two_seconds_of_quiet_are_the_default(virtual_time, tmp_path):
    async with on_the_line(echoes) as endpoint:
        plan = chat_plan(endpoint, "hello")
        del plan["agents"][0]["metadata"]["coalesce_timeout_seconds"]
        ran = await run(plan, tmp_path / "run")
    assert ran.lasted == pytest.approx(1 + 2, abs=0.02)
    assert ran.of_metric("response_time") == [pytest.approx(1, abs=0.005)]  # the quiet is not counted


async def test_without_coalescing_each_message_is_a_reply(virtual_time, chat_with):
    async def says_twice(call):
        while True:
            text = (await call.hear())["text"]
            await trio.sleep(1)
            await call.say(f"{text}?")
            await trio.sleep(0.1)
            await call.say(f"{text}!")

    ran = await chat_with(says_twice, "one", "two", metadata={"coalesce_timeout_seconds": 0})
    assert ran.said == [
        ("user", "one"),
        ("assistant", "one?"),
        ("assistant", "one!"),
        ("user", "two"),
        ("assistant", "two?"),
    ]
    assert ran.of_metric("response_latency") == pytest.approx([1, 1], abs=0.005)


async def test_the_agent_greets_first(virtual_time, chat_with):
    async def greets(call):
        await trio.sleep(1.25)
        await call.say("welcome")
        await echoes(call)

    ran = await chat_with(greets, "hello", persona={"conversation_initiation": "wait_for_user"})
    assert ran.said == [("assistant", "welcome"), ("user", "hello"), ("assistant", "you said hello")]
    assert ran.of_metric("greeting_latency") == [pytest.approx(1.25, abs=0.005)]
    assert len(ran.of_metric("response_latency")) == 1


async def test_a_greeting_that_comes_before_the_ready_message_is_kept(virtual_time, chat_with):
    async def is_eager(call):
        await call.say("welcome")
        await call.say("to the shop")
        await trio.sleep(3)
        await call.send(type="session_ready", session_id="7")
        await echoes(call)

    ran = await chat_with(
        is_eager,
        "hello",
        persona={"conversation_initiation": "wait_for_user"},
        metadata={"handshake_ready_message_type": "session_ready"},
    )
    assert ran.said == [("assistant", "welcome\nto the shop"), ("user", "hello"), ("assistant", "you said hello")]
    assert ran.row["metrics"]["handshake_time"] == pytest.approx(3, abs=0.005)
    assert ran.of_metric("greeting_latency") == [0]


async def test_a_skip_hears_what_the_agent_says_of_itself(virtual_time, chat_with):
    async def thinks_aloud(call):
        await call.hear()
        await call.say("one moment")
        await trio.sleep(4)
        await call.say("here it is")
        await echoes(call)

    ran = await chat_with(thinks_aloud, "my bill", SKIP, "thanks")
    assert ran.said == [
        ("user", "my bill"),
        ("assistant", "one moment"),
        ("assistant", "here it is"),
        ("user", "thanks"),
        ("assistant", "you said thanks"),
    ]


async def test_a_skip_that_expects_no_reply_waits_for_none(virtual_time, chat_with):
    ran = await chat_with(echoes, "one", {**SKIP, "expects_reply": False}, "two", timeouts={"response": "5s"})
    assert [content for _, content in ran.said] == ["one", "you said one", "two", "you said two"]
    assert ran.row["outcome"] == "completed"


async def test_a_turn_that_expects_no_reply_is_followed_at_once(virtual_time, chat_with):
    async def answers_the_second(call):
        await call.hear()
        await echoes(call)

    ran = await chat_with(answers_the_second, {"type": "text", "text": "psst", "expects_reply": False}, "hello")
    assert ran.said == [("user", "psst"), ("user", "hello"), ("assistant", "you said hello")]
    psst, hello = ran.turns("user")
    assert hello["start"] - psst["start"] == pytest.approx(0, abs=0.005)
    assert ran.of_metric("response_latency") == [pytest.approx(1, abs=0.005)]


async def test_only_what_goes_the_agents_way_is_heard(virtual_time, chat_with):
    async def sends_all_there_is(call):
        while True:
            text = (await call.hear())["text"]
            await call.send(type="message", text=text, meta={"direction": "inbound"})
            await trio.sleep(1)
            await call.send(type="message", text="answer", meta={"direction": "outbound"})
            await call.send(type="message", text="no direction at all")

    direction = {"direction_path": "meta.direction", "outbound_direction_value": "outbound"}
    ran = await chat_with(sends_all_there_is, "hello", metadata=direction)
    assert ran.said == [("user", "hello"), ("assistant", "answer")]
    assert ran.of_metric("response_latency") == [pytest.approx(1, abs=0.005)]
    assert ran.summary["counters"]["messages_ignored"] == 2


async def test_events_are_kept_with_their_time(virtual_time, chat_with):
    async def updates_the_cart(call):
        await call.hear()
        await trio.sleep(0.5)
        await call.send(type="cart_update", event="added", items=[1, 2])
        await call.send(type="typing")
        await call.say("done")
        await call.stay()

    ran = await chat_with(updates_the_cart, "two, please", metadata={"non_audio_event_message_types": ["cart_update"]})
    (event,) = ran.row["events"]
    assert event["at"] == pytest.approx(ran.turns("user")[0]["start"] + 0.5, abs=0.005)
    assert (event["message_type"], event["event"]) == ("cart_update", "added")
    assert event["payload"] == {"type": "cart_update", "event": "added", "items": [1, 2]}
    assert ran.summary["counters"]["messages_ignored"] == 1


async def test_the_content_format(virtual_time, chat_with):
    heard = []

    async def speaks_content(call):
        heard.append(await call.hear())
        await call.send(content="hello \u263a")
        await call.stay()

    ran = await chat_with(speaks_content, 'say "hi"', metadata={"message_format": "content"})
    assert heard == [{"content": 'say "hi"'}]
    assert ran.said == [("user", 'say "hi"'), ("assistant", "hello \u263a")]


async def test_what_is_said_first_and_in_headers(virtual_time, chat_with):
    calls = []

    async def notes_all(call):
        calls.append((call, await call.hear()))
        await echoes(call)

    metadata = {
        "initialization_json": {"type": "start", "id": "{{simulation_output_id}}", "account": "{{test_case.account}}"},
        "custom_headers": {"X-Run": "{{run_id}}", "X-Simulation": "{{simulation_id}}"},
        "authorization_header": "X-API-Key sesame-sesame",
    }
    load = {"concurrency": 2, "simulations": 2}
    ran = await chat_with(notes_all, "hello", metadata=metadata, load=load)
    assert {opening["id"] for _, opening in calls} == {row["simulation_output_id"] for row in ran.rows}
    assert {opening["account"] for _, opening in calls} == {"42"}
    assert {call.headers["x-simulation"] for call, _ in calls} == {opening["id"] for _, opening in calls}
    assert len({call.headers["x-run"] for call, _ in calls}) == 1
    assert {call.headers["x-api-key"] for call, _ in calls} == {"sesame-sesame"}


async def test_http_comes_first(virtual_time, tmp_path):
    asked, calls = [], []

    async def set_up(endpoint, stream):
        head = await read_head(stream)
        asked.append((head, json.loads(await read_body(stream, head))))
        await trio.sleep(2)
        await respond(stream, 201, json.dumps({"data": [{"url": f"{endpoint}/session?key=1"}]}).encode())

    async def notes_the_path(call):
        calls.append(call)
        await echoes(call)

    async with on_the_line(notes_the_path) as endpoint, on_the_port(partial(set_up, endpoint)) as where:
        plan = chat_plan(None, "hello")
        plan["agents"][0]["attributes"] = {"tier": "gold"}
        plan["agents"][0]["metadata"] = {
            "connection_mode": "http_first",
            "http_url": f"http://{where}/sessions",
            "http_method": "PUT",
            "http_headers": {"X-Simulation": "{{simulation_output_id}}"},
            "http_request_body": {"tier": "{{agent.tier}}", "account": "{{test_case.account}}"},
            "websocket_url_response_path": "data.0.url",
        }
        ran = await run(plan, tmp_path / "run")
    (head, body), (call,) = asked[0], calls
    assert (head.method, head.target) == ("PUT", "/sessions")
    assert head.headers["x-simulation"] == ran.row["simulation_output_id"]
    assert body == {"tier": "gold", "account": "42"}
    assert call.path == "/session?key=1"
    assert ran.row["metrics"]["setup_time"] == pytest.approx(2, abs=0.005)
    assert ran.row["metrics"]["connect_time"] < 0.1
    assert ran.row["outcome"] == "completed"


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (500, b"{}", "setup_failed", "expected status 2xx"),
        (401, b"{}", "authentication_failed", "Authentication failed"),
        (403, b"{}", "authentication_failed", "check http_headers"),
        (429, b"{}", "rate_limited", "lower the concurrency"),
        (302, b"{}", "setup_failed", "redirects are not followed"),
        (200, b"<html>", "setup_failed", "expected JSON"),
        (200, b'{"URL": "ws://127.0.0.1"}', "setup_failed", "set websocket_url_response_path"),
        (200, b'{"url": 7}', "setup_failed", "expected text at 'url'"),
        (200, b'{"url": "ftp://127.0.0.1"}', "setup_failed", "Invalid WebSocket URL"),
        (200, b'{"url": "' + b" " * 1_100_000 + b'"}', "setup_failed", "expected at most"),
    ],
)
async def test_http_comes_first_and_goes_wrong(virtual_time, tmp_path, status, body, kind, told):
    async def answer(stream):
        await read_head(stream)
        await respond(stream, status, body)

    async with on_the_port(answer) as where:
        plan = chat_plan(None, "hello")
        plan["agents"][0]["metadata"] = {
            "connection_mode": "http_first",
            "http_url": f"http://{where}/sessions",
            "websocket_url_response_path": "url",
        }
        ran = await run(plan, tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"]) == (kind, "setup")
    assert told in ran.error["message"]


async def test_an_agent_that_hangs_up_after_the_last_reply_has_done_its_job(virtual_time, chat_with):
    async def says_goodbye(call):
        await call.hear()
        await call.say("goodbye")
        await call.hang_up(1000, "done")

    ran = await chat_with(says_goodbye, "bye")
    assert (ran.row["outcome"], ran.row["close_code"]) == ("completed", 1000)
    assert ran.said == [("user", "bye"), ("assistant", "goodbye")]
    assert ran.lasted == pytest.approx(0, abs=0.02)  # nothing more can come, so no quiet is waited for


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, ""), (1011, "boom"), (4001, "kicked out")])
async def test_an_agent_that_hangs_up_midway(virtual_time, chat_with, code, reason):
    async def hangs_up(call):
        await call.hear()
        await call.say("well")
        await trio.sleep(0.9)
        await call.hang_up(code, reason)

    ran = await chat_with(hangs_up, "hello", "are you there?", persona={"wait_seconds": 2})
    assert (ran.error["kind"], ran.error["stage"]) == ("connection_closed", "conversation")
    assert f"code {code}" in ran.error["message"]
    assert reason in ran.error["message"]
    assert ran.row["close_code"] == code
    assert ran.said == [("user", "hello"), ("assistant", "well")]


async def test_an_agent_that_breaks_off_within_its_last_reply(virtual_time, chat_with):
    async def breaks_down(call):
        await call.hear()
        await call.say("well")
        await call.hang_up(1011)

    ran = await chat_with(breaks_down, "hello")
    assert (ran.error["kind"], ran.row["close_code"]) == ("connection_closed", 1011)
    assert ran.said == [("user", "hello"), ("assistant", "well")]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("so?", "Invalid JSON in response"),
        ('{"type": "message"}', "Could not extract message from path 'text' in response"),
        ('{"type": "message", "text": 5}', "Could not extract message from path 'text' in response"),
        ('["message"]', None),
        ('{"type": "other", "text": "hi"}', None),
    ],
)
async def test_what_can_not_be_read(virtual_time, chat_with, message, told):
    async def mumbles(call):
        await call.hear()
        await call.websocket.send_message(message)
        await call.stay()

    ran = await chat_with(mumbles, "hello", timeouts={"response": "2s"})
    if told is None:
        assert ran.error["kind"] == "no_response"
        assert "1 other message came and was ignored: " in ran.error["message"]
        assert "text_message_type_values" in ran.error["message"]
    else:
        assert ran.error["kind"] == "invalid_message"
        assert told in ran.error["message"]
        assert ran.lasted < 0.1


async def test_one_that_fails_leaves_the_others_alone(virtual_time, chat_with):
    callers = []

    async def drops_the_third(call):
        callers.append(call)
        if len(callers) == 3:
            await call.hear()
            await call.hang_up(4000)
        await echoes(call)

    ran = await chat_with(drops_the_third, "one", "two", load={"concurrency": 5, "simulations": 5})
    assert sorted(row["outcome"] for row in ran.rows) == ["completed"] * 4 + ["failed"]
    assert ran.summary["errors"] == {"connection_closed": 1}
    assert ran.exit_code == 0
