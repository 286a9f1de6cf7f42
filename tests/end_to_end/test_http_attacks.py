"""Agents over HTTP out to do harm: what they send is bounded in time and memory, and fails by its name."""

import gzip
import json
import re
import socket
import struct

import pytest
import trio
from command import side_by_side
from http_agent import HTTP_CHAT
from in_process import on_the_port, plan_for, run

TIMEOUTS = {"response": "2s", "simulation": "6s"}
GOOD = json.dumps({"choices": [{"message": {"content": "fine"}}]}).encode()
LONG = json.dumps({"choices": [{"message": {"content": "x" * 9_000_000}}]}).encode()
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HARMFUL = "\x00\x07\x1b[2J\x1b]0;title\x07\x9b31m\x85\u202e\u2028\r\n"


def whole(body, *lines, status="200 OK", content_type="application/json"):
    head = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def piece(text):
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


async def request(stream):
    """The next request's body; None where the caller hung up."""
    data = bytearray()
    length = None
    while length is None or len(data) < length:
        more = await stream.receive_some(262_144)
        if not more:
            return None
        data += more
        head, end, _ = bytes(data[:65_536]).partition(b"\r\n\r\n")
        if length is None and end:
            length = len(head) + 4 + int(re.search(rb"Content-Length: ([0-9]+)", head)[1])
    return bytes(data).partition(b"\r\n\r\n")[2]


