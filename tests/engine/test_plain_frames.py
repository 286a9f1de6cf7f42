"""The short way through plain frames agrees with the Sans-I/O protocol, whatever arrives and however it is cut."""

import itertools
import os
import secrets

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from coval_load.engine import plain_frames
from coval_load.engine.plain_frames import (
    TEXT_HEAD,
    is_between_frames,
    only_plain_frame,
    plain_frame,
    take_plain_frames,
)


def open_protocol() -> ClientProtocol:
    protocol = ClientProtocol(parse_uri("ws://agent.example/"), max_size=70_000)
    protocol.parser = super(ClientProtocol, protocol).parse()
    next(protocol.parser)
    protocol.state = State.OPEN
    return protocol


def read(chunks: list[bytes], *, short_way: bool) -> tuple:
    """Everything that came out: messages and other frames in order, the error, the close code, what was answered."""
    protocol, seen, answers = open_protocol(), [], []
    for chunk in chunks:
        rest = chunk
        if short_way and protocol.state is State.OPEN and is_between_frames(protocol):
            messages, rest = read_shortly(chunk)
            seen += [(Opcode.TEXT if is_text else Opcode.BINARY, True, payload) for payload, is_text in messages]
        if rest:
            protocol.receive_data(rest)
        seen += [(frame.opcode, frame.fin, bytes(frame.data)) for frame in protocol.events_received()]
        answers += [len(data) for data in protocol.data_to_send()]  # masks are random
    return seen, type(protocol.parser_exc), str(protocol.parser_exc), protocol.close_rcvd, answers


def read_shortly(chunk: bytes) -> tuple[list[tuple[bytes, bool]], bytes]:
    """As `Link.readable` does: the only message of the chunk, else those at its start, and what is left."""
    only = only_plain_frame(chunk)
    if only is not None:
        return [(only, chunk[0] == TEXT_HEAD)], b""
    messages, start = take_plain_frames(chunk)
    return messages, chunk[start:]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if b > a]


PAYLOADS = st.binary(max_size=40) | st.integers(100, 700).map(lambda size: b"x" * size) | st.just(b"y" * 66_000)
FRAMES = st.builds(
    lambda opcode, payload, fin: Frame(opcode, payload[:125] if opcode >= 8 else payload, fin or opcode >= 8),
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG]),
    PAYLOADS,
    st.booleans() | st.just(True),
)
STREAMS = st.lists(FRAMES, max_size=8).map(lambda frames: b"".join(frame.serialize(mask=False) for frame in frames))
GARBAGE = st.just(b"") | st.binary(max_size=12)
LONE = st.builds(
    lambda head, length, more: bytes([head, length]) + bytes(max(length + more, 0)),
    st.sampled_from([0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0xC1]),
    st.integers(0, 255),
    st.sampled_from([0, 0, 0, -2, -1, 1, 2]),
)
"""As long as its second byte says, or a little more or less, whatever else that byte stands for."""


@given(STREAMS, GARBAGE, STREAMS, st.lists(st.integers(0, 100_000), max_size=12))
@example(b"\x81\x7e\x00\x02hi", b"", b"", [])  # a length that is longer than it need be
@example(b"\x81\x00\x82\x00", b"\xc1\x01x", b"", [])
def test_both_ways_agree(before, garbage, after, places):
    chunks = cut(before + garbage + after, places)
    assert read(chunks, short_way=True) == read(chunks, short_way=False)


@given(LONE | st.binary(max_size=300), STREAMS)
@example(b"\x81\x7f" + bytes(127), b"")  # the first eight bytes of what seems to be the message are its length
@example(b"\x82\x82" + bytes(130), b"")  # masked, which only a client may do
@example(b"\x81\x7e\x00\x7e" + bytes(126), b"")
@example(b"\x01\x05hello", b"\x80\x01!")  # there is more to come
@example(b"\xc2\x05hello", b"")
@example(b"\x82\x05", b"\x82\x03abc")  # a head alone, and what is in it looks like a frame
@example(b"\x82\x7e", b"\x00\x06\x82\x04abcd")
@example(b"\x82\x7e\x00\x06", b"\x82\x04abcd")
@example(b"\x89\x05", b"\x82\x03abc")
@example(b"\x81\x7e\x00", b"")
def test_one_frame_in_a_read_is_what_the_protocol_says(data, after):
    chunks = [data, *([after] if after else [])]
    assert read(chunks, short_way=True) == read(chunks, short_way=False)


