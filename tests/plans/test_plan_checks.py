"""Checks of a test case: what is refused before the run, and what is made of the rest."""

import json
from importlib.metadata import EntryPoint, EntryPoints

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_plan_schema import PLAN, SCHEMA

from coval_load.actors.checks import functions
from coval_load.actors.checks.events import EventFits
from coval_load.actors.checks.functions import FunctionShelf
from coval_load.actors.checks.interface import Conversation
from coval_load.actors.checks.tools import ToolCalled
from coval_load.faults import Faulty
from coval_load.plans.check_schema import CheckKey
from coval_load.plans.checks import can_judge, make_checks
from coval_load.strict import structure

HTTP = {"display_name": "Desk", "model_type": "MODEL_TYPE_CHAT", "metadata": {"chat_endpoint": "https://a.example"}}
TURNS = [{"type": "text", "text": "Hi", "audio": "hello.wav"}, {"type": "text", "text": "Bye", "audio": "hello.wav"}]
SKIP = {"type": "skip"}
EACH = [
    {"type": "contains", "text": "pizza"},
    {"type": "matches", "pattern": "order [0-9]+"},
    {"type": "equals", "text": "Goodbye."},
    {"type": "event", "message_type": "cart_update", "path": "items.0.size", "equals": "large"},
    {"type": "tool_called", "tool": "lookup_order", "arguments": {"number": "1207"}},
    {"type": "shorter_than", "characters": 300},
    {"type": "latency_under", "limit": "1.5s"},
    {"type": "function", "name": "polite", "options": {"words": ["please"]}},
]


def polite(conversation, words):
    return any(word in text for text in conversation.texts() for word in words)


@pytest.fixture
def is_installed(monkeypatch):
    point = EntryPoint("polite", f"{__name__}:polite", functions.ENTRY_POINTS)
    monkeypatch.setattr(functions, "entry_points", lambda group: EntryPoints([point]).select(group=group))


def case(*checks, turns=TURNS):
    return [{"id": "a", "turns": list(turns), "checks": list(checks)}]


def written(*checks):
    return tuple(structure(CheckKey, check) for check in checks)


def test_every_check_loads_and_is_made(load, is_installed):
    (loaded,) = load(agents=[HTTP], test_set=case(*EACH)).test_cases
    made = make_checks(loaded.checks, FunctionShelf(), has_words=True, calls_tools=True)
    assert [check.name for check in made] == [
        'contains "pizza"',
        'matches "order [0-9]+"',
        'equals "Goodbye."',
        "event cart_update items.0.size",
        "tool_called lookup_order",
        "shorter_than 300 characters",
        "latency_under 1.5 s response_latency",
        "polite",
    ]
    assert made[3] == EventFits(made[3].name, "cart_update", made[3].path, "large")
    assert (made[3].path.segments, made[4].arguments) == (("items", "0", "size"), {"number": "1207"})
    assert (made[5].limit, made[5].unit, made[6].limit_s) == (300, "characters", 1.5)
    assert made[7].judge(Conversation()) == "expected the function to say True; got False"


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ({"type": "has"}, ".type: expected one of contains, matches, equals, event, tool_called, shorter_than, "),
        ({"type": "contains"}, ".text: expected a string; got nothing"),
        ({"type": "contains", "text": ""}, ".text: expected 1 to 10000 characters; got 0"),
        ({"type": "contains", "txt": "a", "text": "a"}, ".txt: unknown key; did you mean text"),
        ({"type": "matches", "pattern": "("}, ".pattern: expected a regular expression; missing ), unterminated"),
        ({"type": "matches", "pattern": "a{99999999999}"}, ".pattern: expected a regular expression; the repetition"),
        ({"type": "matches", "pattern": "(" * 499 + ")" * 499}, ".pattern: expected a regular expression; "),
        ({"type": "shorter_than"}, ": expected characters or words; got neither"),
        ({"type": "shorter_than", "words": 1, "characters": 1}, ": expected characters or words; got both, take one"),
        ({"type": "shorter_than", "words": 0}, ".words: expected a number from 1 to 100000; got 0"),
        ({"type": "shorter_than", "words": 9, "negate": True}, ".negate: unknown key; "),
        ({"type": "latency_under", "limit": "soon"}, ".limit: expected a duration above zero such as"),
        ({"type": "latency_under", "limit": 1, "metric": "loop_lag"}, ".metric: expected one of response_latency, "),
        ({"type": "latency_under", "limit": 1, "metric": "simulation_time"}, ".metric: expected one of "),
        ({"type": "contains", "text": "a", "turn": 3}, ".turn: expected one of the case's turns, from -2 to 2, each"),
        ({"type": "contains", "text": "a", "turn": -3}, ".turn: expected one of the case's turns, from -2 to 2, each"),
        ({"type": "contains", "text": "a", "turn": "1"}, '.turn: expected an integer; got "1"'),
        ({"type": "function", "name": "rude"}, ".name: expected one of polite; got rude: a package adds one in "),
        ({"type": "function", "name": "polite"}, ".options: expected what the function polite takes; got options it"),
        ({"type": "tool_called", "tool": "t"}, ".type: expected another check: no agent of the plan is reached over"),
    ],
)  # fmt: skip
def test_what_is_refused(faults, is_installed, check, fault):
    (told,) = faults(agents=["chat.json"], test_set=case(EACH[0], check))
    assert told.startswith(f"test_set[0].checks[1]{fault}")


