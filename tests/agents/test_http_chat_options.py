"""Every key of `metadata` of agents over HTTP: its default, what it allows, what it refuses."""

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.addresses import Targets
from coval_load.agents.loading import load_agent
from coval_load.agents.options.chat import ChatOptions
from coval_load.agents.options.chat_a2a import ChatA2AOptions
from coval_load.agents.options.registry import OPTIONS
from coval_load.faults import Faulty

CHAT, A2A = "MODEL_TYPE_CHAT", "MODEL_TYPE_CHAT_A2A"
STRICT = Targets()
ENDPOINT = {"chat_endpoint": "https://a.example/chat"}
STATES = "submitted, working, input-required, auth-required, completed, failed, canceled, rejected"
OWN = {
    "chat_endpoint": "https://a.example/chat",
    "authorization_header": None,
    "custom_headers": {},
    "custom_data": None,
    "initialization_endpoint": None,
    "initialization_payload": None,
    "honor_retry_after": False,
}


def load(model_type=CHAT, base=ENDPOINT, targets=STRICT, **metadata):
    body = {"display_name": "x", "model_type": model_type, "metadata": base | metadata}
    return load_agent(body, options=OPTIONS, targets=targets, environ={}).options


def faults(model_type=CHAT, base=ENDPOINT, **metadata):
    with pytest.raises(Faulty) as caught:
        load(model_type, base, **metadata)
    return [str(fault) for fault in caught.value.faults]


def test_defaults_of_chat():
    assert attrs.asdict(load()) == OWN | {
        "authentication_token": None,
        "model": None,
        "system_prompt": None,
        "temperature": None,
        "max_tokens": None,
        "extra_body": None,
        "openai_compatible": False,
        "stream": False,
        "custom_persona_data": None,
        "persona_id": None,
        "response_format": "chat_completions",
        "input_template": None,
        "payload_wrapper": None,
        "response_message_path": None,
        "strip_message_timestamps": False,
        "tool_call_extraction_config": None,
        "max_tool_rounds": 10,
    }


def test_defaults_of_a2a():
    assert attrs.asdict(load(A2A)) == OWN | {
        "initialization_content_type": "application/x-www-form-urlencoded",
        "a2a_version": None,
        "stream": False,
        "terminal_states": ("failed", "canceled", "rejected"),
        "new_task_states": ("completed",),
    }


@pytest.mark.parametrize(
    "asking",
    [{"model": "m"}, {"system_prompt": ""}, {"temperature": 0}, {"max_tokens": 1}, {"authentication_token": "t"},
     {"openai_compatible": True}],
    ids=str,
)  # fmt: skip
def test_a_key_of_the_models_api_asks_for_its_requests(asking):
    options = load(**asking)
    assert options.openai_compatible
    assert options.model == asking.get("model", "gpt-4o")
    assert options.temperature == asking.get("temperature", 1.0)
    assert options.stream
    assert options.strip_message_timestamps
    assert (options.max_tokens, options.system_prompt) == (asking.get("max_tokens"), asking.get("system_prompt"))
    overruled = load(**asking, stream=False, strip_message_timestamps=False)
    assert (overruled.stream, overruled.strip_message_timestamps) == (False, False)


def test_a_token_alone_can_be_told_not_to_ask_for_them():
    options = load(authentication_token="t", openai_compatible=False, input_template={"m": "{{messages}}"})
    assert (options.openai_compatible, options.model, options.stream) == (False, None, False)
    assert options.authorization == {"Authorization": "Bearer t"}


@pytest.mark.parametrize("model_type", [CHAT, A2A])
@pytest.mark.parametrize(
    ("metadata", "headers"),
    [
        ({}, {}),
        ({"authorization_header": "bearer abc"}, {"Authorization": "Bearer abc"}),
        ({"authorization_header": "X-API-Key abc"}, {"X-API-Key": "abc"}),
    ],
)
def test_the_authorization_that_is_sent(model_type, metadata, headers):
    assert load(model_type, **metadata).authorization == headers


@pytest.mark.parametrize("token", ["sk-1", "Bearer sk-1", "bearer  sk-1"])
def test_a_token_is_sent_as_bearer_once(token):
    assert load(authentication_token=token).authorization == {"Authorization": "Bearer sk-1"}