def test_it_is_between_frames_where_one_ends():
    for protocol in (open_protocol(), ClientProtocol(parse_uri("ws://agent.example/"), state=State.OPEN)):
        between = []
        for number in b"\x81\x02hi\x89\x00\x01\x01a\x80\x00\x82\x00":
            between.append(is_between_frames(protocol))
            protocol.receive_data(bytes([number]))
        assert is_between_frames(protocol)
        assert [at for at, is_between in enumerate(between) if is_between] == [0, 4, 6, 11]


@pytest.mark.parametrize("size", [3, 125, 126, 900, 65_535])
def test_what_comes_alone_takes_the_shortest_way(size):
    for opcode in (Opcode.TEXT, Opcode.BINARY):
        data = Frame(opcode, b"z" * size).serialize(mask=False)
        assert only_plain_frame(data) == b"z" * size
        assert only_plain_frame(data[:-1]) is only_plain_frame(data + b"\x81") is None


@given(PAYLOADS | st.integers(120, 130).map(bytes) | st.integers(65_530, 65_540).map(bytes), st.booleans())
def test_a_frame_is_what_a_server_reads(payload, is_text):
    frame = plain_frame(payload, is_text)
    if frame is None:
        assert len(payload) > 65_535
        return
    server = ServerProtocol()
    server.parser = super(ServerProtocol, server).parse()
    next(server.parser)
    server.state = State.OPEN
    server.receive_data(frame)
    (received,) = server.events_received()
    assert (received.opcode, received.fin, bytes(received.data)) == (
        Opcode.TEXT if is_text else Opcode.BINARY,
        True,
        payload,
    )


def test_plain_frames_take_the_short_way():
    data = b"".join(Frame(Opcode.TEXT, b"z" * size).serialize(mask=False) for size in (5, 125, 126, 900))
    messages, rest = take_plain_frames(data)
    assert [(len(payload), is_text) for payload, is_text in messages] == [
        (5, True),
        (125, True),
        (126, True),
        (900, True),
    ]
    assert rest == len(data)


def masks(count: int) -> list[bytes]:
    """Of so many frames."""
    return [plain_frame(b"", False)[2:6] for _ in range(count)]


@pytest.fixture
def own_masks(monkeypatch):
    """Masks that are no other test's, from a source that counts; gives the sizes that were asked of it."""
    asked, numbers = [], itertools.count(1)

    def token_bytes(size: int) -> bytes:
        asked.append(size)
        return b"".join(next(numbers).to_bytes(4, "big") for _ in range(size // 4))

    monkeypatch.setattr(plain_frames, "token_bytes", token_bytes)
    monkeypatch.setattr(plain_frames, "_masks", plain_frames._Masks())
    return asked


def test_each_mask_is_used_once_through_several_pools(own_masks):
    used = masks(2_500)
    assert used == [number.to_bytes(4, "big") for number in range(1, 2_501)]
    assert sum(own_masks) >= 4 * len(used)


def test_masks_come_from_the_systems_own_source():
    assert plain_frames.token_bytes is secrets.token_bytes
    pools = masks(2_048)
    assert pools[:1_024] != pools[1_024:]
    assert len(set(pools)) > 2_000  # of 2,048 unpredictable ones two are the same once in 2,000 times


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_go_on_with_its_parents_masks():
    masks(1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, b"".join(masks(64)))
        finally:
            os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    theirs = os.read(reading, 1_024)
    os.close(reading)
    assert (status, len(theirs)) == (0, 256)
    assert theirs not in b"".join(masks(2_048))
