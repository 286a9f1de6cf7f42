"""One script for many test cases, and attributes in the texts of turns."""

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_plan_schema import ENVIRON, EXAMPLES, SCHEMA

from coval_load.plans.check_schema import ContainsCheck, EventCheck, ToolCalledCheck
from coval_load.plans.documents import read_document
from coval_load.plans.schema import AudioTurn, SkipTurn, TestCase, TextTurn
from coval_load.plans.scripts import fill_texts

ACCOUNTS = "id,account,weight,iterations\na,42,2,3\nb,7,,\n"
HI = {"type": "text", "text": "I am {{test_case.account}}"}


def case(*texts, **attributes):
    return TestCase(id="a", turns=tuple(TextTurn(type="text", text=text) for text in texts), attributes=attributes)


def filled(text, **attributes):
    return fill_texts(case(text, **attributes), ()).case.turns[0].text


def texts_of(plan):
    return [[turn.text for turn in case.turns] for case in plan.test_cases]


@pytest.fixture
def script(folder):
    (folder / "accounts.csv").write_text(ACCOUNTS)
    return {"agents": ["chat.json"], "test_set": {"file": "accounts.csv", "turns": [HI, {"type": "skip"}]}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{test_case.s}} {{ test_case.s }}", "x x"),
        ("{{test_case.n}} {{test_case.f}} {{test_case.b}} {{test_case.z}}", "1 1.5 true null"),
        ("{{test_case.o}}", '{"k":["é",1]}'),
        ("{{test_case.o.k.0}} {{test_case.o.k.1}}", "é 1"),
        ("{{test_case.id}} {{test_case.a b}} {{test_case.c.d}}", "a spaced dotted"),
        ("{{test_case.braces}}", "{{test_case.s}}"),
        ("{{s}} {{agent.s}} {{test_case}}", "{{s}} {{agent.s}} {{test_case}}"),
        ("{test_case.s} {{test_case.s", "{test_case.s} {{test_case.s"),
    ],
)  # fmt: skip
def test_what_an_attribute_says(text, said):
    values = {"s": "x", "n": 1, "f": 1.5, "b": True, "z": None, "o": {"k": ["é", 1]}, "a b": "spaced", "c.d": "dotted"}
    assert filled(text, **values, braces="{{test_case.s}}") == said


def test_an_attribute_may_be_called_id():
    assert filled("{{test_case.id}}", id="own") == "own"


def test_every_text_of_a_case_is_filled():
    turns = (
        AudioTurn(type="audio", audio="a.wav", text="{{test_case.x}}"),
        SkipTurn(type="skip"),
        AudioTurn(type="audio", audio="a.wav"),
        TextTurn(type="text", text="{{test_case.x}}", audio="{{test_case.x}}.wav"),
    )
    found = fill_texts(TestCase(id="a", turns=turns, attributes={"x": "y"}), ()).case.turns
    assert [getattr(turn, "text", None) for turn in found] == ["y", None, None, "y"]
    assert found[3].audio == "{{test_case.x}}.wav"


ARBITRARY = st.text() | st.text("{}test_case. ab\n", max_size=40)


@given(st.lists(ARBITRARY.filter(bool), max_size=3), st.dictionaries(st.text(), st.text() | st.integers()))
def test_whatever_a_text_says_it_is_filled_or_told(texts, attributes):
    found = fill_texts(case(*texts, **attributes), ())
    for text, turn in zip(texts, found.case.turns, strict=True):
        assert turn.text == text or "{{" in text
    assert {one.inside for one in found.unfilled} <= {f"turns[{at}].text" for at in range(len(texts))}


@given(st.text().filter(lambda text: "{{" not in text), st.text(), st.text().filter(lambda text: "}}" not in text))
def test_an_attribute_comes_into_its_place_as_it_is(before, value, after):
    if len(before + value + after) and not before.endswith("{") and not after.startswith("}"):
        assert filled(f"{before}{{{{test_case.x}}}}{after}", x=value) == before + value + after