@pytest.mark.parametrize("model_type", [CHAT, A2A])
def test_the_endpoint_is_required(model_type):
    for base in ({}, {"chat_endpoint": ""}, {"chat_endpoint": None}):
        assert faults(model_type, base) == [
            "metadata.chat_endpoint: expected the chat endpoint's URL, starting with https://, "
            f"required for {model_type}; got nothing"
        ]
    assert faults(model_type, {"chat_endpoint": 5}) == ["metadata.chat_endpoint: expected a string; got 5"]


@pytest.mark.parametrize("model_type", [CHAT, A2A])
@pytest.mark.parametrize("key", ["chat_endpoint", "initialization_endpoint"])
def test_endpoints_are_upgraded_and_checked(model_type, key):
    plain = {key: "http://a.example:8080/x"}
    assert getattr(load(model_type, **plain), key) == "https://a.example:8080/x"
    assert getattr(load(model_type, targets=Targets(allow_plaintext=True), **plain), key) == plain[key]
    (told,) = faults(model_type, **{key: "https://a.example/x?key=sesame"})
    assert told == (
        f"metadata.{key}: Invalid HTTP URL: expected no query string (?...); "
        "put values into custom_headers or the payload"
    )
    (told,) = faults(model_type, **{key: "http://10.0.0.1/"})
    assert told.startswith(f"metadata.{key}: Invalid HTTP URL: expected a public host; got 10.0.0.1")


def test_upgrading_an_address_leaves_all_else_as_it_was():
    metadata = {"model": "m", "custom_headers": {"X-A": "b"}, "stream": False}
    assert load(base={"chat_endpoint": "http://a.example/chat"}, **metadata) == load(**metadata)


OBJECTS = {
    "custom_data": {"a": [1, {"b": None}]},
    "custom_persona_data": {"a": "ä"},
    "initialization_payload": {"id": "{{simulation_output_id}}"},
    "custom_headers": {"X-A": "{{sessionId}}"},
    "tool_call_extraction_config": {"tool_calls_path": "a.calls", "id_path": "id"},
}


@pytest.mark.parametrize("key", OBJECTS)
def test_objects_may_come_encoded(key):
    session = {"initialization_endpoint": "https://a.example/sessions"}
    assert load(**session, **{key: json.dumps(OBJECTS[key])}) == load(**session, **{key: OBJECTS[key]})


@pytest.mark.parametrize("cls", [ChatOptions, ChatA2AOptions])
def test_null_is_as_good_as_absent(cls):
    model_type = CHAT if cls is ChatOptions else A2A
    keys = [field.name for field in attrs.fields(cls) if field.name != "chat_endpoint"]
    assert load(model_type, **dict.fromkeys(keys)) == load(model_type)


@pytest.mark.parametrize("model_type", [CHAT, A2A])
def test_a_payload_needs_an_endpoint_to_go_to(model_type):
    assert faults(model_type, initialization_payload={"a": 1}) == [
        "metadata.initialization_payload: expected initialization_endpoint beside it, where it is sent to; got nothing"
    ]


def test_where_tool_calls_are():
    assert attrs.asdict(load(tool_call_extraction_config={"tool_calls_path": "calls"}).tool_call_extraction_config) == {
        "tool_calls_path": "calls",
        "id_path": None,
        "name_path": "name",
        "arguments_path": "arguments",
    }


SIZES = {"initialization_payload": 16_384, "custom_persona_data": 16_384, "custom_data": 32_768}


@pytest.mark.parametrize(("key", "most"), SIZES.items())
def test_how_long_an_object_may_be(key, most):
    fitting = {"a": "x" * (most - len('{"a":""}'))}
    session = {"initialization_endpoint": "https://a.example/sessions"}
    assert getattr(load(**session, **{key: json.dumps(fitting)}), key) == fitting
    assert faults(**session, **{key: fitting | {"a": fitting["a"] + "x"}}) == [
        f"metadata.{key}: expected at most {most} bytes of JSON; got {most + 1}"
    ]


