"""The agent that is never the limit: what it counts is what was sent, however the bytes come."""

import importlib.util
import json
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

FILE = Path(__file__).parents[1] / "benchmarks" / "light_agent.py"


def loaded():
    spec = importlib.util.spec_from_file_location("light_agent", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["light_agent"] = module
    spec.loader.exec_module(module)
    return module


light_agent = loaded()


def masked(opcode, payload):
    return Frame(opcode, payload).serialize(mask=True)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        ours.settimeout(5)
        yield ours, light_agent.Connection(theirs, [b"one", b"two"], light_agent.Tally())


PAYLOADS = st.lists(
    st.one_of(st.binary(max_size=130), st.just(b"x" * 125), st.just(b"x" * 126), st.just(b"x" * 66_000))
)


@given(payloads=PAYLOADS, cuts=st.lists(st.integers(0, 1_000), max_size=5))
def test_messages_cut_anywhere_are_each_answered_once(payloads, cuts):
    stream = b"".join(masked(Opcode.TEXT, payload) for payload in payloads)
    borders = sorted({0, len(stream), *(cut * len(stream) // 1_000 for cut in cuts)})
    sent = []

    class Socket:
        def send(self, data):
            sent.append(data)

    tally = light_agent.Tally()
    connection = light_agent.Connection(Socket(), [b"A", b"B", b"C"], tally, is_upgraded=True)
    for begin, end in pairwise(borders):
        assert connection._answer(connection.rest + stream[begin:end])
    assert tally.units == len(payloads)
    assert b"".join(sent) == (b"ABC" * len(payloads))[: len(payloads)]
    assert connection.rest == b""


def test_a_client_of_a_library_is_content(pair):
    ours, connection = pair
    connection.replies = light_agent.canned("chat")
    client = ClientProtocol(parse_uri("ws://127.0.0.1/"))
    client.send_request(client.connect())
    for piece in client.data_to_send():
        ours.send(piece)
    assert connection.readable()
    client.receive_data(ours.recv(65_536))
    client.send_text(b"hello")
    client.send_ping(b"still there")
    client.send_close(1000)
    ours.send(b"".join(client.data_to_send()))
    assert not connection.readable()
    client.receive_data(ours.recv(65_536))
    client.receive_eof()
    _accepted, reply, pong, close = client.events_received()
    assert json.loads(reply.data) == {"type": "message", "text": "A large one, certainly."}
    assert (pong.opcode, pong.data) == (Opcode.PONG, b"still there")
    assert close.opcode == Opcode.CLOSE
    assert client.close_code == 1000
    assert connection.tally == light_agent.Tally(opened=1, units=1, closed=1)


def test_a_caller_who_is_gone_or_speaks_no_websocket_is_cut(pair):
    ours, connection = pair
    ours.send(b"GET / HTTP/1.1\r\n\r\n")
    assert not connection.readable()
    ours.close()
    assert not connection.readable()
    assert connection.tally == light_agent.Tally(cut=2)


def test_speech_is_20_ms_a_message():
    frames = light_agent.canned("frames")
    assert len(frames) > 50
    assert {len(json.loads(frame[4:])["data"]) for frame in frames} == {856}


def test_it_ends_with_its_standard_input():
    process = subprocess.Popen([sys.executable, FILE, "chat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    printed, _ = process.communicate("?\n?\n", timeout=20)
    endpoint, *counts = printed.splitlines()
    assert endpoint.startswith("ws://127.0.0.1:")
    assert [json.loads(line) for line in counts] == [{"opened": 0, "units": 0, "closed": 0, "cut": 0}] * 2
    assert process.returncode == 0
