"""What must be shown nowhere is shown nowhere."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.addresses import Targets
from coval_load.agents.loading import load_agent
from coval_load.agents.options.registry import OPTIONS
from coval_load.agents.secrets import DEEPEST, Redactor, filled_secrets, is_secret_key, mask_at, masked, secrets_of
from coval_load.faults import Faulty

SECRETS = {"AUTH": "auth-sesame", "HEADER": "header-sesame", "SHORT": "q7", "ATTR": 'attr "sesame"'}


def agent(**metadata):
    body = {
        "display_name": "x",
        "model_type": "MODEL_TYPE_WEBSOCKET",
        "attributes": {"account": "${ATTR}", "Other-Api-Key": "keyed-sesame", "n": 7},
        "metadata": {
            "endpoint": "wss://a.example/ws?api_key=query-sesame",
            "authorization_header": "Bearer ${AUTH}",
            "custom_headers": {"X-Custom": "${HEADER}", "X-Short": "${SHORT}"},
            "http_headers": {"Authorization": "Bearer plain-sesame"},
            "initialization_json": '{"pin": "${SHORT}", "my_api_key": ["listed-sesame"]}',
        }
        | metadata,
    }
    return load_agent(body, options=OPTIONS, targets=Targets(), environ=SECRETS)


def test_every_secret_of_an_agent_is_known():
    known = secrets_of(agent())
    assert known >= {
        "auth-sesame", "Bearer auth-sesame", "header-sesame", "q7", 'attr "sesame"', "keyed-sesame", "query-sesame",
        "Bearer plain-sesame", "plain-sesame", "listed-sesame",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("plain-sesame-{{run_id}}", {"plain-sesame-"}),
        ("Bearer plain-sesame-{{ run_id }}.end-sesame", {"plain-sesame-", ".end-sesame"}),
        ("{{agent.Other-Api-Key}}:{{agent.tokens.own}}", {":", "keyed-sesame", "own-sesame"}),
        ("Bearer {{agent.nobody}}", set()),
    ],
)
def test_of_a_header_that_is_filled_later_what_will_be_sent_is_a_secret(value, secrets):
    body = {
        "display_name": "x",
        "model_type": "MODEL_TYPE_WEBSOCKET",
        "attributes": {"Other-Api-Key": "keyed-sesame", "tokens": {"own": "own-sesame"}},
        "metadata": {"endpoint": "wss://a.example/ws", "custom_headers": {"X-A": value}},
    }
    known = secrets_of(load_agent(body, options=OPTIONS, targets=Targets(), environ={}))
    assert known - {"keyed-sesame"} == secrets - {"keyed-sesame"}


def chat_agent(model_type="MODEL_TYPE_CHAT", **metadata):
    body = {
        "display_name": "x",
        "model_type": model_type,
        "attributes": {"pair": {"secret": "attribute-sesame"}},
        "metadata": {
            "chat_endpoint": "https://a.example/chat",
            "custom_headers": {"X-Tenant": "header-sesame"},
            "custom_data": '{"tenant": {"api_key": "custom-sesame"}, "tier": "gold"}',
            "initialization_endpoint": "https://a.example/sessions",
            "initialization_payload": {
                "grant_type": "client_credentials",
                "client_id": "shown",
                "client_secret": "payload-sesame",
                "access_token": ["{{agent.pair.secret}}", "fixed-sesame-{{ test_case.end }}"],
            },
        }
        | metadata,
    }
    return load_agent(body, options=OPTIONS, targets=Targets(), environ={})


CHAT_SECRETS = {"header-sesame", "custom-sesame", "payload-sesame", "attribute-sesame", "fixed-sesame-"}


@pytest.mark.parametrize(
    ("model_type", "metadata", "secrets"),
    [
        ("MODEL_TYPE_CHAT", {"authentication_token": "token-sesame", "system_prompt": "sys"}, {"token-sesame"}),
        ("MODEL_TYPE_CHAT", {"authentication_token": "Bearer token-sesame"}, {"Bearer token-sesame", "token-sesame"}),
        ("MODEL_TYPE_CHAT", {"custom_persona_data": {"password": "data-sesame"}}, {"data-sesame"}),
        (
            "MODEL_TYPE_CHAT",
            {"input_template": '{"m": {{messages}}, "n": "{{n}}", "api_key": "template-sesame"}'},
            {"template-sesame"},
        ),
        (
            "MODEL_TYPE_CHAT",
            {"input_template": {"m": "{{messages}}", "api_key": "{{agent.pair}} template-sesame"}},
            {"template-sesame"},
        ),
        ("MODEL_TYPE_CHAT_A2A", {"authorization_header": "X-API-Key token-sesame"}, {"token-sesame"}),
    ],
)
def test_secrets_of_agents_over_http(model_type, metadata, secrets):
    loaded = chat_agent(model_type, **metadata)
    assert {secret for secret in loaded.secrets if "sesame" in secret} >= CHAT_SECRETS | secrets
    assert loaded.secrets.isdisjoint({"shown", "gold", "sys", "client_credentials", "{{agent.pair.secret}}"})
    shown = masked(loaded)
    assert "sesame" not in json.dumps(shown)
    assert shown["metadata"]["custom_data"] == {"tenant": {"api_key": "***"}, "tier": "gold"}
    payload = shown["metadata"]["initialization_payload"]
    assert (payload["client_id"], payload["client_secret"], payload["access_token"]) == ("shown", "***", "***")


def test_what_a_secret_is_filled_with_is_one_too():
    loaded = chat_agent(
        custom_headers={"X-A": "{{test_case.id_card}}"},
        initialization_payload={"api_key": "{{persona.k.x}}", "a": "{{persona.a}}"},
    )
    cases = [{"id_card": "card-sesame", "end": "no"}]
    personas = [{"k": {"x": "persona-sesame"}, "a": "no"}, {}]
    assert set(filled_secrets(loaded, cases, personas)) == {"card-sesame", "persona-sesame"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"chat_endpoint": "https://a.example/sesame?sesame"},
        {"authentication_token": "two sesames"},
        {"authorization_header": "sesame"},
        {"custom_data": "sesame"},
        {"initialization_payload": ["sesame"]},
        {"input_template": ["sesame"]},
        {"custom_headers": {"X": "sesame\n"}},
    ],
)
def test_no_fault_of_an_agent_over_http_shows_a_secret(metadata):
    with pytest.raises(Faulty) as caught:
        chat_agent(**metadata)
    assert "sesame" not in str(caught.value)


def test_masked_gives_the_resolved_body_without_secrets():
    shown = masked(agent())
    text = json.dumps(shown)
    assert "sesame" not in text
    assert "q7" not in text
    assert shown["metadata"]["send_sample_rate_hertz"] == 16000
    assert shown["metadata"]["endpoint"] == "wss://a.example/ws?api_key=***"
    assert shown["metadata"]["custom_headers"] == {"X-Custom": "***", "X-Short": "***"}
    assert shown["attributes"] == {"account": "***", "Other-Api-Key": "***", "n": 7}


def test_no_repr_shows_a_secret():
    loaded = agent()
    for thing in (loaded, loaded.body, loaded.options, Redactor(loaded.secrets)):
        assert "sesame" not in repr(thing)
        assert "q7" not in repr(thing)


@pytest.mark.parametrize(
    "metadata",
    [
        {"endpoint": "http://${AUTH}.example/${HEADER}"},
        {"endpoint": "wss://me:${AUTH}@a.example/"},
        {"authorization_header": "Sesame ${AUTH}"},
        {"authorization_header": ["${AUTH}"]},
        {"custom_headers": {"X": "${AUTH}\n"}},
        {"custom_headers": ["${AUTH}"]},
        {"custom_headers": '{"X": "${AUTH}"'},
        {"initialization_json": "${AUTH}"},
        {"send_sample_rate_hertz": "${AUTH}"},
        {"audio_encoding": "${SHORT}"},
        {"send_audio_template": "${AUTH}"},
        {"authorization_header": "written-sesame"},
        {"custom_headers": {"X": "written-sesame\r\n"}},
        {"custom_headers": "written-sesame"},
        {"initialization_json": "written-sesame"},
        {"message_type_path": "${AUTH}" * 30 + ".."},
    ],
)
def test_no_fault_shows_a_secret(metadata):
    with pytest.raises(Faulty) as caught:
        agent(**metadata)
    assert "sesame" not in str(caught.value).lower()
    assert "q7" not in str(caught.value)


def test_longer_secrets_go_first():
    redactor = Redactor(["abcd", "abcdefgh", "cdefg"])
    assert redactor.text("abcdefgh abcd xcdefgx") == "*** *** x***x"


def test_short_secrets_are_left_to_masking():
    assert Redactor(["abc"]).text("abc") == "abc"
    assert Redactor(["abc"], shortest=1).text("abc") == "***"


def test_keys_are_cleaned_and_other_values_kept():
    value = {"a-secret": [1, None, True, 2.5, ("secret",)]}
    assert Redactor(["secret"]).clean(value) == {"a-***": [1, None, True, 2.5, ["***"]]}


def test_without_secrets_a_value_is_handed_back_as_it_is():
    value = {"a": [1]}
    assert Redactor([]).clean(value) is value


def test_nesting_without_end_does_not_crash_it():
    deep = ["secret"]
    for _ in range(5000):
        deep = [deep]
    cleaned, depth = Redactor(["secret"]).clean(deep), 0
    while isinstance(cleaned, list):
        cleaned, depth = cleaned[0], depth + 1
    assert (cleaned, depth) == ("***", DEEPEST)


@given(st.text(min_size=4).filter(lambda text: "*" not in text), st.text(), st.text())
def test_a_secret_is_found_however_it_is_written(secret, before, after):
    redactor = Redactor([secret])
    try:
        forms = [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret)]
    except UnicodeEncodeError:
        forms = [secret]
    for form in forms:
        assert secret not in redactor.text(before + form + after).replace("***", "*")
        assert "***" in redactor.text(before + form + after)


@pytest.mark.parametrize(("key", "is_one"), [("api_key", True), ("X-API-Key", True), ("openaiApiKey", True),
                                             ("client_secret", True), ("clientSecret", True), ("access-token", True),
                                             ("authentication_token", True), ("password", True), ("api_keys", False),
                                             ("key", False), ("max_tokens", False),
                                             ("system_prompt", False)])  # fmt: skip
def test_keys_that_name_a_secret(key, is_one):
    assert is_secret_key(key) is is_one


def test_places_are_masked_where_they_stand():
    document = {"a": [1, {"b": "x"}], "c": "template", "d": None}
    assert mask_at(document, [("a", 1, "b"), ("c", "deeper"), ("d",), ("nowhere",), ("a", 9)]) == {
        "a": [1, {"b": "***"}], "c": "***", "d": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("got 'xxxx sesame-op'", "got 'xxxx ***'"),
        ("got 'xxxx sesame-open-n…'", "got 'xxxx ***…'"),
        ("code 4000 (sesame-open)", "code 4000 (***)"),
        ("x" * 80 + " sesame-o", "x" * 80 + " ***"),
        ("sesame-open-now and 'sesame-open'", "*** and '***'"),
        ("x" * 60 + " sesame-open-now other-s", "x" * 60 + " *** ***"),
        ("'sesam'", "'sesam'"),
        ("sesame-o", "sesame-o"),
        ("sesame-oil is a secret's name", "sesame-oil is a secret's name"),
    ],
)
def test_what_is_left_of_a_secret_that_was_cut_short_is_hidden_too(text, shown):
    assert Redactor({"sesame-open-now", "other-secret"}).text(text) == shown


def test_a_secret_is_found_as_repr_shows_it():
    secret = "it's \\ so"
    assert Redactor({secret}).text(repr(f'"{secret}"')) == "'\"***\"'"


SCHEMA = {"properties": {"headers": {"type": "object"}, "authorization": {"type": "string"}}}
MCP = {"type": "mcp", "server_label": "x", "authorization": "mcp-sesame", "headers": {"X-Custom": "header-sesame"}}
SERVER = {"streamableHttpTransport": {"headers": {"Authorization": "mcp-sesame", "X-Custom": "header-sesame"}}}
KEYED = {"authConfig": {"apiKeyConfig": {"apiKeyString": "mcp-sesame"}}, "password": "header-sesame"}


@pytest.mark.parametrize(
    ("api", "tool", "function"),
    [
        ("openai", MCP, {"type": "function", "name": "f", "parameters": SCHEMA}),
        ("gemini", {"mcpServers": [SERVER]}, {"functionDeclarations": [{"name": "f", "parameters": SCHEMA}]}),
        ("gemini", {"retrieval": KEYED}, {"function_declarations": [{"name": "f", "parameters": SCHEMA}]}),
    ],
)
def test_what_tools_reach_other_servers_with_is_a_secret(api, tool, function):
    body = {
        "display_name": "x",
        "model_type": f"MODEL_TYPE_{api.upper()}_REALTIME",
        "metadata": {f"{api}_realtime_api_key": "key-sesame", "tools": [tool, function]},
    }
    loaded = load_agent(body, options=OPTIONS, targets=Targets(), environ={})
    assert secrets_of(loaded) == {"key-sesame", "mcp-sesame", "header-sesame"}
    assert "sesame" not in json.dumps(masked(loaded))
    assert masked(loaded)["metadata"]["tools"][1] == function


def test_a_placeholder_in_what_tools_reach_other_servers_with_is_filled_with_a_secret():
    tools = [{"type": "mcp", "authorization": "{{test_case.token}}"}]
    body = {
        "display_name": "x",
        "model_type": "MODEL_TYPE_OPENAI_REALTIME",
        "metadata": {"openai_realtime_api_key": "key-sesame", "tools": tools},
    }
    loaded = load_agent(body, options=OPTIONS, targets=Targets(), environ={})
    assert set(filled_secrets(loaded, [{"token": "case-sesame", "name": "Ada"}])) == {"case-sesame"}
