"""Text over a WebSocket: a table of examples, the contract every dialect keeps, and what loading refuses."""

import json

import attrs
import pytest

from coval_load.codecs.dialects.interface import Outgoing
from coval_load.codecs.dialects.websocket_chat import WebSocketChatFormat, check
from coval_load.codecs.events import (
    AgentEventReceived,
    MessageIgnored,
    ReadyReceived,
    TextReceived,
    Violation,
)
from coval_load.codecs.templates import TemplateError
from coval_load.testing import Example, check_dialect

VALUES = {
    "run_id": "run-1",
    "simulation_output_id": "sim-1",
    "simulation_id": "sim-1",
    "stream_sid": "MZ" + "0" * 32,
    "call_sid": "CA" + "0" * 32,
    "agent": {"team": "blue"},
    "test_case": {"account_id": "42"},
    "run_metadata": {},
}
DEFAULT = WebSocketChatFormat()
CONTENT = WebSocketChatFormat(
    send_template='{"content":"{{message}}"}', message_type_path="", message_text_path="content"
)
NESTED = WebSocketChatFormat(
    send_template='{"event": "user_message", "payload": {"to": "{{agent.team}}", "text": {{message}}}}',
    message_type_path="meta.kind",
    text_message_type_values=("reply", "7"),
    message_text_path="data.0.content",
    handshake_ready_message_type="ready",
    non_audio_event_message_types=("cart_update", "ready_again"),
)
DIRECTED = WebSocketChatFormat(
    direction_path="direction", outbound_direction_value="outbound", handshake_ready_message_type="session_ready"
)
LISTENING = attrs.evolve(DIRECTED, non_audio_event_message_types=("typing",))


def ignored(why):
    return MessageIgnored(why)


def json_violation(detail):
    return Violation(f"Invalid JSON in response: {detail}")