def test_spaces_in_json_take_no_room():
    most = SIZES["custom_data"]
    fitting = {"a": [1] * ((most - len('{"a":[]}')) // 2)}
    assert load(custom_data=json.dumps(fitting, separators=(",", ":"))).custom_data == fitting
    assert load(custom_data=json.dumps(fitting, indent=4)).custom_data == fitting


def test_how_long_headers_may_be():
    assert faults(custom_headers={"X-A": "x" * 16_384}) == [
        "metadata.custom_headers: expected at most 16384 bytes of JSON; got 16394"
    ]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"custom_data": [1]}, "expected an object, or a string that encodes one; got ***"),
        ({"custom_persona_data": "sesame"}, "expected an object, or a string that encodes one (expecting value "
                                            "(line 1, column 1)); got ***"),
        ({"persona_id": "abc"}, "expected a persona's id: a ShortUUID, 22 characters of A-Z, a-z and 0-9; "
                                'got "abc"'),
        ({"response_format": "xml"}, 'expected one of chat_completions, responses; got "xml"'),
        ({"temperature": 2.1}, "expected a number from 0 to 2; got 2.1"),
        ({"temperature": "1"}, 'expected a number; got "1"'),
        ({"max_tokens": 0}, "expected a number from 1 to 100000; got 0"),
        ({"max_tokens": 100_001}, "expected a number from 1 to 100000; got 100001"),
        ({"max_tokens": 1.0}, "expected an integer; got 1.0"),
        ({"max_tool_rounds": 101}, "expected a number from 1 to 100; got 101"),
        ({"model": ""}, "expected 1 to 200 characters; got 0"),
        ({"payload_wrapper": ""}, "expected 1 to 200 characters; got 0"),
        ({"response_message_path": "a..b"}, 'expected a path in dot notation such as payload.audio.data; got "a..b"'),
        ({"input_template": [1]}, "expected JSON text with placeholders, or an object; got ***"),
        ({"input_template": ""}, "expected at least 1 characters; got 0"),
        ({"initialization_endpoint": ""}, "expected at least 1 characters; got 0"),
        ({"honor_retry_after": 1}, "expected true or false; got 1"),
        ({"authorization_header": "abc"}, "expected 'Bearer <token>', 'Basic <base64>' or 'X-API-Key <key>'; got ***"),
        ({"authentication_token": "two words"},
         "expected a token of ASCII without spaces, sent as 'Authorization: Bearer <token>'; got ***, "
         "put other forms into authorization_header"),
        ({"endpoint": "wss://a.example"}, "unknown key; did you mean chat_endpoint?"),
    ],
)  # fmt: skip
def test_what_a_key_of_chat_refuses(metadata, message):
    (key,) = metadata
    assert faults(**metadata) == [f"metadata.{key}: {message}"]


def test_what_the_place_of_tool_calls_refuses():
    assert faults(tool_call_extraction_config={"name_path": "", "id": "x"}) == [
        "metadata.tool_call_extraction_config.id: unknown key; expected one of tool_calls_path, id_path, "
        "name_path, arguments_path",
        "metadata.tool_call_extraction_config.tool_calls_path: expected a path in dot notation such as "
        "payload.audio.data; got nothing",
        "metadata.tool_call_extraction_config.name_path: expected 1 to 1000 characters; got 0",
    ]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"initialization_content_type": "text/plain"},
         'expected one of application/x-www-form-urlencoded, application/json; got "text/plain"'),
        ({"a2a_version": "0.2"}, 'expected one of 0.3, 1.0; got "0.2"'),
        ({"a2a_version": 1.0}, "expected one of 0.3, 1.0; got 1.0"),
        ({"terminal_states": "failed"}, 'expected a list; got "failed"'),
        ({"model": "m"}, "unknown key; expected one of "),
        ({"custom_data": 5}, "expected an object, or a string that encodes one; got ***"),
    ],
)  # fmt: skip
def test_what_a_key_of_a2a_refuses(metadata, message):
    (key,) = metadata
    (told,) = faults(A2A, **metadata)
    assert told.startswith(f"metadata.{key}: {message}")


