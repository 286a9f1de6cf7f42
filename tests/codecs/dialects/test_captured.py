"""What real agents sent means what the table beside it says that they were asked for, wherever it is cut."""

import json
import re
from pathlib import Path

import attrs
import pytest
from http_replies import calls_in, text_in
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.a2a.format import A2AFormat
from coval_load.codecs.dialects.chat_replies.reading import open_reading
from coval_load.codecs.events import (
    AgentFailed,
    MessageIgnored,
    TextChunkReceived,
    TextReceived,
    ToolCallReceived,
    UsageReceived,
)

FOLDER = Path(__file__).parent.parent / "captured"
ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<status>\d{3}) (?P<content_type>[^|]+) \| (?P<asked>.+) \|$", re.M)


@attrs.frozen
class Captured:
    """A row of the table, with the body it tells of."""

    name: str
    status: int
    content_type: str
    asked: str

    @property
    def body(self):
        # They answer requests with ids of text; ours are numbers, from 1 on.
        body = (FOLDER / self.name).read_bytes()
        return re.sub(rb'("id": ?)"1"', rb"\g<1>1", body) if self.name.startswith("a2a") else body

    @property
    def is_streamed(self):
        return self.content_type.startswith("text/event-stream")

    @property
    def said(self):
        """What the A2A agent heard, which it repeats."""
        return re.search(r" of `(.+?)`", self.asked)[1]

    @property
    def version(self):
        return "1.0" if self.name.startswith("a2a-1.0-") and "without A2A-Version" not in self.asked else "0.3"

    def read(self, *pieces):
        """All events of the body, in `pieces` if there are any."""
        return self.converse(*pieces)[0]

    def converse(self, *pieces):
        """All events, and the `message` that is sent after them."""
        dialect = None
        if self.name.startswith("a2a"):
            dialect = A2AFormat("https://agent.example/", a2a_version=self.version, stream="-streamed-" in self.name)
            dialect = dialect.open({"simulation_output_id": "sim-1"})
            assert dialect.initialized(None) is None
            dialect.say("Hi", "")
        reading = dialect.read(self.content_type) if dialect else open_reading(self.content_type)
        events = [event for piece in pieces or [self.body] for event in reading.feed(piece)]
        events += reading.end()
        return events, json.loads(dialect.say("And now?", "").body)["params"]["message"] if dialect else None


TABLE = [
    Captured(row["name"], int(row["status"]), row["content_type"], row["asked"])
    for row in ROW.finditer((FOLDER / "README.md").read_text("utf-8"))
]
CARDS = [each for each in TABLE if each.name.endswith("-card.json")]
REPLIES = [each for each in TABLE if each not in CARDS]


LOOKED_AT = set()


def named(*endings):
    """Those of the replies whose names end in one of `endings`."""
    found = [each for each in REPLIES if Path(each.name).stem.endswith(endings)]
    assert len(found) >= len(endings)
    LOOKED_AT.update(each.name for each in found)
    return pytest.mark.parametrize("captured", found, ids=[each.name for each in found])


ALL = pytest.mark.parametrize("captured", REPLIES, ids=[each.name for each in REPLIES])


def test_the_table_has_all_there_is():
    assert {each.name for each in TABLE} == {
        file.name for file in FOLDER.glob("*.*") if file.suffix in (".json", ".txt")
    }


@ALL
def test_byte_by_byte_it_means_the_same(captured):
    assert captured.converse(*(bytes([byte]) for byte in captured.body)) == captured.converse()


@given(st.sampled_from(REPLIES), st.data())
def test_in_any_pieces_it_means_the_same(captured, data):
    body = captured.body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert captured.read(*pieces) == captured.read()


@ALL
def test_text_is_streamed_where_the_body_is(captured):
    texts = [event for event in captured.read() if isinstance(event, TextReceived | TextChunkReceived)]
    assert {type(text) for text in texts} <= {TextChunkReceived if captured.is_streamed else TextReceived}


LITELLM_SAID = 'Grüße! "Quoted", on\ntwo lines: 你好 👋, and on it goes.'


