"""The check for third parties' dialects over HTTP finds what it says it finds."""

import json

import attrs
import pytest

from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.codecs.events import ReplyPending, TextChunkReceived, TextReceived, ToolCallReceived, Violation
from coval_load.testing import HttpExample, check_http_dialect
from coval_load.testing.arbitrary import as_read

URL = "https://agent.example/say"


class Reading:
    """An answer is text, whatever it is; a streamed one begins with `>`."""

    def __init__(self):
        self.body = b""
        self.is_stream = None

    def feed(self, data):
        self.body += data[: 1000 - len(self.body)]
        return []

    def end(self):
        if self.body == b"wait":
            return [ReplyPending()]
        if self.body == b"call":
            return [ToolCallReceived("1", "look_up", "{}")]
        return [TextReceived(self.body.decode(errors="replace"))]


class InPieces(Reading):
    """Gives text as it comes: cut where the bytes are."""

    def feed(self, data):
        self.body += data[:1]
        return [TextChunkReceived(data.decode("latin-1"))] if data else []

    def end(self):
        return [] if self.body else [Violation("expected text; got nothing")]


@attrs.define
class Plain:
    """A dialect that posts the last text as JSON."""

    reading: type = Reading
    said: list = attrs.field(factory=list)

    def initialization(self):
        return None

    def initialized(self, answer):
        assert answer is None

    def request(self, body):
        return HttpRequest("POST", URL, (("Content-Type", "application/json"),), json.dumps(body).encode())

    def say(self, text, timestamp):
        return self.request(as_read(text))

    def give_results(self, results, timestamp):
        return self.request([result.content for result in results])

    def ask_again(self):
        return self.request(None)

    def read(self, content_type):
        return self.reading()

    def heard(self, text, tool_calls, timestamp):
        self.said.append(text)


@attrs.frozen
class Format:
    make: object = Plain

    def discovery(self):
        return ()

    def open(self, values, discovered=None):
        return self.make()


EXAMPLES = [
    HttpExample(b"hi", [TextReceived("hi")]),
    HttpExample(b"wait", [ReplyPending()]),
    HttpExample(b"call", [ToolCallReceived("1", "look_up", "{}")]),
]


def read_text(request):
    return json.loads(request.body)


def test_a_dialect_that_keeps_the_contract_passes():
    check_http_dialect(Format(), {}, EXAMPLES, read_text=read_text, most_runs=20)


def test_text_may_come_in_the_pieces_that_the_bytes_do():
    check_http_dialect(Format(lambda: Plain(InPieces)), {}, [HttpExample(b"hi", [TextChunkReceived("hi")])])


def fails(make, match, examples=EXAMPLES, error=AssertionError, **more):
    with pytest.raises(error, match=match):
        check_http_dialect(Format(make), {}, examples, **more)


def test_a_wrong_example_is_found():
    fails(
        Plain, r"b'hi', whole: expected .*Violation.*; it meant .*TextReceived", [HttpExample(b"hi", [Violation("")])]
    )


def reading(end=None, feed=None):
    changed = {name: each for name, each in (("feed", feed), ("end", end)) if each is not None}
    return lambda: Plain(type("Changed", (Reading,), changed))


def raising(self):
    return [TextReceived(self.body.decode())]


def counting(self, data):
    self.body += data
    self.pieces = getattr(self, "pieces", 0) + bool(data)
    return []


def hoarding(self, data):
    self.kept = [*getattr(self, "kept", []), bytearray(data)]
    return []


@pytest.mark.parametrize(
    ("make", "match", "error"),
    [
        (reading(raising), "can't decode", UnicodeDecodeError),
        (reading(lambda self: []), "expected a Violation of an answer without any meaning", AssertionError),
        (reading(lambda self: [self.body]), "expected events of an agent over HTTP", AssertionError),
        (reading(lambda self: [TextChunkReceived("")]), "pieces of text that are not empty", AssertionError),
    ],
)
def test_a_wrong_reading_is_found(make, match, error):
    fails(make, match, [], error, most_runs=1000)  # found at random: much more often than not in 50


