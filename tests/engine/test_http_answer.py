"""Answers as h11's server sends them are read as h11's client reads them; whatever else comes never escapes."""

import gzip
import zlib

import attrs
import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.http_answer import MAX_ANSWER_BYTES, Reading
from coval_load.engine.outcome import ErrorKind, SimulationFailed

OURS = {"content-length", "transfer-encoding", "content-encoding", "connection", "upgrade", "keep-alive"}
TOKENS = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUES = st.binary(max_size=20).map(lambda raw: bytes(byte for byte in raw if byte > 0x20 and byte != 0x7F))


@attrs.frozen
class Sent:
    """Bytes as a server sent them, and what it means that the connection ends after them."""

    data: bytes
    method: str
    packed: bool
    cuts: tuple[int, ...]

    def pieces(self):
        ends = sorted(cut % (len(self.data) + 1) for cut in self.cuts)
        for begin, end in zip([0, *ends], [*ends, len(self.data)], strict=True):
            if begin < end:
                yield self.data[begin:end]


@st.composite
def answers(draw):
    method = draw(st.sampled_from(["POST", "GET", "HEAD"]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.0"]))
    server = h11.Connection(h11.SERVER)
    server.receive_data(f"{method} / HTTP/{version}\r\nHost: a\r\n\r\n".encode())
    server.next_event()
    data = b""
    for status in draw(st.lists(st.sampled_from([100, 102, 103]), max_size=2)) if version == "1.1" else ():
        data += server.send(h11.InformationalResponse(status_code=status, headers=[("Link", "</a>")]))
    status = draw(st.sampled_from([200, 201, 204, 304, 404, 429, 500, 599]) | st.integers(200, 599))
    headers = draw(st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in OURS), VALUES), max_size=5))
    body = b"" if status in (204, 304) else draw(st.binary(max_size=300))
    packed = draw(st.sampled_from([None, gzip.compress, zlib.compress])) if body else None
    if packed is not None:
        body = packed(body)
        headers.append(("Content-Encoding", draw(st.sampled_from(["gzip", "GZip", "deflate"]))))
    if draw(st.booleans()):
        headers.append(("Content-Length", str(len(body))))
    if draw(st.booleans()):
        headers.append(("Connection", draw(st.sampled_from(["close", "Close", "keep-alive, close"]))))
    data += server.send(h11.Response(status_code=status, headers=headers, reason=draw(VALUES)))
    body = b"" if method == "HEAD" else body
    while body:
        size = draw(st.integers(1, len(body)))
        data += server.send(h11.Data(body[:size]))
        body = body[size:]
    data += server.send(h11.EndOfMessage())
    return Sent(data, method, packed is not None, tuple(draw(st.lists(st.integers(0, 4_000), max_size=6))))


def read_by_h11(sent):
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=sent.method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(sent.data)
    client.receive_data(b"")
    response, body = None, b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    return response, zlib.decompressobj(47).decompress(body) if sent.packed and body else body


def reading_of(method="POST", **options):
    return Reading(f"{method} https://agent.example/chat", method == "HEAD", 100, **options)


def read(sent, reading):
    over = False
    for number, piece in enumerate(sent.pieces()):
        assert not over, "it was said to be over, and was not"
        over = reading.feed(piece, float(number))
    if not over:
        reading.end(99.0)


@given(answers())
def test_what_a_server_sends_is_read_as_by_another_client(sent):
    reading = reading_of(sent.method)
    read(sent, reading)
    assert reading.failure is None
    answer, (response, body) = reading.answer, read_by_h11(sent)
    assert (answer.status, answer.body) == (response.status_code, body)
    theirs = {}
    for name, value in response.headers:
        theirs.setdefault(name.decode(), []).append(value.decode("latin-1"))
    assert dict(answer.headers) == {name: ", ".join(values) for name, values in theirs.items()}
    assert answer.bytes_received == len(sent.data)
    closes = any("close" in value.lower() for value in theirs.get("connection", []))
    has_body = sent.method != "HEAD" and response.status_code not in (204, 304)
    ends = has_body and not theirs.keys() & {"content-length", "transfer-encoding"}
    if sent.method != "HEAD":
        assert reading.keeps_alive == (not closes and not ends and response.http_version == b"1.1")