TABLE = [
    (DEFAULT, '{"type":"message","text":"Hello"}', TextReceived("Hello")),
    (DEFAULT, '{"type":"message","text":""}', TextReceived("")),
    (DEFAULT, b'{"type":"message","text":"in a binary frame"}', TextReceived("in a binary frame")),
    (
        DEFAULT,
        '{"type":"audio","text":"x"}',
        ignored("type 'audio' at 'type' is not 'message' (text_message_type_values)"),
    ),
    (DEFAULT, '{"text":"x"}', ignored("no type at 'type' where 'message' is looked for (text_message_type_values)")),
    (
        DEFAULT,
        '{"type":null,"text":"x"}',
        ignored("no type at 'type' where 'message' is looked for (text_message_type_values)"),
    ),
    (DEFAULT, "[1]", ignored("no type at 'type' where 'message' is looked for (text_message_type_values)")),
    (
        DEFAULT,
        '{"type":"message"}',
        Violation(
            "Could not extract message from path 'text' in response: set message_text_path to where the text stands"
        ),
    ),
    (
        DEFAULT,
        '{"type":"message","text":5}',
        Violation(
            "Could not extract message from path 'text' in response: set message_text_path to where the text stands"
        ),
    ),
    (
        DEFAULT,
        '{"type":"message","text":null}',
        Violation(
            "Could not extract message from path 'text' in response: set message_text_path to where the text stands"
        ),
    ),
    (CONTENT, '{"content":"hi","type":5}', TextReceived("hi")),
    (
        CONTENT,
        '"hi"',
        Violation(
            "Could not extract message from path 'content' in response: set message_text_path to where the text stands"
        ),
    ),
    (attrs.evolve(CONTENT, message_text_path=""), '"hi"', TextReceived("hi")),
    (NESTED, '{"meta":{"kind":"reply"},"data":[{"content":"yo"}]}', TextReceived("yo")),
    (NESTED, '{"meta":{"kind":7},"data":[{"content":"yo"}]}', TextReceived("yo")),
    (NESTED, '{"meta":{"kind":"ready"},"session_id":"abc"}', ReadyReceived("abc")),
    (NESTED, '{"meta":{"kind":"ready"},"session_id":12}', ReadyReceived("12")),
    (NESTED, '{"meta":{"kind":"ready"},"session_id":{}}', ReadyReceived(None)),
    (NESTED, '{"meta":{"kind":"ready"},"session_id":true}', ReadyReceived(None)),
    (NESTED, '{"meta":{"kind":"ready"}}', ReadyReceived(None)),
    (
        NESTED,
        '{"meta":{"kind":"cart_update"},"event":"add"}',
        AgentEventReceived("cart_update", "add", {"meta": {"kind": "cart_update"}, "event": "add"}),
    ),
    (
        NESTED,
        '{"meta":{"kind":"cart_update"},"event":1}',
        AgentEventReceived("cart_update", None, {"meta": {"kind": "cart_update"}, "event": 1}),
    ),
    (
        NESTED,
        '{"meta":{"kind":true}}',
        ignored("type 'true' at 'meta.kind' is not 'ready' (handshake_ready_message_type)"),
    ),
    (DIRECTED, '{"type":"message","text":"yo","direction":"outbound"}', TextReceived("yo")),
    (
        DIRECTED,
        '{"type":"message","text":"yo","direction":"inbound"}',
        ignored("direction 'inbound' at 'direction' where 'outbound' is looked for (outbound_direction_value)"),
    ),
    (
        DIRECTED,
        '{"type":"message","text":"yo"}',
        ignored("no direction at 'direction' where 'outbound' is looked for (outbound_direction_value)"),
    ),
    (DIRECTED, '{"type":"session_ready","session_id":"s"}', ReadyReceived("s")),
    (
        DIRECTED,
        '{"type":"ready","session_id":"s"}',
        ignored("type 'ready' at 'type' is not 'session_ready' (handshake_ready_message_type)"),
    ),
    (
        attrs.evolve(DIRECTED, handshake_ready_message_type=""),
        '{"type":"error","text":"start first"}',
        ignored("type 'error' at 'type' is not 'message' (text_message_type_values)"),
    ),
    (
        LISTENING,
        '{"type":"typing"}',
        ignored("no direction at 'direction' where 'outbound' is looked for (outbound_direction_value)"),
    ),
    (
        LISTENING,
        '{"type":"typing","direction":"outbound"}',
        AgentEventReceived("typing", None, {"type": "typing", "direction": "outbound"}),
    ),
]


def read_default(message):
    assert message.is_text
    return json.loads(message.payload)["text"]


def read_nested(message):
    said = json.loads(message.payload)
    assert said["event"] == "user_message"
    assert said["payload"]["to"] == "blue"
    return said["payload"]["text"]


@pytest.mark.parametrize(
    ("chat", "read_text"),
    [
        (DEFAULT, read_default),
        (CONTENT, lambda message: json.loads(message.payload)["content"]),
        (NESTED, read_nested),
        (DIRECTED, read_default),
        (LISTENING, None),
    ],
)
def test_the_contract_is_kept_and_the_examples_mean_what_they_say(chat, read_text):
    examples = [Example(payload, [event]) for format_, payload, event in TABLE if format_ == chat]
    check_dialect(chat, VALUES, examples, read_text=read_text)


@pytest.mark.parametrize(("chat", "payload", "event"), TABLE)
def test_an_example(chat, payload, event):
    check_dialect(chat, VALUES, [Example(payload, [event])], most_runs=1)


@pytest.mark.parametrize("payload", [b"", b"hello", b"{", b"\xff\xfe", b"[" * 100_000, b'"\\ud800"', b'{"a":NaN}'])
@pytest.mark.parametrize("is_text", [True, False])
def test_what_is_no_json_is_a_violation_in_the_documented_words(payload, is_text):
    (event,) = DEFAULT.open(VALUES).decode(payload, is_text)
    assert isinstance(event, Violation)
    assert "Invalid JSON in response: " in event.reason
    assert event.reason.startswith("Invalid" if is_text else "expected a text message, got a binary one")
    assert len(event.reason) < 300


