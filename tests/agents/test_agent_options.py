"""Every documented key of `metadata`: its default, what it allows, what it refuses."""

import json

import attrs
import pytest

from coval_load.agents.addresses import Targets
from coval_load.agents.loading import load_agent
from coval_load.agents.options.chat_websocket import ChatWebSocketOptions
from coval_load.agents.options.registry import OPTIONS
from coval_load.agents.options.websocket import WebSocketOptions
from coval_load.faults import Faulty

VOICE, CHAT = "MODEL_TYPE_WEBSOCKET", "MODEL_TYPE_CHAT_WEBSOCKET"
DIRECT = {"endpoint": "wss://a.example/ws"}
HTTP_FIRST = {
    "connection_mode": "http_first",
    "http_url": "https://a.example/sessions",
    "websocket_url_response_path": "data.url",
}


def load(model_type=VOICE, mode=DIRECT, **metadata):
    body = {"display_name": "x", "model_type": model_type, "metadata": mode | metadata}
    return load_agent(body, options=OPTIONS, targets=Targets(), environ={}).options


def faults(model_type=VOICE, mode=DIRECT, **metadata):
    with pytest.raises(Faulty) as caught:
        load(model_type, mode, **metadata)
    return [str(fault) for fault in caught.value.faults]


def test_defaults_of_voice():
    assert attrs.asdict(load()) == {
        "connection_mode": "direct",
        "endpoint": "wss://a.example/ws",
        "http_url": None,
        "http_method": "POST",
        "http_request_body": None,
        "http_headers": {},
        "websocket_url_response_path": None,
        "authorization_header": None,
        "custom_headers": {},
        "initialization_json": None,
        "websocket_compat_profile": "generic",
        "handshake_ready_message_type": "session_ready",
        "handshake_requires_session_id": True,
        "handshake_timeout_seconds": 30.0,
        "send_audio_template": '{"type":"audio_chunk","data":"{{audio_data}}"}',
        "message_type_path": "type",
        "audio_message_type_value": "audio_chunk",
        "audio_data_path": "data",
        "audio_encoding": "pcm",
        "receive_audio_channels": 2,
        "send_sample_rate_hertz": 16000,
        "receive_sample_rate_hertz": 48000,
        "pipeline_sample_rate_hertz": 16000,
        "pace_inbound_binary_audio": False,
        "send_media_template": '{"type":"media","name":"{{media_name}}","mime_type":"{{mime_type}}",'
        '"data":"{{media_data}}"}',
        "send_dtmf_template": None,
        "non_audio_event_message_types": (),
    }


def test_defaults_of_chat():
    options = load(CHAT)
    assert isinstance(options, ChatWebSocketOptions)
    assert json.loads(options.send_template) == {"type": "message", "text": "{{message}}"}
    assert options.message_type_path == "type"
    assert options.text_message_type_values == ("message",)
    assert options.message_text_path == "text"
    assert options.coalesce_timeout_seconds == 2.0
    assert options.handshake_ready_message_type == ""
    assert options.handshake_timeout_seconds == 30.0
    assert options.direction_path is None
    assert options.outbound_direction_value is None


def test_the_handshake_of_voice_depends_on_the_mode():
    options = load(mode=HTTP_FIRST)
    assert options.handshake_ready_message_type == ""
    assert options.handshake_requires_session_id is False
    given = load(mode=HTTP_FIRST, handshake_ready_message_type="ready", handshake_requires_session_id=True)
    assert given.handshake_ready_message_type == "ready"
    assert given.handshake_requires_session_id is True
    assert load(handshake_ready_message_type="").handshake_ready_message_type == ""


@pytest.mark.parametrize(
    ("metadata", "is_paced"),
    [
        ({}, False),
        ({"send_audio_template": "{{audio_data}}"}, True),
        ({"send_audio_template": "{{audio_data}}", "pace_inbound_binary_audio": False}, False),
        ({"pace_inbound_binary_audio": True}, True),
        ({"send_audio_template": '"{{audio_data}}"'}, False),
        ({"send_audio_template": "{{audio_data}}", "websocket_compat_profile": "json_audio"}, False),
    ],
)
def test_binary_audio_is_paced_where_it_is_sent_raw(metadata, is_paced):
    assert load(**metadata).pace_inbound_binary_audio is is_paced


