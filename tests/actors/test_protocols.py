from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace

import attrs
import pytest

from coval_load.actors import protocols
from coval_load.actors.protocols import AgentProtocol, known_protocols, template_faults
from coval_load.agents.addresses import Targets
from coval_load.agents.loading import load_agent
from coval_load.agents.options.registry import OPTIONS

VOICE, CHAT = "MODEL_TYPE_WEBSOCKET", "MODEL_TYPE_CHAT_WEBSOCKET"
HTTP = ("MODEL_TYPE_CHAT", "MODEL_TYPE_CHAT_A2A")
THEIRS = AgentProtocol("chat", SimpleNamespace, lambda options: options, lambda form: [])


def agent(model_type=VOICE, **metadata):
    endpoint = {"chat_endpoint": "https://agent.example"} if model_type in HTTP else {"endpoint": "wss://agent.example"}
    body = {"display_name": "a", "model_type": model_type, "metadata": {**endpoint, **metadata}}
    return load_agent(body, options=OPTIONS, targets=Targets(), environ={})


def faults(*given, **metadata):
    return {fault.path: fault.message for fault in template_faults(agent(*given, **metadata), known_protocols())}


def test_ours_are_there_with_the_options_that_agents_are_loaded_with():
    known = known_protocols()
    assert set(OPTIONS) <= set(known)
    for model_type in OPTIONS:
        assert known[model_type].options is OPTIONS[model_type]


@pytest.mark.parametrize("model_type", [VOICE, CHAT, *HTTP])
def test_every_option_that_shapes_a_message_reaches_the_format(model_type):
    options = agent(model_type).options
    form = known_protocols()[model_type].make_format(options)
    for field in attrs.fields(type(form)):
        value = getattr(options, field.name)
        assert getattr(form, field.name) == (tuple(value) if isinstance(value, list) else value)
    assert form.open({}) is not None
    assert faults(model_type) == {}


def add(monkeypatch, name):
    point = EntryPoint(name, f"{__name__}:THEIRS", protocols.ENTRY_POINTS)
    monkeypatch.setattr(protocols, "entry_points", lambda group: EntryPoints([point]).select(group=group))


def test_another_package_may_add_one(monkeypatch):
    add(monkeypatch, "MODEL_TYPE_THEIRS")
    assert known_protocols()["MODEL_TYPE_THEIRS"] == THEIRS
    assert VOICE in known_protocols()


def test_but_not_in_place_of_ours(monkeypatch):
    add(monkeypatch, VOICE)
    assert known_protocols()[VOICE].medium == "voice"


@pytest.mark.parametrize("model_type", HTTP)
def test_headers_over_http_are_the_formats_own_and_asked_for_once(model_type):
    loaded = agent(model_type, custom_headers={"X": "{{nobody}}"})
    found = [fault.path for fault in template_faults(loaded, known_protocols())]
    assert found == ["metadata.custom_headers.X"]


def test_faults_of_templates_name_their_field():
    found = faults(
        send_audio_template='{"audio": "{{audio_data}} {{adio_data}}"}',
        custom_headers={"X": "{{nobody}}"},
        initialization_json={"id": "{{who.knows}}"},
    )
    assert set(found) == {"metadata.send_audio_template", "metadata.custom_headers.X", "metadata.initialization_json"}
    assert "nobody" in found["metadata.custom_headers.X"]


def test_faults_of_http_first():
    found = faults(
        CHAT,
        connection_mode="http_first",
        http_url="https://agent.example/start",
        websocket_url_response_path="url",
        http_headers={"X": "{{nobody}}"},
        http_request_body={"x": ["{{neither}}"]},
    )
    assert set(found) == {"metadata.http_headers.X", "metadata.http_request_body"}
