"""From a body to an `Agent`, or to every fault in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.addresses import Targets
from coval_load.agents.loading import load_agent
from coval_load.agents.model_types import ModelType
from coval_load.agents.options.registry import OPTIONS
from coval_load.agents.options.websocket import WebSocketOptions
from coval_load.faults import Fault, Faulty

BODY = {
    "display_name": "Support",
    "model_type": "MODEL_TYPE_WEBSOCKET",
    "metadata": {"endpoint": "wss://a.example/ws"},
}


def load(body, **given):
    return load_agent(body, **{"options": OPTIONS, "targets": Targets(), "environ": {}} | given)


def faults(body, **given):
    with pytest.raises(Faulty) as caught:
        load(body, **given)
    return [str(fault) for fault in caught.value.faults]


def test_a_body_with_every_key():
    agent = load(
        BODY
        | {
            "phone_number": "+12345678901",
            "endpoint": "https://a.example/hook",
            "prompt": "Be kind.",
            "customer_agent_id": "c-1",
            "language": "en",
            "attributes": {"tier": "gold"},
            "workflows": {"a": 1},
            "metric_ids": ["abc123def456ghi789jklm"],
            "test_set_ids": ["gT5wq2Hn"],
            "tags": ["production"],
        }
    )
    assert agent.name == agent.display_name == "Support"
    assert agent.model_type is ModelType.WEBSOCKET
    assert agent.attributes == {"tier": "gold"}
    assert isinstance(agent.options, WebSocketOptions)
    assert agent.body.tags == ("production",)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"display_name": ""}, "display_name: expected 1 to 200 characters; got 0"),
        ({"display_name": None}, "display_name: expected a string; got null"),
        ({"phone_number": "12345"}, "phone_number: expected an E.164 number such as +12345678901 or an address"),
        ({"endpoint": "ftp://a"}, "endpoint: expected a webhook URL starting with https:// or http://"),
        ({"endpoint": "https://" + "a" * 200}, "endpoint: expected 1 to 200 characters; got 208"),
        ({"prompt": "a" * 50_001}, "prompt: expected 0 to 50000 characters; got 50001"),
        ({"customer_agent_id": "a" * 201}, "customer_agent_id: expected 1 to 200 characters; got 201"),
        ({"metric_ids": ["abc"]}, 'metric_ids[0]: expected 22 characters of A-Z, a-z and 0-9; got "abc"'),
        ({"test_set_ids": ["abc"]}, 'test_set_ids[0]: expected 8 characters of A-Z, a-z and 0-9; got "abc"'),
        ({"tags": ["a"] * 21}, "tags: expected 0 to 20 items; got 21"),
        ({"tags": [""]}, "tags[0]: expected 1 to 200 characters; got 0"),
        ({"attributes": [1]}, "attributes: expected an object, or a string that encodes one; got a list"),
        ({"workflows": {"a": "x" * 10_485_760}}, "workflows: expected at most 10485760 bytes of JSON; got 10485768"),
        ({"metadata": "wss://"}, "metadata: expected an object, or a string that encodes one"),
        ({"model_types": 1}, "model_types: unknown key; did you mean model_type?"),
    ],
)
def test_what_a_key_refuses(change, fault):
    (got,) = faults(BODY | change)
    assert got.startswith(fault)


@pytest.mark.parametrize("number", ["+12345678901", "sip:user@domain.com", "sips:user@domain.com:5061"])
def test_phone_numbers(number):
    assert load(BODY | {"phone_number": number}).body.phone_number == number


def test_a_model_type_that_can_not_be_simulated_yet_is_named_as_such():
    for model_type in set(ModelType) - set(OPTIONS):
        told = faults({"display_name": "x", "model_type": str(model_type), "phone_number": "+12345678901",
                       "endpoint": "https://a.example"})  # fmt: skip
        assert told == [
            "model_type: expected one of MODEL_TYPE_WEBSOCKET, MODEL_TYPE_CHAT_WEBSOCKET, MODEL_TYPE_CHAT, "
            "MODEL_TYPE_CHAT_A2A, MODEL_TYPE_OPENAI_REALTIME, MODEL_TYPE_GEMINI_REALTIME; "
            f"{model_type} ({model_type.description}) can't be simulated yet"
        ]


def test_an_unknown_model_type_is_an_unknown_one():
    (told,) = faults(BODY | {"model_type": "MODEL_TYPE_WEBSOKET"})
    assert "did you mean MODEL_TYPE_WEBSOCKET?" in told
    assert "yet" not in told


@pytest.mark.parametrize(
    ("model_type", "key"),
    [
        ("MODEL_TYPE_VOICE", "phone_number"),
        ("MODEL_TYPE_SMS", "phone_number"),
        ("MODEL_TYPE_OUTBOUND_VOICE", "endpoint"),
    ],
)
def test_what_a_model_type_requires(model_type, key):
    told = faults({"display_name": "x", "model_type": model_type})
    assert any(fault.startswith(f"{key}: expected ") and f"required for {model_type}" in fault for fault in told)


def test_sms_takes_no_sip_address():
    told = faults({"display_name": "x", "model_type": "MODEL_TYPE_SMS", "phone_number": "sip:a@b.example"})
    assert any(fault.startswith("phone_number: expected an E.164 number") for fault in told)


def test_faults_of_body_options_and_addresses_come_together_under_the_path():
    told = faults(
        {"display_name": 5, "model_type": "MODEL_TYPE_WEBSOCKET", "metadata": {"endpoint": "ws://a", "rate": "${NO}"}},
        path="agents[3]",
    )
    assert {fault.partition(": ")[0] for fault in told} == {
        "agents[3].display_name",
        "agents[3].metadata.endpoint",
        "agents[3].metadata.rate",
    }


def test_a_variable_that_is_not_set_is_the_only_fault_of_its_field():
    assert faults(BODY | {"metadata": {"endpoint": "wss://a.example", "authorization_header": "${NOPE}"}}) == [
        "metadata.authorization_header: expected the environment variable NOPE to be set; it is not"
    ]


def test_variables_reach_the_options():
    body = BODY | {"metadata": {"endpoint": "wss://${HOST}/ws", "authorization_header": "Bearer ${TOKEN}"}}
    agent = load(body, environ={"HOST": "a.example", "TOKEN": "sesame"})
    assert agent.options.endpoint == "wss://a.example/ws"
    assert agent.options.authorization_header == "Bearer sesame"
    assert {"a.example", "sesame", "Bearer sesame"} <= agent.secrets


def test_checks_are_asked_last_and_told_under_the_path():
    def checks(agent):
        yield Fault("metadata.send_audio_template", f"expected better of {agent.options.audio_encoding}")

    assert faults(BODY, checks=checks, path="agents[0]") == [
        "agents[0].metadata.send_audio_template: expected better of pcm"
    ]
    assert len(faults(BODY | {"tag": 1}, checks=checks)) == 1


def test_targets_are_lifted_by_the_plan():
    body = BODY | {"metadata": {"endpoint": "ws://127.0.0.1:8080/ws"}}
    assert load(body, targets=Targets(allow_plaintext=True, allow_private=True))
    assert len(faults(body)) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(
    st.sampled_from(["MODEL_TYPE_WEBSOCKET", "MODEL_TYPE_CHAT_WEBSOCKET"]),
    st.dictionaries(st.sampled_from([*WebSocketOptions.__annotations__, "endpoint", "custom_headers"]), JSON),
)
def test_whatever_metadata_says_it_loads_or_is_faulted(model_type, metadata):
    try:
        agent = load({"display_name": "x", "model_type": model_type, "metadata": metadata})
    except Faulty as faulty:
        assert all(str(fault).isprintable() for fault in faulty.faults)
    else:
        assert agent.options.endpoint