def test_a_case_without_placeholders_stays_the_same():
    plain = case("Hi {there}")
    assert fill_texts(plain, ()).case is plain


def test_a_script_is_said_with_the_attributes_of_each_row(load, script):
    plan = load(**script)
    assert [(case.id, case.weight, case.iterations) for case in plan.test_cases] == [("a", 2.0, 3), ("b", 1.0, 1)]
    assert [case.attributes for case in plan.test_cases] == [{"account": "42"}, {"account": "7"}]
    assert [case.turns[0].text for case in plan.test_cases] == ["I am 42", "I am 7"]
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(script)


def test_the_example_loads(load):
    plan = load(EXAMPLES / "accounts_plan.yaml", environ=ENVIRON)
    assert texts_of(plan)[1] == ["Hello, this is Lee, the younger, account 2310.", "Can I take my contract with me?"]
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(read_document(EXAMPLES / "accounts_plan.yaml"))


def test_a_script_may_have_checks(load, script):
    script["test_set"]["checks"] = [{"type": "contains", "text": "hello"}]
    assert [case.checks[0].text for case in load(**script).test_cases] == ["hello", "hello"]


def test_speech_is_made_of_the_filled_text(load, script, folder):
    spoken = []

    def speech(text):
        spoken.append(text)
        return folder / "hello.wav"

    load(**script | {"agents": ["voice.json"]}, speech=speech)
    assert spoken == ["I am 42", "I am 7"]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "yaml"])
def test_a_script_goes_with_every_kind_of_file(load, folder, suffix):
    rows = [{"id": "a", "attributes": {"n": 1}}, {"id": "b", "attributes": {"n": 2}, "weight": 3}]
    text = "\n".join(map(json.dumps, rows)) if suffix == "jsonl" else json.dumps(rows)
    (folder / f"rows.{suffix}").write_text(text)
    tools = [{"tool": "t", "result": 1}]
    turns = [{"type": "text", "text": "{{test_case.n}}"}]
    plan = load(agents=["chat.json"], test_set={"file": f"rows.{suffix}", "turns": turns, "tool_results": tools})
    assert texts_of(plan) == [["1"], ["2"]]
    assert all(case.tool_results[0].tool == "t" for case in plan.test_cases)


def test_a_file_of_full_cases_needs_no_script(load, folder):
    (folder / "cases.jsonl").write_text('{"id": "a", "turns": [{"type": "text", "text": "Hi"}]}')
    assert texts_of(load(agents=["chat.json"], test_set={"file": "cases.jsonl"})) == [["Hi"]]


def test_paths_in_a_script_are_relative_to_the_plan(load, folder):
    (folder / "data").mkdir()
    (folder / "data" / "rows.csv").write_text("n\n1\n")
    turns = [{"type": "text", "text": "{{test_case.n}}", "audio": "hello.wav"}]
    plan = load(test_set={"file": "data/rows.csv", "turns": turns})
    assert plan.test_cases[0].turns[0].audio == str(folder / "hello.wav")


def test_a_name_without_an_attribute_is_a_fault(faults, script):
    script["test_set"]["turns"] = [{"type": "skip"}, {"type": "text", "text": "{{test_case.acount}} {{test_case.}}"}]
    case = 'test case "a" has id, account, and 1 more are like it'
    assert faults(**script) == [
        f"test_set.turns[1].text: expected {{{{test_case.{name}}}}} to name an attribute; {case}"
        for name in ("acount", "")
    ]


def test_in_cases_of_their_own_each_is_told_where_it_stands(faults, folder):
    cases = [{"id": name, "turns": [HI], "attributes": {"x": 1}} for name in "ab"]
    message = 'expected {{test_case.account}} to name an attribute; test case "%s" has id, x'
    assert faults(agents=["chat.json"], test_set=cases) == [
        f"test_set[{at}].turns[0].text: {message % name}" for at, name in enumerate("ab")
    ]
    (folder / "a.csv").write_text("id,x,turn_1,turn_2\na,1,,{{test_case.account}}\n")
    assert faults(agents=["chat.json"], test_set="a.csv") == [f"test_set, line 2, column turn_2: {message % 'a'}"]