def test_json_audio_forces_the_documented_shape():
    options = load(
        websocket_compat_profile="json_audio",
        send_audio_template="{{audio_data}}",
        message_type_path="event",
        audio_message_type_value="*",
        audio_data_path="payload",
        audio_encoding="mp3",
    )
    plain = load()
    for key in ("send_audio_template", "message_type_path", "audio_message_type_value", "audio_data_path"):
        assert getattr(options, key) == getattr(plain, key)
    assert options.audio_encoding == "mp3"


def test_null_is_as_good_as_absent():
    keys = [field.name for field in attrs.fields(WebSocketOptions) if field.name != "endpoint"]
    assert load(**dict.fromkeys(keys)) == load()


def test_objects_may_come_encoded_and_templates_as_objects():
    values = {"initialization_json": {"a": "{{run_id}}"}, "custom_headers": {"X-A": "b"}}
    assert load(**{key: json.dumps(value) for key, value in values.items()}) == load(**values)
    body = {"http_request_body": {"a": 1}, "http_headers": {"X-A": "b"}}
    assert load(mode=HTTP_FIRST, **{k: json.dumps(v) for k, v in body.items()}) == load(mode=HTTP_FIRST, **body)
    options = load(send_dtmf_template={"digit": "{{digit}}"})
    assert options.send_dtmf_template == '{"digit": "{{digit}}"}'


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"send_sample_rate_hertz": 44100}, "expected one of 8000, 16000, 24000, 48000; got 44100"),
        ({"receive_sample_rate_hertz": "8000"}, 'expected an integer; got "8000"'),
        ({"pipeline_sample_rate_hertz": 8000}, "expected 16000; got 8000"),
        ({"receive_audio_channels": 3}, "expected one of 1, 2; got 3"),
        ({"audio_encoding": "opus"}, 'expected one of pcm, mp3, ulaw; got "opus"'),
        ({"websocket_compat_profile": "x"}, 'expected one of generic, json_audio; got "x"'),
        ({"connection_mode": "x"}, 'expected one of direct, http_first; got "x"'),
        ({"http_method": "get"}, 'expected one of GET, POST, PUT, PATCH, DELETE; got "get"'),
        ({"handshake_timeout_seconds": 0}, "expected a number above 0; got 0"),
        ({"send_audio_template": "{}"}, "expected a template with {{audio_data}} in it; got one without it"),
        ({"send_media_template": "{}"}, "expected a template with {{media_data}} in it; got one without it"),
        ({"send_dtmf_template": {}}, "expected a template with {{digit}} in it; got one without it"),
        ({"message_type_path": ""}, "expected 1 to 1000 characters; got 0"),
        ({"audio_data_path": "a..b"}, 'expected a path in dot notation such as payload.audio.data; got "a..b"'),
        ({"non_audio_event_message_types": "a"}, 'expected a list; got "a"'),
        ({"pace_inbound_binary_audio": "yes"}, 'expected true or false; got "yes"'),
        ({"authorization_header": "abc"}, "expected 'Bearer <token>', 'Basic <base64>' or 'X-API-Key <key>'; got ***"),
    ],
)  # fmt: skip
def test_what_a_key_of_voice_refuses(metadata, message):
    (key,) = metadata
    assert f"metadata.{key}: {message}" in faults(**metadata)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"send_template": "{}"}, "expected a template with {{message}} in it; got one without it"),
        ({"text_message_type_values": []}, "expected at least 1 items; got 0"),
        ({"text_message_type_values": 5}, "expected a list; got 5"),
        ({"message_text_path": ""}, "expected 1 to 1000 characters; got 0"),
        ({"coalesce_timeout_seconds": -1}, "expected a number from 0 to 3600; got -1"),
        ({"message_format": "xml"}, 'expected content; got "xml"'),
        ({"send_audio_template": "{{audio_data}}"}, "unknown key; did you mean send_template?"),
    ],
)
def test_what_a_key_of_chat_refuses(metadata, message):
    (key,) = metadata
    assert faults(CHAT, **metadata) == [f"metadata.{key}: {message}"]


def test_direction_keys_come_together():
    assert load(CHAT, direction_path="d", outbound_direction_value="out").direction_path == "d"
    assert faults(CHAT, direction_path="d")[0].startswith("metadata.outbound_direction_value: expected it together")
    assert faults(CHAT, outbound_direction_value="d")[0].startswith("metadata.direction_path: expected it together")


def test_the_content_format_is_a_preset_that_keys_overrule():
    options = load(CHAT, message_format="content")
    assert json.loads(options.send_template) == {"content": "{{message}}"}
    assert (options.message_type_path, options.message_text_path) == ("", "content")
    overruled = load(CHAT, message_format="content", message_text_path="body", message_type_path="kind")
    assert (overruled.message_type_path, overruled.message_text_path) == ("kind", "body")
    assert json.loads(overruled.send_template) == {"content": "{{message}}"}