def test_whatever_is_quoted_is_bounded_and_printable():
    dialect = WebSocketChatFormat(message_type_path="t" * 500, message_text_path="m" * 500).open(VALUES)
    long = json.dumps({"t" * 500: "\n\x1b" * 5000}).encode()
    reasons = [event.reason for event in dialect.decode(long, True)]
    reasons += [event.reason for event in dialect.decode(json.dumps({"t" * 500: "message"}).encode(), True)]
    assert len(reasons) == 2
    for reason in reasons:
        assert len(reason) < 350
        assert reason.isprintable()


def test_only_the_first_ready_message_is_one():
    dialect = DIRECTED.open(VALUES)
    ready = b'{"type":"session_ready","direction":"outbound"}'
    assert dialect.decode(ready, True) == (ReadyReceived(None),)
    (again,) = dialect.decode(ready, True)
    assert again == MessageIgnored("a second ready message, type 'session_ready'")
    assert DIRECTED.open(VALUES).decode(ready, True) == (ReadyReceived(None),)


def test_a_type_that_means_ready_and_text_is_ready_once_and_then_text():
    dialect = WebSocketChatFormat(handshake_ready_message_type="message").open(VALUES)
    hello = b'{"type":"message","text":"hello"}'
    assert dialect.decode(hello, True) == (ReadyReceived(None),)
    assert dialect.decode(hello, True) == (TextReceived("hello"),)


def test_the_opening_is_the_filled_initialization_json():
    chat = WebSocketChatFormat(
        initialization_json={"run": "{{run_id}}", "nested": [{"{{agent.team}}": "{{test_case.account_id}}"}, 5]}
    )
    (message,) = chat.open(VALUES).opening()
    assert message.is_text
    assert json.loads(message.payload) == {"run": "run-1", "nested": [{"blue": "42"}, 5]}
    assert list(DEFAULT.open(VALUES).opening()) == []


def test_what_is_said_is_never_scanned_for_placeholders():
    assert DEFAULT.open(VALUES).text("{{agent.team}}") == Outgoing(
        b'{"type": "message", "text": "{{agent.team}}"}', is_text=True
    )


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"send_template": '{"text": "hi"}'}, "send_template", "{{message}}: expected this placeholder"),
        ({"send_template": '{"text": "{{mesage}}"}'}, "send_template", "{{mesage}}: no such name"),
        ({"send_template": '{"text": {{message}}'}, "send_template", "expected text that is JSON"),
        ({"initialization_json": {"a": "{{message}}"}}, "initialization_json", "{{message}}: no such name"),
        ({"direction_path": "direction"}, "outbound_direction_value", "direction_path and"),
        ({"outbound_direction_value": "out"}, "direction_path", "direction_path and"),
        ({"text_message_type_values": ()}, "text_message_type_values", "expected at least one"),
        (
            {"message_type_path": "", "handshake_ready_message_type": "ready"},
            "handshake_ready_message_type",
            "no message has a type",
        ),
    ],
)
def test_what_can_never_do_is_found_before_anything_is_dialled(options, field, message):
    ((found_field, found_message),) = check(WebSocketChatFormat(**options))
    assert found_field == field
    assert found_message.startswith(message)


def test_what_is_right_has_no_complaints():
    assert [check(chat) for chat in (DEFAULT, CONTENT, NESTED, DIRECTED, LISTENING)] == [[]] * 5


def test_all_that_is_wrong_is_found_at_once():
    chat = WebSocketChatFormat(send_template="", initialization_json="{{x}}", direction_path="d")
    assert [field for field, _ in check(chat)] == [
        "initialization_json",
        "send_template",
        "outbound_direction_value",
    ]


def test_a_value_this_simulation_lacks_is_an_error_that_names_the_template():
    chat = WebSocketChatFormat(send_template='{"to":"{{test_case.name}}","text":"{{message}}"}')
    assert check(chat) == []
    with pytest.raises(TemplateError, match=r"^send_template: \{\{test_case\.name\}\}: no such value"):
        chat.open(VALUES)