def test_a_filled_text_keeps_to_the_limits_of_a_text(faults, script, folder):
    (folder / "accounts.csv").write_text(f"id,account\na,\nb,{'x' * 10_001}\n")
    script["test_set"]["turns"] = [{"type": "text", "text": "{{test_case.account}}"}]
    assert faults(**script) == [
        "test_set.turns[0].text: expected 1 to 10000 characters with attributes filled in; "
        'test case "a" gives 0, and 1 more are like it'
    ]


def test_turns_stand_in_one_place(faults, folder, script):
    (folder / "accounts.csv").write_text("id,text\na,Hi\n")
    message = "since the plan gives those of all test cases; take one out"
    assert faults(**script) == [f"test_set.file, line 1, column text: expected no turns, {message}"]
    (folder / "rows.jsonl").write_text('{"id": "a", "turns": []}\n{"id": "b", "tool_results": []}')
    assert faults(agents=["chat.json"], test_set={"file": "rows.jsonl", "turns": [], "tool_results": []})[:2] == [
        f"test_set.file, line 1, turns: expected none of its own, {message}",
        f"test_set.file, line 2, tool_results: expected none of its own, {message}",
    ]


def test_faults_of_a_script_and_of_its_file_come_together(faults, folder, script):
    (folder / "accounts.csv").write_text("id,account,weight\na,1,x\n")
    script["test_set"] |= {"turns": [{"type": "txt"}], "trns": []}
    assert sorted(fault.partition(": ")[0] for fault in faults(**script)) == [
        "test_set.file, line 2, column weight", "test_set.trns", "test_set.turns[0].type",
    ]  # fmt: skip


@pytest.mark.parametrize("test_set", [{}, {"file": 5}, {"file": "nothing.csv"}, {"file": "voice.json", "turns": []}])
def test_what_is_no_file_of_cases(faults, test_set):
    assert all(fault.startswith("test_set") for fault in faults(agents=["chat.json"], test_set=test_set))


def test_a_fault_of_a_turn_of_the_script_is_told_once(faults, script):
    script["test_set"]["turns"] = [{"type": "dtmf", "digits": "1"}]
    (fault,) = faults(**script)
    assert fault.startswith("test_set.turns[0]: expected a turn of text or skip")


def shown_turns(plan):
    return [[turn["text"] for turn in case["turns"]] for case in plan.masked()["test_set"]]


def test_a_secret_attribute_stays_one_in_the_text_it_fills(load, folder, script):
    (folder / "accounts.csv").write_text("id,account,pin,note\na,42,${PIN},x\nb,7,none,${LONG}\n")
    script["test_set"]["turns"] = [
        {"type": "text", "text": text}
        for text in ("My pin is {{test_case.pin}}", "{{test_case.note}}!", "{{test_case.account}}")
    ]
    plan = load(**script, environ={"PIN": "9x", "LONG": "sesame"})
    assert texts_of(plan) == [["My pin is 9x", "x!", "42"], ["My pin is none", "sesame!", "7"]]
    assert {"9x", "sesame"} <= plan.secrets
    assert shown_turns(plan) == [["***", "x!", "42"], ["My pin is none", "***", "7"]]
    assert "9x" not in json.dumps(plan.masked())
    assert "sesame" not in json.dumps(plan.masked())


def test_variables_of_a_script_and_of_inline_cases_stay_secrets(load, script):
    script["test_set"]["turns"] = [{"type": "text", "text": "${PIN} {{test_case.account}}"}]
    plan = load(**script, environ={"PIN": "9x"})
    assert texts_of(plan) == [["9x 42"], ["9x 7"]]
    assert shown_turns(plan) == [["***"], ["***"]]
    cases = [
        {"id": "a", "turns": [{"type": "text", "text": "{{test_case.o}}"}], "attributes": {"o": {"pin": "${PIN}"}}}
    ]
    plan = load(agents=["chat.json"], test_set=cases, environ={"PIN": "9x"})
    assert texts_of(plan) == [['{"pin":"9x"}']]
    assert shown_turns(plan) == [["***"]]


