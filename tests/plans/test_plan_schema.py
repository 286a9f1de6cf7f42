"""The JSON Schema of the plan says what the classes say."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args, get_origin

import attrs
import jsonschema
import pytest

from coval_load.actors.protocols import known_protocols, template_faults
from coval_load.agents.addresses import Targets
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.plans import check_schema, load_schema, schema
from coval_load.plans.documents import read_document
from coval_load.plans.loading import load_plan
from coval_load.strict import keys_of

SCHEMA = json.loads(files("coval_load.plans").joinpath("schemas/plan.schema.json").read_text("utf-8"))
CLASSES = {
    name: cls
    for module in (schema, check_schema, load_schema)
    for name, cls in vars(module).items()
    if name not in ("RegularExpression", "Rate", "WithShape")
    and isinstance(cls, type)
    and attrs.has(cls)
    and cls.__module__ == module.__name__
} | {"Targets": Targets}
EXAMPLES = Path(__file__).parents[2] / "examples"
ENVIRON = dict.fromkeys(("SUPPORT_TOKEN", "SESSION_TOKEN", "CHAT_KEY", "OPENAI_API_KEY", "CLIENT_SECRET"), "sesame")
PLAN = {
    "agents": ["a.json"],
    "test_set": [{"id": "a", "turns": [{"type": "audio", "audio": "clip:thanks-bye", "text": "Bye"}]}],
}


def checks(agent):
    return template_faults(agent, known_protocols())


def is_valid(plan):
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(plan)


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_class_has_a_definition():
    objects = {name for name, definition in SCHEMA["$defs"].items() if definition.get("additionalProperties") is False}
    assert objects == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_a_definition_has_the_keys_and_defaults_of_its_class(name):
    definition, cls = SCHEMA["$defs"][name], CLASSES[name]
    assert set(definition["properties"]) == set(keys_of(cls))
    required = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}
    assert set(definition.get("required", [])) == required
    for field in attrs.fields(cls):
        written = definition["properties"][field.name]
        if "default" in written:
            assert written["default"] == field.default
        if get_origin(field.type) is Literal and "enum" in written:
            assert {*written["enum"]} - {None} == {*get_args(field.type)}


@pytest.mark.parametrize("path", ["plan.yaml", "chat_plan.toml", "http_chat_plan.yaml"])
def test_examples_are_valid_and_load(path):
    assert is_valid(read_document(EXAMPLES / path))
    assert load_plan(EXAMPLES / path, environ=ENVIRON, clip_names=CLIPS, checks=checks).test_cases


@pytest.mark.parametrize("path", sorted((EXAMPLES / "agents").glob("*.json")), ids=lambda path: path.stem)
def test_every_example_agent_loads(path):
    plan = PLAN | {"agents": [str(path)]}
    assert load_plan(plan, environ=ENVIRON, clip_names=CLIPS, checks=checks).agents[0].name == path.stem


WRONG: Sequence[dict] = [
    {"agents": []},
    {"agents": [5]},
    {"laod": {}},
    {"persona": {}, "personas": [{}]},
    {"persona": {"wait_seconds": -1}},
    {"persona": {"wait_seconds": "1"}},
    {"persona": {"conversation_initiation": "x"}},
    {"load": {"concurrency": 0}},
    {"load": {"concurrency": 1.5}},
    {"load": {"duration": "soon"}},
    {"load": {"duration": 0}},
    {"limits": {"per_agent": 0}},
    {"record": {"audio": {"sample": 0}}},
    {"record": {"transcripts": "some"}},
    {"record": {"transcripts": {"sample": 1.5}}},
    {"record": {"transcripts": {}}},
    {"record": {"audio": {"slowest": None}}},
    {"record": {"audio": {"slowest": 100_001}}},
    {"record": {"audio": {"slowest": 1, "fastest": 1}}},
    {"targets": {"allow_private": "yes"}},
    {"tls": {"ca": "x"}},
    {"workers": {"when_lost": "ignore"}},
    {"workers": {"when_lost": True}},
    {"workers": {"count": 2}},
    {"workers": 2},
    {"seed": -1},
    {"persona": {"initialization_parameters": "x"}},
    {"test_set": [{"id": "", "turns": []}]},
    {"test_set": [{"id": "a", "turns": [], "tool_results": {}}]},
    {"test_set": [{"id": "a", "turns": [], "tool_results": [{"tool": "t"}]}]},
    {"test_set": [{"id": "a", "turns": [], "tool_results": [{"result": 1}]}]},
    {"test_set": [{"id": "a", "turns": [], "tool_results": [{"tool": "t", "result": 1, "arguments": [1]}]}]},
    {"test_set": [{"id": "a", "turns": [{"type": "txt"}]}]},
    {"test_set": [{"id": "a", "turns": [{"type": "dtmf", "digits": "x"}]}]},
    {"test_set": [{"id": "a", "turns": [{"type": "skip", "barge_in": {"after": 1}}]}]},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_what_it_refuses_the_loader_refuses_too(change, faults):
    assert is_valid(PLAN)
    assert not is_valid(PLAN | change)
    assert faults({"agents": ["voice.json"], "test_set": PLAN["test_set"]} | change)


def test_what_a_run_keeps_of_a_plan_is_valid(load):
    assert is_valid(json.loads(json.dumps(load().masked())))
    results = [{"tool": "t", "result": None}, {"tool": "t", "arguments": {"a": [1]}, "result": [{"b": None}]}]
    cases = [{"id": "a", "turns": [{"type": "text", "text": "Hi"}], "tool_results": results}]
    shown = json.loads(json.dumps(load(agents=["chat.json"], test_set=cases).masked()))
    assert is_valid(shown)
    assert shown["test_set"][0]["tool_results"] == [results[0] | {"arguments": None}, results[1]]