def test_a_reading_that_goes_by_the_pieces_is_found():
    # Only what comes in pieces tells, and before it all of `most_runs` are passed by what comes whole.
    changed = reading(lambda self: [TextReceived(str(self.pieces))], counting)
    fails(changed, "as if it came whole", [], most_runs=100)


def test_a_reading_that_keeps_everything_is_found():
    fails(reading(feed=hoarding), "expected at most 12500000 bytes kept", [], most_runs=1)


def test_an_example_that_is_cut_wrongly_is_found():
    fails(reading(lambda self: [TextReceived("hi" * self.pieces)], counting), "byte by byte", EXAMPLES[:1])


def asking(**changes):
    """A dialect whose requests are changed so."""

    class Changed(Plain):
        def request(self, body):
            return attrs.evolve(super().request(body), **changes)

    return Changed


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"method": "GET /"}, "expected a method"),
        ({"url": "/say"}, "expected an absolute URL"),
        ({"url": "wss://agent.example/say"}, "expected an absolute URL"),
        ({"url": "https://agent.example:x/"}, "expected an absolute URL"),
        ({"url": "https://agent.example/a b"}, "expected an absolute URL of visible ASCII"),
        ({"url": "https://me:secret@agent.example/"}, "expected no user's name in the URL; got one at agent.example"),
        ({"headers": (("X A", "b"),)}, "expected the name of a header"),
        ({"headers": (("X-A", "b\r\nX-B: c"),)}, "expected ASCII without control characters in the header X-A"),
        ({"headers": (("X-A", "é"),)}, "expected ASCII without control characters in the header X-A"),
        ({"headers": (("Content-Length", "1"),)}, "expected no header Content-Length"),
        ({"body": "text"}, "expected bytes as body"),
    ],
)
def test_a_request_that_can_not_be_sent_is_found(changes, match):
    fails(asking(**changes), match, [], most_runs=1)


class Wandering(Plain):
    def ask_again(self):
        return attrs.evolve(super().ask_again(), url="https://elsewhere.example/")


class ForgettingResults(Plain):
    def give_results(self, results, timestamp):
        return results[1]


class Losing(Plain):
    def heard(self, text, tool_calls, timestamp):
        self.said.clear()
        self.said[0] += text


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (Wandering, AssertionError, "expected requests to .*agent.example.*; got one to .*elsewhere"),
        (ForgettingResults, IndexError, "out of range"),
        (Losing, IndexError, "out of range"),
    ],
)
def test_a_conversation_that_does_not_go_on_is_found(make, error, match):
    fails(make, match, EXAMPLES, error)


class Careless(Plain):
    def say(self, text, timestamp):
        return attrs.evolve(self.request(""), body=f'"{text}"'.encode(errors="replace"))


def test_a_dialect_that_does_not_escape_is_found():
    fails(
        Careless,
        "expected the agent|Expecting|Invalid|Extra data",
        EXAMPLES,
        (AssertionError, json.JSONDecodeError),
        read_text=read_text,
    )


class Initialized(Plain):
    def initialization(self):
        return self.request("begin")

    def initialized(self, answer):
        return None if json.loads(answer)["ok"] else "not ok"


def test_an_initialization_that_is_read_carelessly_is_found():
    fails(Initialized, None, [], (ValueError, KeyError, TypeError), initialization=b'{"ok": true}')


def test_an_initialization_that_is_refused_is_told():
    fails(Initialized, "not ok", [], initialization=b'{"ok": false}')


@attrs.frozen
class Discovering(Format):
    def discovery(self):
        return (HttpRequest("GET", "https://agent.example/card", ()),)

    def open(self, values, discovered=None):
        json.loads(discovered)
        return self.make()


def test_what_was_discovered_is_arbitrary_too():
    with pytest.raises(ValueError, match=r"Expecting|decode"):
        check_http_dialect(Discovering(), {}, discovered=b"{}", most_runs=20)