@pytest.mark.parametrize("at", [0, 1, 2, 5])
def test_words_of_a_voice_agent_are_not_known(faults, load, at):
    (told,) = faults(agents=["voice.json"], test_set=case(EACH[at]))
    assert told.startswith("test_set[0].checks[0].type: expected another check: every agent of the plan is spoken to")
    assert load(agents=["voice.json", "chat.json"], test_set=case(EACH[at])).test_cases[0].checks


@pytest.mark.parametrize("at", [3, 6, 7])
def test_what_a_voice_agent_can_be_judged_by(load, is_installed, at):
    assert load(agents=["voice.json"], test_set=case(EACH[at])).test_cases[0].checks


@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("api", ["openai", "gemini"])
def test_an_agent_of_a_realtime_api_can_be_judged_by_its_words_and_tools(load, api, at):
    model_type, metadata = f"MODEL_TYPE_{api.upper()}_REALTIME", {f"{api}_realtime_api_key": "k"}
    agent = {"display_name": "R", "model_type": model_type, "metadata": metadata}
    assert load(agents=[agent], test_set=case(EACH[at])).test_cases[0].checks


def test_a_skip_is_no_turn(faults, load):
    last = {"type": "event", "message_type": "e", "turn": 2}
    assert load(test_set=case(last, turns=[TURNS[0], SKIP, TURNS[1]]))
    (told,) = faults(test_set=case(last, turns=[TURNS[0], SKIP]))
    assert told.startswith("test_set[0].checks[0].turn: expected one of the case's turns, from -1 to 1, ")


def test_each_agent_is_judged_by_what_it_can_be(is_installed):
    def types(**agent):
        return [check["type"] for check in EACH if can_judge(*written(check), **agent)]

    assert types(has_words=True, calls_tools=True) == [check["type"] for check in EACH]
    assert types(has_words=False, calls_tools=False) == ["event", "latency_under", "function"]
    assert set(types(has_words=True, calls_tools=False)) == {check["type"] for check in EACH} - {"tool_called"}
    made = make_checks(written(*EACH[:5]), FunctionShelf(), has_words=False, calls_tools=False)
    assert [check.name for check in made] == ["event cart_update items.0.size"]


def test_names():
    made = make_checks(
        written(
            {"type": "contains", "text": "a", "turn": -1, "negate": True},
            {"type": "contains", "text": "a", "name": "greets"},
            {"type": "equals", "text": "a", "name": "greets"},
            {"type": "contains", "text": "x" * 999},
        ),
        FunctionShelf(),
        has_words=True,
        calls_tools=False,
    )
    assert [check.name for check in made[:3]] == ['not contains "a" (turn -1)', "greets", "greets-2"]
    assert len(made[3].name) < 120


def test_what_is_written_reaches_the_check():
    def made(check):
        return make_checks(written(check), FunctionShelf(), has_words=True, calls_tools=True)[0]

    negated = made({"type": "tool_called", "tool": "t", "turn": 2, "negate": True, "name": "n"})
    assert negated == ToolCalled("n", "t", None, 2, True)
    hi = Conversation(transcript=[{"role": "assistant", "content": "Hi", "start": 0.0, "end": 0.0}])
    for kind in ("contains", "equals"):
        for ignores in (True, False):
            check = made({"type": kind, "text": "HI", "ignore_case": ignores, "turn": 0, "negate": True})
            assert (check.judge(hi) is None) is not ignores
    assert made({"type": "contains", "text": "HI"}).judge(hi) is None
    assert made({"type": "equals", "text": "HI"}).judge(hi) is not None
    assert made({"type": "matches", "pattern": "HI"}).judge(hi) is not None
    assert made({"type": "shorter_than", "words": 2}).judge(hi) is None


@given(st.text(max_size=40))
def test_a_pattern_loads_or_is_a_fault(pattern):
    try:
        (check,) = make_checks(
            written({"type": "matches", "pattern": pattern}), FunctionShelf(), has_words=True, calls_tools=False
        )
    except Faulty:
        return
    check.judge(Conversation(transcript=[{"role": "assistant", "content": pattern, "start": 0.0, "end": 0.0}]))


WRONG = [
    {"type": "has"},
    {"type": "contains"},
    {"type": "contains", "text": "a", "turn": 0.5},
    {"type": "shorter_than"},
    {"type": "shorter_than", "words": 1, "characters": 1},
    {"type": "latency_under", "limit": 1, "metric": "loop_lag"},
    {"type": "latency_under", "limit": 1, "negate": True},
    {"type": "function"},
    {"type": "event", "message_type": "e", "path": ""},
]


def is_valid(plan):
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(plan)


@pytest.mark.parametrize("check", EACH, ids=lambda check: check["type"])
def test_the_schema_takes_each(check):
    assert is_valid(PLAN | {"test_set": case(check)})


@pytest.mark.parametrize("check", WRONG, ids=str)
def test_what_the_schema_refuses_the_loader_refuses_too(faults, check):
    assert not is_valid(PLAN | {"test_set": case(check)})
    assert faults(agents=[HTTP], test_set=case(check))


def test_what_a_run_keeps_of_checks_is_as_they_were_written(load, is_installed):
    plan = load(agents=[HTTP], test_set=case(*EACH), environ={})
    shown = json.loads(json.dumps(plan.masked()))["test_set"][0]["checks"]
    assert all(check.items() <= kept.items() for check, kept in zip(EACH[:6], shown[:6], strict=True))
    assert is_valid(PLAN | {"test_set": case(*shown)})


def test_a_secret_in_a_check_is_masked(load):
    check = {"type": "contains", "text": "code ${CODE}"}
    plan = load(agents=["chat.json"], test_set=case(check), environ={"CODE": "sesame"})
    assert plan.test_cases[0].checks[0].text == "code sesame"
    assert "sesame" not in json.dumps(plan.masked())