@given(answers())
def test_a_body_that_is_taken_as_it_comes_is_the_same(sent):
    whole, taken = reading_of(sent.method), reading_of(sent.method)
    told = []
    taken.taken_by_head = told.append
    taken.taken_by_body = lambda data, at: told.append((data, at))
    read(sent, whole)
    read(sent, taken)
    assert told[0] is taken.answer
    assert b"".join(data for data, _ in told[1:]) == whole.answer.body
    assert all(data for data, _ in told[1:])
    assert taken.answer.body == b""
    stamps = [at for _, at in told[1:]]
    assert stamps == sorted(stamps)
    assert taken.answer.head_at <= min(stamps, default=99.0)


@given(answers(), st.integers(1, 10_000))
def test_what_breaks_off_is_not_whole(sent, cut):
    data = sent.data[: cut % len(sent.data)]
    reading = reading_of(sent.method)
    reading.feed(data, 0.0)
    if reading.end(0.0) and reading.failure is None:
        whole = reading_of(sent.method)
        read(sent, whole)
        says_its_length = whole.answer.headers.keys() & {"content-length", "transfer-encoding"}
        assert reading.answer.body == whole.answer.body or not says_its_length


MUTATIONS = st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=3)), max_size=4)


@given(answers(), MUTATIONS, st.binary(max_size=40))
def test_nothing_that_comes_ever_escapes(sent, mutations, after):
    data = bytearray(sent.data)
    for at, other in mutations:
        data[at % len(data) : at % len(data) + len(other)] = other
    reading = reading_of(sent.method, most_bytes=200)
    read(attrs.evolve(sent, data=bytes(data) + after, cuts=()), reading)
    reading.end(0.0)
    if reading.failure is not None:
        assert isinstance(reading.failure, SimulationFailed)
        assert reading.failure.kind is ErrorKind.INVALID_MESSAGE
        assert not reading.keeps_alive
        assert len(reading.failure.message) < 500
    elif reading.answer is not None:
        assert len(reading.answer.body) <= 200


@given(st.binary(max_size=200))
def test_bytes_that_are_no_answer(data):
    reading = reading_of()
    if reading.feed(data, 0.0):
        assert reading.failure.kind is ErrorKind.INVALID_MESSAGE
        assert "expected an HTTP/1.1 answer; got b" in reading.failure.message


def failure_of(*pieces, **options):
    reading = reading_of(**options)
    for piece in pieces:
        reading.feed(piece, 0.0)
    reading.end(0.0)
    assert isinstance(reading.failure, SimulationFailed)
    assert reading.failure.kind is ErrorKind.INVALID_MESSAGE
    return reading.failure.message


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"No colon\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_what_is_no_http(data):
    message = failure_of(data)
    assert message.startswith("expected an HTTP/1.1 answer; got b")
    assert repr(data[:10])[2:-1] in message


def test_as_many_bytes_as_may_be():
    reading = reading_of(most_bytes=5)
    assert reading.feed(HEAD + b"Content-Length: 5\r\n\r\nabcde", 0.0)
    assert reading.answer.body == b"abcde"
    assert "at most 5 bytes" in failure_of(HEAD + b"Content-Length: 6\r\n\r\nabcdef", most_bytes=5)


def test_a_bomb_is_unpacked_no_further_than_it_may_be_long():
    bomb = gzip.compress(bytes(4 * MAX_ANSWER_BYTES))
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    taken = []
    message = failure_of(head, bomb, taken_by_body=lambda data, at: taken.append(len(data)))
    assert f"at most {MAX_ANSWER_BYTES} bytes" in message
    assert sum(taken) == 0


@pytest.mark.parametrize("whole", [True, False])
def test_gzip_that_unpacks_to_nothing_has_an_end_too(whole):
    packing = zlib.compressobj(wbits=31)
    packed = packing.compress(b"x") + packing.flush(zlib.Z_FINISH if whole else zlib.Z_SYNC_FLUSH)
    endless = bytes(1_000) if whole else b"\x00\x00\x00\xff\xff" * 200
    reading, fed = reading_of(most_bytes=1_000), 0
    reading.feed(HEAD + b"Content-Encoding: gzip\r\n\r\n" + packed, 0.0)
    while not reading.feed(endless, 0.0):
        fed += len(endless)
        assert fed < 70_000
    assert "at most 1000 bytes" in reading.failure.message