@named("-chat", "-chat-streamed", "-responses", "-responses-bridged", "-responses-streamed")
def test_a_completion(captured):
    events = captured.read()
    usage = events.pop()
    assert text_in(events) == LITELLM_SAID
    if captured.is_streamed:
        # The proxy streams three characters at a time.
        assert [len(event.text) for event in events] == [3] * (len(LITELLM_SAID) // 3) + [len(LITELLM_SAID) % 3]
        assert usage == UsageReceived(8, 24)
    else:
        assert len(events) == 1
        assert usage == (UsageReceived(36, 87) if captured.name == "litellm-responses.json" else UsageReceived(10, 20))


@named("-chat-tools", "-responses-tools")
def test_calls_of_tools(captured):
    events = captured.read()
    assert text_in(events) == "Let me see."
    assert calls_in(events) == [
        ToolCallReceived("call_1", "look_up", '{"order": 7}'),
        ToolCallReceived("call_2", "get_time", "{}"),
    ]
    assert UsageReceived(10, 20) in events


REFUSED = {
    401: ("authentication", "Authentication Error, invalid key"),
    429: ("rate_limit", "this is a mock rate limit error"),
    500: ("agent", "rror"),
}


@named("-chat-401", "-chat-429", "-chat-500", "-responses-stream-refused")
def test_errors_are_known_by_their_bodies(captured):
    """As they are where a proxy before the agent gives them the status of a success."""
    cause, words = REFUSED[captured.status]
    (failed,) = captured.read()
    assert isinstance(failed, AgentFailed)
    assert failed.cause == cause
    assert words in failed.reason


@named("-message", "-artifact", "-completed", "-input-required", "-streamed-chunks")
def test_words_of_a_task_or_a_message(captured):
    events, following = captured.converse()
    turn = 2 if captured.said == "done now" else 1
    assert text_in(events) == f"turn {turn}: {captured.said}"
    told = [event for event in events if not isinstance(event, TextReceived | TextChunkReceived)]
    assert all(isinstance(event, MessageIgnored) and "progress" in event.reason for event in told)
    assert captured.is_streamed or not told
    assert following["contextId"] in captured.body.decode()
    if "-input-required" in captured.name:
        assert following["taskId"] in captured.body.decode()
    else:
        assert "taskId" not in following


@named("-streamed-chunks")
def test_each_piece_as_it_came(captured):
    texts = [event.text for event in captured.read() if isinstance(event, TextChunkReceived)]
    assert texts == ["turn", " 1:", " chunks", " of", " a", " reply"]


@named("-failed")
def test_a_task_that_failed(captured):
    *progress, failed = captured.read()
    assert failed == AgentFailed("the agent ended the task as failed: 'turn 1: fail x'")
    assert all(isinstance(event, MessageIgnored) for event in progress)


ERRORS = {
    "internal-error": ("-32603", "the agent broke"),
    "no-such-task": ("-32001", "nope"),
    "no-version": ("-32009", 'set a2a_version to "1.0"'),
    "task-is-over": ("-32602", "is in terminal state"),
}


@named(*(f"-{name}" for name in ERRORS))
def test_errors_of_json_rpc(captured):
    (failed,) = captured.read()
    assert isinstance(failed, AgentFailed)
    code, words = next(told for name, told in ERRORS.items() if name in captured.name)
    if "task-is-over" in captured.name and "a2a-sdk 1.3.0" in captured.asked:
        code = "-32004"
    assert f"JSON-RPC error {code} " in failed.reason
    assert words in failed.reason


@pytest.mark.parametrize("captured", CARDS, ids=[each.name for each in CARDS])
def test_a_card_says_which_version_is_spoken(captured):
    card = captured.body
    listed = re.findall(rb'"protocolVersion":"([0-9]\.[0-9])', card)
    url = re.search(rb'"url":"([^"]+)"', card)[1].decode()
    dialect = A2AFormat(url).open({"simulation_output_id": "sim-1"}, card)
    assert dialect.initialized(None) is None
    request = dialect.say("Hi", "")
    speaks_new = json.loads(request.body)["method"] == "SendMessage"
    assert speaks_new == (b"1.0" in listed)
    assert ("A2A-Version", "1.0") in request.headers or not speaks_new


def test_each_reply_is_looked_at():
    assert [each.name for each in REPLIES if each.name not in LOOKED_AT] == []