def test_a_ready_message_needs_a_path_to_its_type():
    assert load(CHAT, handshake_ready_message_type="ready").handshake_ready_message_type == "ready"
    for metadata in ({"message_format": "content"}, {"message_type_path": ""}):
        (fault,) = faults(CHAT, handshake_ready_message_type="ready", **metadata)
        assert fault.startswith("metadata.handshake_ready_message_type: expected a message_type_path")


def test_text_types_are_a_value_or_a_list():
    assert load(CHAT, text_message_type_values="a").text_message_type_values == ("a",)
    assert load(CHAT, text_message_type_values=["a", "b"]).text_message_type_values == ("a", "b")
    assert load(CHAT, message_type_path="").message_type_path == ""
    assert load(CHAT, coalesce_timeout_seconds=0).coalesce_timeout_seconds == 0


@pytest.mark.parametrize("model_type", [VOICE, CHAT])
def test_each_mode_requires_its_fields(model_type):
    assert faults(model_type, {}) == [
        "metadata.endpoint: expected a WebSocket URL starting with wss://, required in connection_mode direct; "
        "got nothing"
    ]
    missing = faults(model_type, {"connection_mode": "http_first", "http_url": ""})
    assert [fault.partition(":")[0] for fault in missing] == [
        "metadata.http_url",
        "metadata.websocket_url_response_path",
    ]
    assert load(model_type, HTTP_FIRST, endpoint="").connection_mode == "http_first"


@pytest.mark.parametrize("model_type", [VOICE, CHAT])
def test_urls_are_checked_in_both_modes(model_type):
    (fault,) = faults(model_type, {"endpoint": "ws://a.example"})
    assert fault.startswith("metadata.endpoint: Invalid WebSocket URL: expected wss://; got ws://")
    (fault,) = faults(model_type, HTTP_FIRST | {"http_url": "https://10.0.0.1/"})
    assert fault.startswith("metadata.http_url: Invalid HTTP URL: expected a public host; got 10.0.0.1")


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"": "a"}, '[""]: expected a header name'),
        ({"a b": "a"}, '["a b"]: expected a header name'),
        ({"a:": "a"}, '["a:"]: expected a header name'),
        ({"X-A": "a\r\nX-B: b"}, ".X-A: expected a header value on one line; got a line break in ***"),
        ({"X-A": "\0"}, ".X-A: expected a header value of ASCII text"),
        ({"X-A": "é"}, ".X-A: expected a header value of ASCII text"),
        ({"X-A": "€"}, ".X-A: expected a header value of ASCII text"),
        ({"X-A": 5}, ".X-A: expected a string; got ***"),
        ({"X-A": None}, ".X-A: expected a string; got ***"),
        ({"X-A": "a", "x-a": "b"}, ".x-a: expected each header once"),
        ({"Host": "a"}, ".Host: expected no header that the connection sets by itself"),
        ({"upgrade": "a"}, ".upgrade: expected no header that the connection sets by itself"),
        ({"Connection": "a"}, ".Connection: expected no header"),
        ({"Sec-WebSocket-Key": "a"}, ".Sec-WebSocket-Key: expected no header"),
    ],
)
def test_headers_that_can_not_be_sent(headers, fault):
    assert faults(custom_headers=headers)[0].startswith(f"metadata.custom_headers{fault}")


def test_headers_of_the_setup_request():
    assert load(mode=HTTP_FIRST, http_headers={"Host": "a.example"}).http_headers == {"Host": "a.example"}
    (fault,) = faults(mode=HTTP_FIRST, http_headers={"Content-Length": "0"})
    assert fault.startswith("metadata.http_headers.Content-Length: expected no header")


def test_all_headers_are_judged_whatever_is_wrong_with_one():
    assert len(faults(custom_headers={"X-A": 5, "a b": "c", "Host": "d"})) == 3


def test_authorization_is_sent_once():
    (fault,) = faults(authorization_header="Bearer abc", custom_headers={"authorization": "Bearer abc"})
    assert fault.startswith("metadata.custom_headers.authorization: expected it once")
    assert load(authorization_header="X-API-Key abc", custom_headers={"Authorization": "Bearer abc"})


def test_a_subprotocol_may_be_offered():
    offer = {"Sec-WebSocket-Protocol": "chat.v2, chat.v1"}
    assert load(custom_headers=offer).custom_headers == offer