@pytest.mark.parametrize("attributes", [{"api_key": "9x"}, {"user": {"password": "9x"}}])
def test_what_its_key_makes_a_secret_stays_one(load, attributes):
    turns = [{"type": "text", "text": f"{{{{test_case.{next(iter(attributes))}}}}}"}]
    plan = load(agents=["chat.json"], test_set=[{"id": "a", "turns": turns, "attributes": attributes}])
    assert "9x" in texts_of(plan)[0][0]
    assert shown_turns(plan) == [["***"]]


CHECKS = [
    {"type": "contains", "text": "account {{test_case.account}}"},
    {"type": "matches", "pattern": "^{{test_case.note}}$"},
    {"type": "tool_called", "tool": "look", "arguments": {"a": ["{{test_case.account}}!"], "n": 1}},
]


def test_checks_expect_the_attributes_of_each_row(load, script, folder):
    (folder / "accounts.csv").write_text("id,account,note\na,42,1.5 (x)\nb,7,${NOTE}\n")
    http = {"display_name": "A", "model_type": "MODEL_TYPE_CHAT", "metadata": {"chat_endpoint": "https://a.example"}}
    script |= {"agents": [http], "test_set": {"file": "accounts.csv", "turns": [HI], "checks": CHECKS}}
    plan = load(**script, environ={"NOTE": "sesame"})
    first, second = (case.checks for case in plan.test_cases)
    assert [first[0].text, second[0].text] == ["account 42", "account 7"]
    assert re.fullmatch(first[1].pattern, "1.5 (x)")
    assert not re.fullmatch(first[1].pattern, "1x5 (x)")
    assert first[2].arguments == {"a": ["42!"], "n": 1}
    assert plan.masked()["test_set"][1]["checks"][1]["pattern"] == "***"


def test_what_is_nothing_but_a_placeholder_keeps_its_type():
    check = ToolCalledCheck(
        type="tool_called", tool="look", arguments={"n": "{{test_case.n}}", "s": "{{test_case.n}}."}
    )
    event = EventCheck(type="event", message_type="m", equals="{{ test_case.o }}")
    text = ContainsCheck(type="contains", text="{{test_case.n}}")
    whole = TestCase(id="a", turns=(), attributes={"n": 7, "o": {"k": 1}}, checks=(check, event, text))
    found = fill_texts(whole, ()).case.checks
    assert found[0].arguments == {"n": 7, "s": "7."}
    assert found[1].equals == {"k": 1}
    assert found[2].text == "7"


def test_a_check_of_an_attribute_that_is_not_there_is_a_fault(faults, script):
    script["test_set"]["checks"] = [{"type": "equals", "text": "{{test_case.acount}}"}]
    assert faults(**script) == [
        "test_set.checks[0].text: expected {{test_case.acount}} to name an attribute; "
        'test case "a" has id, account, and 1 more are like it'
    ]


def test_a_pattern_that_an_attribute_spoils_is_a_fault(faults, script, folder):
    (folder / "accounts.csv").write_text("id,account\na,\nb,7\n")
    script["test_set"]["turns"] = [{"type": "text", "text": "Hi"}]
    script["test_set"]["checks"] = [{"type": "matches", "pattern": "{{test_case.account}}+"}]
    assert faults(**script) == [
        'test_set.checks[0].pattern: expected a regular expression with attributes filled in; test case "a" gives none'
    ]


def test_an_event_without_a_value_to_expect_does_not_pass_with_any():
    event = EventCheck(type="event", message_type="m", equals="{{test_case.x}}")
    whole = TestCase(id="a", turns=(), attributes={"x": None}, checks=(event,))
    assert fill_texts(whole, ()).case.checks[0].equals == "null"
