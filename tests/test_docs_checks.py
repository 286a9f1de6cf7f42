"""What the page on checks shows loads, runs, and says all there is."""

import json
import re
import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from importlib.resources import files
from types import SimpleNamespace
from typing import get_args

import attrs
import jsonschema
import pytest
import yaml
from docs_pages import blocks, page

from coval_load.actors.checks import functions
from coval_load.actors.checks.functions import FunctionShelf
from coval_load.actors.checks.interface import Conversation
from coval_load.actors.checks.judging import SLOW_S
from coval_load.actors.checks.latency import MEASURED
from coval_load.actors.checks.replies import SEARCHED
from coval_load.plans.check_schema import AnyCheck
from coval_load.plans.checks import make_checks
from coval_load.plans.loading import load_plan
from coval_load.strict import keys_of

CLASSES = {get_args(attrs.fields(cls).type.type)[0]: cls for cls in get_args(AnyCheck)}
CHAT = {"display_name": "x", "model_type": "MODEL_TYPE_CHAT_WEBSOCKET", "metadata": {"endpoint": "wss://a.example"}}
(PACKAGE,) = [tomllib.loads(text) for language, text in blocks("checks") if language == "toml"]
CODE = [text for language, text in blocks("checks") if language == "python"]
ROW = {
    "simulation_output_id": "1",
    "transcript": [
        {"role": "user", "content": "Hi", "start": 0.0, "end": 0.0},
        {"role": "assistant", "content": "You are welcome", "start": 1.0, "end": 1.0},
    ],
}


def ours():
    """The module that the package of the page has."""
    namespace = {}
    exec(CODE[0], namespace)
    return SimpleNamespace(**namespace)


@pytest.fixture
def is_installed(monkeypatch):
    named = PACKAGE["project"]["entry-points"][functions.ENTRY_POINTS]
    monkeypatch.setitem(__import__("sys").modules, "our_checks", ours())
    points = [EntryPoint(name, value, functions.ENTRY_POINTS) for name, value in named.items()]
    monkeypatch.setattr(functions, "entry_points", lambda group: EntryPoints(points).select(group=group))


def cases_of(shown):
    return shown if isinstance(shown, list) else shown["test_cases"]


@pytest.mark.parametrize("text", [text for language, text in blocks("checks") if language == "yaml"])
def test_a_block_loads(is_installed, text):
    shown = yaml.safe_load(text)
    plan = shown if "agents" in shown else {"agents": [CHAT], "test_set": cases_of(shown)}
    loaded = load_plan(plan, environ={})
    for case in loaded.test_cases:
        assert make_checks(case.checks, FunctionShelf(), has_words=True, calls_tools=True)


def test_every_type_is_shown_and_explained():
    shown = set(
        re.findall(r"\{type: (\w+)", "".join(text for language, text in blocks("checks") if language == "yaml"))
    )
    assert set(CLASSES) <= shown
    table = page("checks").split("| `type` | passes where |\n")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(CLASSES)


def key_rows():
    """Key -> (types that have it, default) of the table of keys."""
    table = page("checks").split("| key | of | default |")[1].split("\n\n")[0]
    rows = [line.strip("|").split(" | ") for line in table.splitlines()[2:]]
    return {key: (of, default) for keys, of, default, _ in rows for key in re.findall(r"`(\w+)`", keys)}


def test_every_key_is_explained_where_it_is():
    explained = key_rows()
    for kind, cls in CLASSES.items():
        has = {key for key, (of, _) in explained.items() if of.strip() == "all" or f"`{kind}`" in of}
        assert has == set(keys_of(cls)) - {"type"}, kind


def test_defaults():
    assert key_rows()["ignore_case"][1] == "`true` for `contains`, else `false`"
    assert key_rows()["metric"][1] == "`response_latency`"
    for kind, cls in CLASSES.items():
        fields = attrs.fields_dict(cls)
        assert "ignore_case" not in fields or fields["ignore_case"].default is (kind == "contains")
        assert "negate" not in fields or fields["negate"].default is False
        for key, field in fields.items():
            if key not in ("type", "name", "characters", "words"):
                assert (field.default is attrs.NOTHING) == (key_rows()[key][1] == "required"), key


def test_metrics_and_numbers():
    row = next(line for line in page("checks").splitlines() if line.startswith("| `metric`"))
    assert {name for name in MEASURED if not name.startswith("scheduled_")} <= set(re.findall(r"`(\w+)`", row))
    assert f"first {SEARCHED:,} characters" in page("checks")
    assert f"longer than {SLOW_S * 1000:g} ms" in page("checks")


def test_what_a_conversation_has_is_explained():
    table = page("checks").split("| of a conversation |")[1].split("\n\n")[0]
    first_cells = "".join(line.split(" | ")[0] for line in table.splitlines()[2:])
    public = {name for name in dir(Conversation()) if not name.startswith("_")} - {"of_row"}
    assert set(re.findall(r"`(\w+)", first_cells)) == public


def test_the_functions_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "coval-runs" / "earlier"
    folder.mkdir(parents=True)
    (folder / "simulations.jsonl").write_text(json.dumps(ROW) + "\n")
    namespace = {}
    for text in CODE:
        exec(text, namespace)
    assert capsys.readouterr().out == "1 passed\n"
    conversation = Conversation.of_row(ROW)
    assert "expected one of sorry in every reply" in namespace["polite"](conversation, words=["sorry"])
    with pytest.raises(AssertionError, match="no tool was called in turn 1"):
        namespace["looks_before_it_speaks"](conversation)


def test_the_row_fits_its_schema():
    (text,) = [text for language, text in blocks("checks") if language == "json"]
    schema = json.loads(files("coval_load.report").joinpath("schemas/simulation.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads(text)["checks"], schema["properties"]["checks"])
