"""Every deadline of a run, held to in virtual time: when it passes, and what the row then says."""

import pytest
import trio
from in_process import chat_plan, on_the_port, run
from websockets.utils import accept_key

from coval_load.reference.http_setup import read_head


async def says_nothing(call):
    await call.stay()


async def answers(call):
    while True:
        text = (await call.hear())["text"]
        await trio.sleep(1)
        await call.say(f"you said {text}")


def text_frame(text):
    return bytes([0x81, len(text)]) + text.encode()


async def upgrade(stream):
    """The server's side of the upgrade and not a byte more (RFC 6455 section 4.2.2)."""
    head = await read_head(stream)
    key = accept_key(head.headers["sec-websocket-key"])
    await stream.send_all(
        f"HTTP/1.1 101 .\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n".encode()
    )


async def is_deaf(stream):
    await trio.sleep_forever()


async def dribbles(stream):
    """Something comes all the time, the end of it never."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await trio.sleep(1)
        await stream.send_all(b" ")


@pytest.mark.parametrize("serve", [is_deaf, dribbles])
async def test_setup(virtual_time, tmp_path, serve):
    async with on_the_port(serve) as where:
        plan = chat_plan(None, "hello", timeouts={"setup": "7s"})
        plan["agents"][0]["metadata"] = {
            "connection_mode": "http_first",
            "http_url": f"http://{where}/sessions",
            "websocket_url_response_path": "url",
        }
        ran = await run(plan, tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"]) == ("setup_failed", "setup")
    assert "within 7 s" in ran.error["message"]
    assert "timeouts.setup" in ran.error["message"]
    assert ran.lasted == pytest.approx(7, abs=0.02)
    assert ran.exit_code == 3


async def dribbles_headers(stream):
    await stream.send_all(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await trio.sleep(1)
        await stream.send_all(b"X-More: to come\r\n")


@pytest.mark.parametrize(("scheme", "serve"), [("ws", is_deaf), ("wss", is_deaf), ("ws", dribbles_headers)])
async def test_connect(virtual_time, tmp_path, serve, scheme):
    async with on_the_port(serve) as where:
        ran = await run(chat_plan(f"{scheme}://{where}", "hello", timeouts={"connect": "4s"}), tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"]) == ("connect_timeout", "connect")
    assert "Timeout connecting to WebSocket" in ran.error["message"]
    assert ran.lasted == pytest.approx(4, abs=0.02)


@pytest.mark.parametrize("medium", ["chat", "voice"])
async def test_handshake(virtual_time, chat_with, speak_with, tone_of, medium):
    async def is_never_ready(call):
        await call.send(type="session_pending", session_id="1")
        await call.stay()

    wanted = {"handshake_ready_message_type": "session_ready", "handshake_timeout_seconds": 3}
    if medium == "chat":
        ran = await chat_with(is_never_ready, "hello", metadata=wanted)
    else:
        ran = await speak_with(is_never_ready, tone_of(0.5), metadata=wanted)
    assert (ran.error["kind"], ran.error["stage"]) == ("handshake_timeout", "handshake")
    assert "'session_ready' within 3 s" in ran.error["message"]
    assert "session_pending" in ran.error["message"]
    assert ran.lasted == pytest.approx(3, abs=0.02)


async def test_response_of_a_chat_agent(virtual_time, chat_with):
    ran = await chat_with(says_nothing, "hello", timeouts={"response": "9s"})
    assert (ran.error["kind"], ran.error["stage"]) == ("no_response", "conversation")
    assert "No response received within 9 s" in ran.error["message"]
    assert ran.lasted == pytest.approx(9, abs=0.02)


async def test_response_just_in_time(virtual_time, chat_with):
    async def is_slow(call):
        await call.hear()
        await trio.sleep(8.99)
        await call.say("phew")
        await call.stay()

    ran = await chat_with(is_slow, "hello", timeouts={"response": "9s"})
    assert ran.row["outcome"] == "completed"
    assert ran.of_metric("response_latency") == [pytest.approx(8.99, abs=0.005)]


async def test_response_of_a_voice_agent_counts_from_the_last_audible_sample(virtual_time, speak_with, tone_of):
    ran = await speak_with(says_nothing, tone_of(1.5), timeouts={"response": "2s"})
    assert (ran.error["kind"], ran.error["stage"]) == ("no_response", "conversation")
    (spoken,) = ran.turns("user")
    assert ran.row["ended_at"] - spoken["end"] == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize("medium", ["chat", "voice"])
async def test_greeting(virtual_time, chat_with, speak_with, tone_of, medium):
    sections = {"timeouts": {"response": "5s"}, "persona": {"conversation_initiation": "wait_for_user"}}
    if medium == "chat":
        ran = await chat_with(says_nothing, "hello", **sections)
    else:
        ran = await speak_with(says_nothing, tone_of(0.5), **sections)
    assert ran.error["kind"] == "no_response"
    assert ran.lasted == pytest.approx(5, abs=0.03)
    assert ran.row["transcript"] == []


async def test_silence_is_no_response_however_much_of_it_comes(virtual_time, speak_with, tone_of):
    async def plays_silence(call):
        while True:
            await call.next()
            await call.play(bytes(640))

    ran = await speak_with(plays_silence, tone_of(0.5), timeouts={"response": "3s"})
    assert ran.error["kind"] == "no_response"
    assert "none began an audible reply" in ran.error["message"]


async def test_close(virtual_time, tmp_path):
    async def never_answers_the_close(stream):
        await upgrade(stream)
        await stream.receive_some()
        await stream.send_all(text_frame('{"type": "message", "text": "bye"}'))
        while await stream.receive_some():
            pass

    async with on_the_port(never_answers_the_close) as where:
        ran = await run(chat_plan(f"ws://{where}", "hello", timeouts={"close": "2500ms"}), tmp_path / "run")
    assert ran.row["outcome"] == "completed"
    assert ran.row["close_code"] is None
    assert ran.lasted == pytest.approx(0.5 + 2.5, abs=0.02)


async def test_close_that_is_answered_takes_no_time(virtual_time, chat_with):
    ran = await chat_with(answers, "hello")
    assert (ran.row["outcome"], ran.row["close_code"]) == ("completed", 1000)
    assert ran.lasted == pytest.approx(1.5, abs=0.02)


async def test_simulation(virtual_time, chat_with):
    async def never_stops(call):
        while True:
            await trio.sleep(0.4)
            await call.say("and another thing")

    ran = await chat_with(never_stops, "hello", timeouts={"simulation": "20s"})
    assert (ran.error["kind"], ran.error["stage"]) == ("simulation_timeout", "conversation")
    assert "within 20 s" in ran.error["message"]
    assert ran.lasted == pytest.approx(20, abs=0.02)


async def test_simulation_counts_from_when_it_began_and_not_from_when_it_was_due(virtual_time, chat_with):
    ran = await chat_with(
        answers,
        "hello",
        load={"concurrency": 3, "simulations": 3},
        limits={"per_agent": 1},
        timeouts={"simulation": "2s"},
    )
    assert [row["outcome"] for row in ran.rows] == ["completed"] * 3
    assert [row["started_at"] for row in ran.rows] == pytest.approx([0, 1.5, 3], abs=0.05)
    assert [row["metrics"]["queue_time"] for row in ran.rows] == pytest.approx([0, 1.5, 3], abs=0.05)
    assert "the limit of 1 simulations at once" in ran.summary["notes"][0]


async def test_grace(virtual_time, chat_with):
    async def never_answers_the_second(call):
        await trio.sleep(4 if (await call.hear())["text"] == "short" else 1000)
        await call.say("done")
        await call.stay()

    ran = await chat_with(
        never_answers_the_second,
        "short",
        "long",
        load={"concurrency": 2, "duration": "3s"},
        timeouts={"grace": "10s", "response": "1h", "simulation": "1h"},
    )
    assert [row["outcome"] for row in ran.rows] == ["cancelled"] * 2
    assert [row["ended_at"] for row in ran.rows] == pytest.approx([13, 13], abs=0.02)
    assert [row["error"] for row in ran.rows] == [None, None]
    assert [len(row["transcript"]) for row in ran.rows] == [3, 3]
    assert ran.exit_code == 3


async def test_nothing_new_begins_after_the_duration(virtual_time, chat_with):
    ran = await chat_with(answers, "hello", load={"concurrency": 2, "duration": "4s"}, timeouts={"grace": "10s"})
    assert [row["outcome"] for row in ran.rows] == ["completed"] * 6
    assert max(row["started_at"] for row in ran.rows) < 4
    assert ran.exit_code == 0


async def test_what_still_waits_for_its_turn_at_the_end_is_cancelled(virtual_time, chat_with):
    ran = await chat_with(
        answers, "hello", load={"concurrency": 2, "duration": "1s"}, limits={"per_agent": 1}, timeouts={"grace": "9s"}
    )
    assert sorted(row["outcome"] for row in ran.rows) == ["cancelled", "completed"]
    (never,) = [row for row in ran.rows if row["outcome"] == "cancelled"]
    assert never["started_at"] is None
    assert never["ended_at"] == pytest.approx(1, abs=0.02)
