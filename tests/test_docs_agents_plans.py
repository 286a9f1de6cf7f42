"""What the documentation shows loads, and its tables have the keys and defaults of the classes."""

import json

import attrs
import pytest
import trustme
from docs_pages import blocks, is_said, rows

from coval_load.actors.protocols import known_protocols, template_faults
from coval_load.agents.body import Body
from coval_load.agents.options.chat import ChatOptions
from coval_load.agents.options.chat_a2a import ChatA2AOptions
from coval_load.agents.options.chat_websocket import ChatWebSocketOptions
from coval_load.agents.options.connection import ConnectionOptions
from coval_load.agents.options.gemini_realtime import GeminiRealtimeOptions
from coval_load.agents.options.http_chat import HttpChatOptions
from coval_load.agents.options.openai_realtime import OpenAIRealtimeOptions
from coval_load.agents.options.websocket import WebSocketOptions
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.plans.documents import read_document
from coval_load.plans.loading import load_plan
from coval_load.plans.schema import (
    ConnectionsSection,
    Persona,
    PlanFile,
    ReconnectSection,
    RecordSection,
    TestCase,
    TimeoutsSection,
    WorkersSection,
)
from coval_load.strict import keys_of

ENVIRON = dict.fromkeys(("SUPPORT_TOKEN", "SESSION_TOKEN", "OPENAI_API_KEY", "GEMINI_API_KEY"), "sesame")
AGENT = {
    "display_name": "x",
    "model_type": "MODEL_TYPE_WEBSOCKET",
    "metadata": {"endpoint": "wss://a.example", "send_dtmf_template": "{{digit}}"},
}
AGENTS = {
    "openai": AGENT | {"model_type": "MODEL_TYPE_CHAT", "metadata": {"chat_endpoint": "https://a.example"}},
    "realtime": AGENT | {"model_type": "MODEL_TYPE_OPENAI_REALTIME", "metadata": {"openai_realtime_api_key": "key"}},
}
CASES = [{"id": "a", "turns": [{"type": "audio", "audio": "clip:pizza-order", "text": "A pizza, please."}]}]
BLOCKS = [
    pytest.param(AGENTS.get(name, AGENT), language, text, id=f"{name}-{number}")
    for name in ("agents", "plans", "http_agents", "openai", "realtime")
    for number, (language, text) in enumerate(blocks(name))
    if language not in ("", "sh", "csv")
]