@pytest.mark.parametrize(("codings", "whole"), [("gzip, chunked", False), ("Chunked", False), ("gzip", True)])
def test_which_codings_say_where_the_answer_ends(codings, whole):
    reading = reading_of()
    reading.feed(HEAD + f"Transfer-Encoding: {codings}\r\n\r\n2\r\nab\r\n".encode(), 0.0)
    assert reading.end(0.0) == whole


@pytest.mark.parametrize("end", [True, False])
def test_gzip_that_breaks_off(end):
    packed = gzip.compress(bytes(range(256)))[:-9]
    length = b"Content-Length: %d\r\n" % len(packed) if end else b""
    assert "ends within the gzip" in failure_of(HEAD + length + b"Content-Encoding: gzip\r\n\r\n" + packed)


def test_no_body_is_no_gzip_that_breaks_off():
    reading = reading_of()
    reading.feed(HEAD + b"Content-Length: 0\r\nContent-Encoding: br\r\n\r\n", 0.0)
    assert (reading.failure, reading.answer.body, reading.keeps_alive) == (None, b"", True)


def test_events_in_gzip_are_unpacked_as_they_come():
    packing, came = zlib.compressobj(wbits=31), []
    reading = reading_of(taken_by_body=lambda data, at: came.append((data, at)))
    reading.feed(HEAD + b"Content-Encoding: gzip\r\n\r\n", 0.0)
    for number in range(3):
        event = b"data: %d\n\n" % number
        reading.feed(packing.compress(event) + packing.flush(zlib.Z_SYNC_FLUSH), float(number))
        assert came[-1] == (event, float(number))
    reading.feed(packing.flush(), 3.0)
    assert reading.end(4.0)
    assert reading.failure is None


@pytest.mark.parametrize(
    "endless",
    [
        b"X-Padding: " + b"x" * 1_000 + b"\r\n",
        b"x" * 1_000,
        b"1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: ",
    ],
)
def test_a_head_without_end_is_not_awaited(endless):
    reading, fed = reading_of(), 0
    reading.feed(b"HTTP/1.1 103 Early Hints\r\nX: ", 0.0)
    while not reading.feed(endless, 0.0):
        fed += len(endless)
        assert fed < 70_000
    assert "bytes of headers" in reading.failure.message


def test_trailers_and_extensions_of_chunks_have_an_end_too():
    reading, fed = reading_of(), 0
    reading.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", 0.0)
    while not reading.feed(b"x" * 1_000, 0.0):
        fed += 1_000
        assert fed < 70_000


def test_chunks_of_single_bytes_are_no_overhead_that_is_refused():
    reading = reading_of()
    reading.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 0.0)
    for _ in range(30_000):
        assert not reading.feed(b"1\r\nx\r\n", 0.0)
    assert reading.feed(b"0\r\n\r\n", 0.0)
    assert len(reading.answer.body) == 30_000


def test_more_than_was_asked_for_uses_the_connection_up():
    answer = HEAD + b"Content-Length: 1\r\n\r\na"
    reading = reading_of()
    assert reading.feed(answer + answer, 0.0)
    assert (reading.answer.body, reading.keeps_alive) == (b"a", False)


@pytest.mark.parametrize("of_head", [True, False])
def test_what_a_callback_raises_ends_this_alone(of_head):
    def refuse(*_):
        raise KeyError("mine")

    reading = reading_of(taken_by_head=refuse) if of_head else reading_of(taken_by_body=refuse)
    assert reading.feed(HEAD + b"Content-Length: 1\r\n\r\na", 0.0)
    assert isinstance(reading.failure, KeyError)
    assert not reading.keeps_alive


def test_headers_whatever_their_case():
    reading = reading_of()
    reading.feed(HEAD + b"Content-TYPE:  text/plain \r\nA: 1\r\na: 2\r\nContent-Length: 0\r\n\r\n", 0.0)
    headers = reading.answer.headers
    assert headers["content-type"] == headers["CONTENT-type"] == "text/plain"
    assert headers.get("A") == "1, 2"
    assert headers.get("b", "none") == "none"
    assert "Content-Length" in headers