def reset(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sends(*data, then_waits=True):
    """An agent that answers each request with the next of these, and then says no more."""

    async def serve(stream):
        for each in data:
            if await request(stream) is None:
                return
            await stream.send_all(each)
        if then_waits:
            await trio.sleep(100)

    return serve


def goes_on(data, gap_s, begin=STREAM):
    async def serve(stream):
        await request(stream)
        await stream.send_all(begin)
        while True:
            await stream.send_all(data)
            await trio.sleep(gap_s)

    return serve


async def dribbles(stream):
    await request(stream)
    for byte in whole(GOOD):
        await stream.send_all(bytes([byte]))
    await request(stream)
    await stream.send_all(STREAM)
    for byte in piece("fin") + piece("\u00e9") + b"data: [DONE]\n\n":
        await stream.send_all(chunk(bytes([byte])))
    await stream.send_all(b"0\r\nX-Trailer: 1\r\n\r\n")


async def answers_first(stream):
    await stream.receive_some(10)
    await stream.send_all(whole(GOOD))
    await trio.sleep(0.1)


async def resets_half_way(stream):
    await request(stream)
    await stream.send_all(whole(LONG))
    for _ in range(5):
        await stream.receive_some(65_536)
    reset(stream)


def calls(count, name="look", arguments="{}"):
    made = [{"id": f"c{n}", "function": {"name": name, "arguments": arguments}} for n in range(count)]
    return whole(json.dumps({"choices": [{"message": {"tool_calls": made}}]}).encode())


def packed(data, **more):
    return whole(gzip.compress(data), "Content-Encoding: gzip", **more)


FAILS = {
    "a stream without end": (goes_on(chunk(piece("x")), 0.01), "simulation_timeout", "never stops"),
    "a stream without end or pause": (goes_on(chunk(piece("x")) * 1000, 0), "invalid_message", "at most 10485760"),
    "comments only": (goes_on(chunk(b": ping\n\n"), 0.1), "no_response", "the answer did not end"),
    "empty pieces only": (goes_on(chunk(piece("")), 0.1), "no_response", "the answer did not end"),
    "interim answers": (goes_on(b"", 1, b"HTTP/1.1 102 Wait\r\n\r\n" * 9), "no_response", "189 bytes came, but not"),
    "headers without end": (goes_on(b"X-A: b\r\n" * 999, 0, b"HTTP/1.1 200 OK\r\n"), "invalid_message", "headers"),
    "too long an answer": (sends(whole(LONG + b" " * 2_000_000)), "invalid_message", "at most 10000000 bytes"),
    "a bomb": (sends(packed(bytes(50_000_000))), "invalid_message", "at most 10485760 bytes"),
    "a deep one": (sends(whole(b"[" * 1_000_000)), "invalid_message", "Invalid JSON response"),
    "too many tool rounds": (sends(*[calls(1, "look")] * 11), "no_response", "after 10 rounds"),
    "a tool of a long name": (sends(calls(1, "n" * 2_000_000)), "no_response", "has no result for it"),
    "a switch of protocols": (sends(b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n"), "invalid_message", "101 Switch"),
    "two lengths": (sends(whole(b"{}", "Content-Length: 9")), "invalid_message", "Content-Length"),
    "a chunk beyond counting": (sends(STREAM + b"f" * 17 + b"\r\nx"), "invalid_message", ""),
    "no HTTP": (sends(b"\x00\x00\x12\x04\x00\x00"), "invalid_message", "HTTP/1.1"),
}


async def call(tmp_path, serve, **sections):
    async with on_the_port(serve) as port:
        plan = plan_for(HTTP_CHAT, {"chat_endpoint": f"http://{port}/chat"}, ["one", "two"], **sections)
        plan["test_set"][0]["tool_results"] = [{"tool": "look", "result": "found"}]
        return await run(plan, tmp_path / "run")


@pytest.mark.parametrize("attack", FAILS)
async def test_it_fails_by_its_name(virtual_time, tmp_path, attack):
    serve, kind, words = FAILS[attack]
    ran = await call(tmp_path, serve, timeouts=TIMEOUTS)
    assert (ran.error["kind"], ran.error["stage"]) == (kind, "conversation")
    assert words in ran.error["message"]
    assert len(ran.error["message"]) < 1000
    assert ran.error["message"].isprintable()
    assert ran.lasted < 6.5
    assert ran.summary["generator"]["internal_errors"] == 0


HELD = {
    "byte by byte, with trailers": dribbles,
    "long, then again": sends(whole(LONG), whole(GOOD)),
    "interim answers": sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + whole(GOOD), whole(GOOD)),
    "HTTP/1.0": sends(b"HTTP/1.0 200 OK\r\n\r\n" + GOOD, then_waits=False),
    "closed after each answer": sends(whole(GOOD), then_waits=False),
    "before it was asked": answers_first,
    "more than was asked for": sends(whole(GOOD) + whole(b"smuggled")),
    "reset within an upload": resets_half_way,
    "thousands of tool calls": sends(calls(3000), whole(GOOD), whole(GOOD)),
}


@pytest.mark.parametrize("oddity", HELD)
async def test_a_conversation_is_held(virtual_time, tmp_path, oddity):
    ran = await call(tmp_path, HELD[oddity], timeouts=TIMEOUTS)
    assert ran.row["outcome"] == "completed", ran.error
    assert len([turn for turn in ran.turns("assistant") if turn["content"]]) == 2
    assert "smuggled" not in json.dumps(ran.row)


async def test_nothing_an_agent_says_moves_a_cursor(tmp_path):
    """Texts, headers and bodies with what a terminal obeys, in a reply and in failures of every kind."""
    as_header = "".join(char for char in HARMFUL if " " <= char <= "\xff") + "\x9b2J"
    harm = HARMFUL.encode()
    reply = {"message": {"content": HARMFUL, "tool_calls": [{"id": HARMFUL, "function": {"name": HARMFUL}}]}}
    answers = [
        whole(json.dumps({"choices": [reply]}).encode(), f"X-A: {as_header}"),
        whole(json.dumps({"error": {"message": HARMFUL, "type": HARMFUL}}).encode()),
        whole(harm, f"Retry-After: {as_header}", status=f"429 {as_header}", content_type=as_header),
        whole(harm, content_type=as_header),
        whole(harm, "Content-Encoding: " + as_header),
        harm,
    ]
    bodies = []
    async with trio.open_nursery() as nursery:
        for number, answer in enumerate(answers):
            port = await nursery.start(_serve_on, sends(answer, answer))
            plan = plan_for(HTTP_CHAT, {"chat_endpoint": f"http://{port}/chat"}, ["one"])
            (tmp_path / f"{number}.json").write_text(json.dumps(plan))
            bodies.append(plan["agents"][0] | {"display_name": f"agent {number}"})
        everyone = plan_for(HTTP_CHAT, {}, ["one"], load={"simulations": len(bodies)}) | {"agents": bodies}
        (tmp_path / "all.json").write_text(json.dumps(everyone))
        dials = [("check", f"{number}.json", "--dial") for number in (0, 2)]
        done = await side_by_side(*dials, ("run", "all.json", "--out=run"), cwd=tmp_path)
        nursery.cancel_scope.cancel()
    assert [ended.exit_code for ended in done] == [0, 3, 0]
    for ended in done:
        for line in ended.both.split("\n"):
            assert line.isprintable(), line


async def _serve_on(serve, task_status):
    async with on_the_port(serve) as port:
        task_status.started(port)
        await trio.sleep_forever()
