"""What docs/agents.md and docs/plans.md show loads, and their tables have the keys and defaults of the classes."""

import json
import re
from pathlib import Path

import attrs
import pytest
import trustme

from coval_load.agents.body import Body
from coval_load.agents.options.chat_websocket import ChatWebSocketOptions
from coval_load.agents.options.connection import ConnectionOptions
from coval_load.agents.options.websocket import WebSocketOptions
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.plans.documents import read_document
from coval_load.plans.loading import load_plan
from coval_load.plans.schema import LoadSection, Persona, PlanFile, RecordSection, TestCase, TimeoutsSection
from coval_load.strict import keys_of

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text("utf-8") for name in ("agents", "plans")}
BLOCKS = [
    pytest.param(language, text, id=f"{name}-{number}")
    for name, page in PAGES.items()
    for number, (language, text) in enumerate(re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
]
ENVIRON = {"SUPPORT_TOKEN": "sesame", "SESSION_TOKEN": "sesame"}
AGENT = {
    "display_name": "x",
    "model_type": "MODEL_TYPE_WEBSOCKET",
    "metadata": {"endpoint": "wss://a.example", "send_dtmf_template": "{{digit}}"},
}
CASES = [{"id": "a", "turns": [{"type": "skip"}]}]


@pytest.fixture
def folder(tmp_path):
    for name in ("clips/pizza.wav", "menu.png", "agents/support-voice.json", "agent.json", "cases.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(AGENT if path.suffix == ".json" else CASES))
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path


@pytest.mark.parametrize(("language", "text"), BLOCKS)
def test_a_block_loads(folder, language, text):
    file = folder / f"shown.{language}"
    file.write_text(text)
    shown = read_document(file)
    if "agents" in shown:
        plan = file
    else:
        whole = {"agents": [str(file)], "test_set": CASES}
        if "model_type" not in shown:
            whole = {"agents": [str(folder / "agent.json")], "test_set": str(file)}
        plan = folder / "plan.json"
        plan.write_text(json.dumps(whole))
    assert load_plan(plan, environ=ENVIRON, clip_names=CLIPS).test_cases


def test_there_are_blocks():
    assert len(BLOCKS) > 10


def rows(page, heading):
    """The cells of the first table with keys under a heading."""
    section = PAGES[page].split(f"\n## {heading}\n")[1].split("\n## ")[0] if heading else PAGES[page].split("\n## ")[0]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table
    lines = [line.strip("|").split(" | ") for line in table[0].splitlines()[2:]]
    return {cells[0].strip(" `"): cells[1].strip() for cells in lines}


CONNECTION = set(keys_of(ConnectionOptions))


@pytest.mark.parametrize(
    ("page", "heading", "keys"),
    [
        ("agents", "The body", set(keys_of(Body))),
        ("agents", "Reaching the agent", CONNECTION),
        ("agents", "Voice: `MODEL_TYPE_WEBSOCKET`", set(keys_of(WebSocketOptions)) - CONNECTION),
        ("agents", "Chat: `MODEL_TYPE_CHAT_WEBSOCKET`", set(keys_of(ChatWebSocketOptions)) - CONNECTION),
        ("plans", "", set(keys_of(PlanFile))),
        ("plans", "Personas", set(keys_of(Persona))),
        ("plans", "Test sets", set(keys_of(TestCase))),
        ("plans", "Load and limits", set(keys_of(LoadSection))),
        ("plans", "Timeouts", set(keys_of(TimeoutsSection))),
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
        ("plans", "Personas", Persona()),
        ("plans", "Load and limits", LoadSection()),
        ("plans", "Timeouts", TimeoutsSection()),
        ("plans", "Recording", RecordSection()),
    ],
)
def test_a_table_has_the_defaults(page, heading, made):
    values = attrs.asdict(made)
    for key, cell in rows(page, heading).items():
        value = values[key]
        if cell.startswith("none"):
            assert not value
        elif found := re.fullmatch(r"`([^`]*)`(;.*)?", cell):
            assert found[1] in (str(value), json.dumps(value), f"{value:g}" if isinstance(value, float) else value) or (
                value == (found[1],)
            )
        else:
            assert "if raw bytes are sent" in cell
