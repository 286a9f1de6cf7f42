"""The short way through plain frames agrees with the Sans-I/O protocol, whatever arrives and however it is cut."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from coval_load.engine.plain_frames import plain_frame, take_plain_frames


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
        if short_way and not protocol.reader.buffer and protocol.current_size is None and protocol.state is State.OPEN:
            messages, start = take_plain_frames(chunk)
            seen += [(Opcode.TEXT if is_text else Opcode.BINARY, True, payload) for payload, is_text in messages]
            rest = chunk[start:]
        if rest:
            protocol.receive_data(rest)
        seen += [(frame.opcode, frame.fin, bytes(frame.data)) for frame in protocol.events_received()]
        answers += [len(data) for data in protocol.data_to_send()]  # masks are random
    return seen, type(protocol.parser_exc), str(protocol.parser_exc), protocol.close_rcvd, answers


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


@given(STREAMS, GARBAGE, STREAMS, st.lists(st.integers(0, 100_000), max_size=12))
@example(b"\x81\x7e\x00\x02hi", b"", b"", [])  # a length that is longer than it need be
@example(b"\x81\x00\x82\x00", b"\xc1\x01x", b"", [])
def test_both_ways_agree(before, garbage, after, places):
    chunks = cut(before + garbage + after, places)
    assert read(chunks, short_way=True) == read(chunks, short_way=False)


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