def test_states_have_their_names_of_either_version():
    options = load(A2A, terminal_states=["TASK_STATE_AUTH_REQUIRED", "TASK_STATE_CANCELLED", "TASK_STATE_CANCELED"],
                   new_task_states=["input-required"])  # fmt: skip
    assert options.terminal_states == ("auth-required", "canceled", "canceled")
    assert options.new_task_states == ("input-required",)
    assert faults(A2A, terminal_states=["cancelled", "TASK_STATE_UNSPECIFIED", "TASK_STATE_failed", 5]) == [
        f'metadata.terminal_states[0]: expected one of {STATES} (did you mean canceled?); got "cancelled"',
        f'metadata.terminal_states[1]: expected one of {STATES}; got "unspecified"',
        f'metadata.terminal_states[2]: expected one of {STATES}; got "TASK_STATE_failed"',
        f"metadata.terminal_states[3]: expected one of {STATES}; got 5",
    ]


def test_a_state_has_one_consequence():
    assert load(A2A, terminal_states=["completed"]).new_task_states == ()
    assert load(A2A, terminal_states=[], new_task_states=["failed", "completed"]).new_task_states[0] == "failed"
    for metadata in ({"new_task_states": ["working", "TASK_STATE_FAILED"]},
                     {"terminal_states": ["failed"], "new_task_states": ["completed", "failed"]}):  # fmt: skip
        assert faults(A2A, **metadata) == [
            "metadata.new_task_states[1]: expected a state that does not end the conversation; failed is in "
            "terminal_states (failed, canceled, rejected where it is not given), take it out of one"
        ]


def test_authorization_is_given_and_sent_once():
    assert faults(authorization_header="Bearer a", authentication_token="b") == [
        "metadata.authentication_token: expected it or authorization_header; got both, remove one"
    ]
    assert faults(authentication_token="a", custom_headers={"authorization": "Bearer b"}) == [
        "metadata.custom_headers.authorization: expected it once; authentication_token sends it too, remove one"
    ]
    assert faults(A2A, authorization_header="X-API-Key a", custom_headers={"x-api-key": "b"}) == [
        "metadata.custom_headers.x-api-key: expected it once; authorization_header sends it too, remove one"
    ]
    assert load(authentication_token="a", custom_headers={"X-API-Key": "b"})


@pytest.mark.parametrize("name", ["Host", "content-length", "Expect", "TE", "Transfer-Encoding", "Upgrade"])
def test_headers_of_the_connection_are_its_own(name):
    assert faults(custom_headers={name: "x"}) == [
        f"metadata.custom_headers.{name}: expected no header that the connection sets by itself; remove it"
    ]


CHOOSE = "metadata.input_template: expected it or an OpenAI-compatible request, which {} asks for; got both, choose one"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"model": "m", "temperature": 0.5}, CHOOSE.format("model, temperature")),
        ({"openai_compatible": True}, CHOOSE.format("openai_compatible")),
        ({"authentication_token": "t"}, CHOOSE.format("authentication_token")
         + "; openai_compatible: false sends the token all the same"),
    ],
)  # fmt: skip
def test_a_request_has_one_shape(metadata, message):
    assert faults(input_template="{}", **metadata) == [message]


def test_what_only_the_models_api_takes_is_not_dropped_in_silence():
    assert faults(openai_compatible=False, model="m", system_prompt="p", authentication_token="t") == [
        f"metadata.{key}: expected openai_compatible: true, or it has no effect; got false, remove one"
        for key in ("model", "system_prompt")
    ]


def test_a_repr_shows_nothing():
    assert repr(load(authentication_token="sesame")) == "ChatOptions()"
    assert repr(load(A2A, authorization_header="Bearer sesame")) == "ChatA2AOptions()"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
KEYS = sorted({field.name for cls in (ChatOptions, ChatA2AOptions) for field in attrs.fields(cls)})


@given(st.sampled_from([CHAT, A2A]), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_whatever_metadata_says_it_loads_or_is_faulted(model_type, metadata):
    try:
        options = load(model_type, **metadata)
    except Faulty as faulty:
        assert all(str(fault).isprintable() for fault in faulty.faults)
    else:
        assert options.chat_endpoint
        assert isinstance(options.authorization, dict)


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"extra_body": {"messages": []}}, "extra_body.messages: expected parameters beside those that every turn"),
        ({"extra_body": {"stream": True}}, "extra_body.stream: expected parameters beside those that every turn"),
        ({"extra_body": {"a": 1}, "input_template": "{}"}, "extra_body: expected it or input_template"),
    ],
)
def test_further_parameters_that_can_not_be(metadata, fault):
    (told,) = faults(**metadata)
    assert told.startswith(f"metadata.{fault}")