@pytest.fixture
def folder(tmp_path):
    for name in ("clips/pizza.wav", "menu.png", "agents/support-voice.json", "agent.json", "cases.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(AGENT if path.suffix == ".json" else CASES))
    (tmp_path / "accounts.csv").write_text(next(text for language, text in blocks("plans") if language == "csv"))
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path


@pytest.mark.parametrize(("agent", "language", "text"), BLOCKS)
def test_a_block_loads(folder, agent, language, text):
    (folder / "agent.json").write_text(json.dumps(agent))
    file = folder / f"shown.{language}"
    file.write_text(text)
    shown = read_document(file)
    if "agents" in shown:
        plan = file
    else:
        whole = {"agents": [str(file)], "test_set": CASES}
        if "model_type" not in shown:
            whole = {"agents": [str(folder / "agent.json")], "test_set": str(file)}
        if "ws://127" in text:
            whole["targets"] = {"allow_private": True, "allow_plaintext": True}  # as the page says beside it
        plan = folder / "plan.json"
        plan.write_text(json.dumps(whole))
    loaded = load_plan(
        plan,
        environ=ENVIRON,
        clip_names=CLIPS,
        speech=lambda text: folder / "clips/pizza.wav",
        checks=lambda agent: template_faults(agent, known_protocols()),
    )
    assert loaded.test_cases


def test_there_are_blocks():
    assert {parameter.id.split("-")[0] for parameter in BLOCKS} == {
        "agents",
        "plans",
        "http_agents",
        "openai",
        "realtime",
    }


CONNECTION = set(keys_of(ConnectionOptions))
OVER_HTTP = set(keys_of(HttpChatOptions))
OF_A_MODEL = ("model", "temperature")
SAID_IN_WORDS = {
    "openai_compatible": "whether one of the next five is given",
    "a2a_version": "from the agent card, or `0.3` where there is none",
}


@pytest.mark.parametrize(
    ("page", "heading", "keys"),
    [
        ("agents", "The body", set(keys_of(Body))),
        ("agents", "Reaching the agent", CONNECTION),
        ("agents", "Voice: `MODEL_TYPE_WEBSOCKET`", set(keys_of(WebSocketOptions)) - CONNECTION),
        ("agents", "Chat: `MODEL_TYPE_CHAT_WEBSOCKET`", set(keys_of(ChatWebSocketOptions)) - CONNECTION),
        ("http_agents", "Keys of both", OVER_HTTP),
        ("http_agents", "Chat: `MODEL_TYPE_CHAT`", set(keys_of(ChatOptions)) - OVER_HTTP),
        ("http_agents", "A2A: `MODEL_TYPE_CHAT_A2A`", set(keys_of(ChatA2AOptions)) - OVER_HTTP),
        ("realtime", "Keys: OpenAI Realtime", set(keys_of(OpenAIRealtimeOptions))),
        ("realtime", "Keys: Gemini Live", set(keys_of(GeminiRealtimeOptions))),
        ("plans", "", set(keys_of(PlanFile))),
        ("plans", "Personas", set(keys_of(Persona))),
        ("plans", "Test sets", set(keys_of(TestCase))),
        ("plans", "Timeouts", set(keys_of(TimeoutsSection))),
        ("plans", "Reconnecting", set(keys_of(ReconnectSection))),
        ("plans", "Connections", set(keys_of(ConnectionsSection))),
        ("plans", "Workers", set(keys_of(WorkersSection))),
        ("plans", "Recording", set(keys_of(RecordSection))),
    ],
)
def test_a_table_has_every_key(page, heading, keys):
    assert set(rows(page, heading)) == keys


@pytest.mark.parametrize(
    ("page", "heading", "made"),
    [
        ("agents", "Reaching the agent", ConnectionOptions()),
        ("agents", "Voice: `MODEL_TYPE_WEBSOCKET`", WebSocketOptions()),
        ("agents", "Chat: `MODEL_TYPE_CHAT_WEBSOCKET`", ChatWebSocketOptions()),
        ("realtime", "Keys: OpenAI Realtime", OpenAIRealtimeOptions(openai_realtime_api_key="")),
        ("realtime", "Keys: Gemini Live", GeminiRealtimeOptions(gemini_realtime_api_key="")),
        ("plans", "Personas", Persona()),
        ("plans", "Timeouts", TimeoutsSection()),
        ("plans", "Reconnecting", ReconnectSection()),
        ("plans", "Connections", ConnectionsSection()),
        ("plans", "Workers", WorkersSection()),
        ("plans", "Recording", RecordSection()),
    ],
)
def test_a_table_has_the_defaults(page, heading, made):
    values = attrs.asdict(made)
    for key, cell in rows(page, heading).items():
        assert is_said(cell, values[key]) or "if raw bytes are sent" in cell, key


@pytest.mark.parametrize(
    ("heading", "made"),
    [
        ("Keys of both", HttpChatOptions()),
        ("Chat: `MODEL_TYPE_CHAT`", ChatOptions()),
        ("A2A: `MODEL_TYPE_CHAT_A2A`", ChatA2AOptions()),
    ],
)
def test_a_table_of_agents_over_http_has_the_defaults(heading, made):
    of_a_model = ChatOptions(openai_compatible=True)
    for key, cell in rows("http_agents", heading).items():
        plain, said, of_model = cell.partition("; for an OpenAI-compatible API ")
        if said:
            assert is_said(plain, getattr(made, key)), key
            assert is_said(of_model, getattr(of_a_model, key)), key
        elif key in OF_A_MODEL:
            assert getattr(made, key) is None
            assert is_said(cell, getattr(of_a_model, key)), key
        else:
            assert is_said(cell, getattr(made, key)) or SAID_IN_WORDS[key] in cell, key
