"""The check for third parties' dialects finds what it says it finds."""

import json

import attrs
import pytest

from coval_load.codecs.dialects.interface import Outgoing
from coval_load.codecs.events import MessageIgnored, TextReceived, Violation
from coval_load.testing import MOST_BUFFERED, Example, check_dialect


@attrs.define
class Plain:
    """A dialect in which a text is a message and a binary message is none."""

    kept: list = attrs.field(factory=list)

    def opening(self):
        return ()

    def text(self, text):
        return Outgoing(json.dumps([text.encode(errors="replace").decode()]).encode(), is_text=True)

    def decode(self, payload, is_text):
        return [TextReceived(payload.decode(errors="replace"))] if is_text else [MessageIgnored("binary")]

    def frame(self, body):
        return body

    frames_are_text = False


class Raising(Plain):
    def decode(self, payload, is_text):
        return [TextReceived(payload.decode())]


class RaisingOnTheSecond(Plain):
    def decode(self, payload, is_text):
        self.kept = [payload, *self.kept][:2]
        return [TextReceived("{}")] if len(self.kept) < 2 else [TextReceived(self.kept[2])]


class Hoarding(Plain):
    def decode(self, payload, is_text):
        self.kept.append(bytearray(payload))
        return []


class NoEvents(Plain):
    def decode(self, payload, is_text):
        return [payload]


class Careless(Plain):
    def text(self, text):
        return Outgoing(f'["{text}"]'.encode(errors="replace"), is_text=True)


@attrs.frozen
class Format:
    kind: type
    name: str = "type.a"

    def open(self, values):
        return self.kind()

    def audio_body(self, pcm):
        return pcm


def read_text(message):
    return json.loads(message.payload)[0]


def test_a_dialect_that_keeps_the_contract_passes():
    examples = [Example("hi", [TextReceived("hi")]), Example(b"hi", [MessageIgnored("binary")])]
    check_dialect(Format(Plain), {}, examples, read_audio=lambda message: message.payload, most_runs=20)


def test_a_wrong_example_is_found():
    with pytest.raises(AssertionError, match=r"'hi': expected .*Violation.*; decode gave .*TextReceived"):
        check_dialect(Format(Plain), {}, [Example("hi", [Violation("no")])])


@pytest.mark.parametrize(
    ("kind", "error"),
    [(Raising, UnicodeDecodeError), (RaisingOnTheSecond, IndexError), (NoEvents, AssertionError)],
)
def test_a_dialect_that_raises_or_gives_no_events_is_found(kind, error):
    with pytest.raises(error):
        check_dialect(Format(kind), {})


def test_a_dialect_that_hoards_is_found():
    with pytest.raises(AssertionError, match=f"at most {MOST_BUFFERED} bytes buffered"):
        check_dialect(Format(Hoarding), {}, most_runs=1)


def test_a_dialect_that_does_not_escape_is_found():
    with pytest.raises((AssertionError, json.JSONDecodeError)):
        check_dialect(Format(Careless), {}, read_text=read_text)


def test_a_frame_that_is_not_what_was_spoken_is_found():
    with pytest.raises(AssertionError, match="expected the agent to hear"):
        check_dialect(Format(Plain), {}, read_audio=lambda message: message.payload[:10])
