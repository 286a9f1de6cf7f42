"""Server-sent events: the standard's own examples, cuts anywhere, and bounds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.server_sent_events import EventStream, ServerSentEvent


def message(data):
    return ServerSentEvent("message", data)


def read(*pieces, most=10_000):
    stream = EventStream(most)
    found = [event for piece in pieces for event in stream.feed(piece)]
    return found + stream.end(), stream


TABLE = [
    # WHATWG HTML, section 9.2.6
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [message("YHOO\n+2\n10")]),
    (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [message("first event"), message("second event"), message(" third event")],
    ),
    (b"data\n\ndata\ndata\n\n", [message(""), message("\n")]),
    (b"data:test\n\ndata: test\n\n", [message("test"), message("test")]),
    (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
        [ServerSentEvent("add", "73857293"), ServerSentEvent("remove", "2153")],
    ),
    # line ends
    (b"data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", [message("a"), message("b"), message("c")]),
    (b"event: x\r\ndata: a\r\ndata: b\r\n\r\n", [ServerSentEvent("x", "a\nb")]),
    (b"data: a\r\n\ndata: b\n\n\n\n", [message("a"), message("b")]),
    ("data: a\u2028b\u0085c\x0b\x0cd\n\n".encode(), [message("a\u2028b\u0085c\x0b\x0cd")]),
    # the byte order mark: one, and only first
    (b"\xef\xbb\xbfdata: a\n\n", [message("a")]),
    (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [message("a")]),
    (b"\xef\xbb", []),
    # fields without effect
    (b"retry: 10\nid: 7\nfoo: bar\nDATA: x\n data: y\ndata: a\n\n", [message("a")]),
    (b"event: ping\n\ndata: a\n\n", [message("a")]),
    (b"event: a\nevent: b\nevent\ndata: x\n\n", [message("x")]),
    (b": keep-alive\n\n:\n\n", []),
    (b"data: a:b: c\n\n", [message("a:b: c")]),
    # characters
    ("data: größe 🍕\n\n".encode(), [message("größe 🍕")]),
    (b"data: a\xff\xe2\x82b\nevent: x\xc0\n\n", [ServerSentEvent("x\ufffd", "a\ufffd\ufffdb")]),
    # a last blank line left out
    (b"data: a\n\ndata: [DONE]\n", [message("a"), message("[DONE]")]),
    (b"data: a\n\ndata: [DONE]", [message("a"), message("[DONE]")]),
    (b"data: a\n\nevent: x", [message("a")]),
    (b"", []),
    (b"\n\n\n", []),
]


@pytest.mark.parametrize(("stream", "expected"), TABLE)
def test_examples(stream, expected):
    assert read(stream)[0] == expected


@pytest.mark.parametrize(("stream", "expected"), TABLE)
def test_examples_byte_by_byte(stream, expected):
    assert read(*(stream[at : at + 1] for at in range(len(stream))))[0] == expected


def test_an_event_is_given_as_soon_as_its_blank_line_is():
    stream = EventStream()
    assert stream.feed(b"data: a\r\n") == []
    assert stream.feed(b"\r") == [message("a")]
    assert stream.feed(b"\ndata: b\n") == []
    assert stream.feed(b"\n") == [message("b")]
    assert stream.end() == []


LINES = st.lists(
    st.one_of(
        st.sampled_from([b"data: a", b"data", b"data:", b"event: x", b"event:", b": c", b"id: 1", b"", b"", b""]),
        st.text().map(lambda text: b"data: " + text.encode()),
        st.binary(max_size=8),
        st.just("data: é🍕\u2028".encode()),
    ),
    max_size=12,
)
STREAMS = st.tuples(st.sampled_from([b"", b"\xef\xbb\xbf"]), LINES, st.sampled_from([b"\n", b"\r", b"\r\n"])).map(
    lambda parts: parts[0] + parts[2].join(parts[1])
)


def cut(data, at):
    edges = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from([12, 10_000]))
def test_cuts_change_nothing(data, at, most):
    whole, one = read(data, most=most)
    pieces, other = read(*cut(data, at), most=most)
    assert (pieces, other.overflowed) == (whole, one.overflowed)


@given(st.binary(max_size=200), st.lists(st.integers(0, 10_000), max_size=8))
def test_any_bytes_are_read(data, at):
    assert read(*cut(data, at))[0] == read(data)[0]


def expected_of(text):
    """The standard's algorithm, on decoded text, the way it is written down."""
    found, data, event = [], "", ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                found.append(ServerSentEvent(event or "message", data.removesuffix("\n")))
            data, event = "", ""
        elif name == "data":
            data += value + "\n"
        elif name == "event":
            event = value
    return found


@given(STREAMS)
def test_it_keeps_to_the_standard(data):
    whole = data + b"\n\n"
    text = whole.decode("utf-8", "replace").removeprefix("\ufeff")
    assert read(whole)[0] == expected_of(text)


@pytest.mark.parametrize(
    "endless",
    [b"data: " + b"x" * 95, b"x" * 101, b":" + b"x" * 100, b"data: abc\n" * 30, b"data\n" * 30, b"event: x\n" * 30],
)
def test_an_event_is_bounded(endless):
    found, stream = read(b"data: first\n\n", endless, b"\n\ndata: later\n\n", most=100)
    assert stream.overflowed
    assert found == [message("first")]
    assert not stream._rest and not stream._data


def test_the_bound_is_of_one_event_and_not_of_the_stream():
    found, stream = read(*[b"data: abc\n\n"] * 100, b": comment\n" * 100, most=100)
    assert not stream.overflowed
    assert len(found) == 100


def test_a_byte_order_mark_does_not_count():
    assert read(b"\xef", b"\xbb\xbfdata: 45678", b"\n\n", most=11)[0] == [message("45678")]


def test_an_overflow_says_nothing_more():
    stream = EventStream(10)
    assert stream.feed(b"data: 0123456789\n\n") == []
    assert stream.overflowed
    assert stream.feed(b"data: a\n\n") == []
    assert stream.end() == []


def test_a_long_line_in_many_pieces():
    stream = EventStream(2_000_000)
    stream.feed(b"data: ")
    for _ in range(100_000):
        stream.feed(b"0123456789")
    assert [len(event.data) for event in stream.feed(b"\n\n")] == [1_000_000]
