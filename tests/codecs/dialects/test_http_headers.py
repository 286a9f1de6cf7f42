"""Custom headers: what fills them, what they refuse, and that nothing can begin a new header."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.http_headers import HeaderTemplates, merged, session_values
from coval_load.codecs.templates import TemplateError

VALUES = {
    "run_id": "run-1",
    "simulation_output_id": "sim-1",
    "agent": {"region": "eu", "size": 3, "tags": ["a"], "on": True, "none": None, "two": "a\r\nX-Evil: 1", "ü": "ü"},
    "test_case": {"account_id": "42"},
    "persona": {"name": "Ann"},
}
ANSWER = {"sessionId": "s-9", "auth": {"token": "t0"}, "n": 7, "x": 1.5, "yes": True, "null": None, "list": [1]}


def fill(text, answer=ANSWER):
    return HeaderTemplates.parse({"X-A": text}).fill(session_values(VALUES, answer))[0][1]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("", ""),
        ('a "quoted" \\ one', 'a "quoted" \\ one'),
        ("{{sessionId}}", "s-9"),
        ("{{simulation_output_id}}/{{ run_id }}", "sim-1/run-1"),
        ("Bearer {{init_response.auth.token}}", "Bearer t0"),
        ("{{init_response.n}} {{init_response.x}} {{init_response.yes}}", "7 1.5 true"),
        ("{{init_response.list.0}}", "1"),
        ("{{test_case.account_id}}-{{agent.region}}-{{persona.name}}", "42-eu-Ann"),
        ("{{ {single} }", "{{ {single} }"),
    ],
)
def test_fills(text, filled):
    assert fill(text) == filled


@pytest.mark.parametrize(
    ("text", "placeholder", "problem"),
    [
        (
            "{{agent.size}}",
            "agent.size",
            "expected text in the attribute; headers take strings only; got a number: write it in quotes",
        ),
        (
            "{{agent.on}}",
            "agent.on",
            "expected text in the attribute; headers take strings only; got a boolean: write it in quotes",
        ),
        (
            "{{agent.tags}}",
            "agent.tags",
            "expected text in the attribute; headers take strings only; got an array: name text in it",
        ),
        (
            "{{agent.none}}",
            "agent.none",
            "expected text in the attribute; headers take strings only; got null: name text in it",
        ),
        (
            "{{init_response.auth}}",
            "init_response.auth",
            "expected a string, a number or a boolean in the answer; headers take text; got an object",
        ),
        (
            "{{init_response.null}}",
            "init_response.null",
            "expected a string, a number or a boolean in the answer; headers take text; got null",
        ),
        ("{{init_response.no}}", "init_response.no", "no such value in the answer of initialization_endpoint"),
        ("{{test_case.no}}", "test_case.no", "no such value in this simulation"),
        (
            "{{agent.two}}",
            None,
            "expected ASCII without control characters; a placeholder put others in: look where its value comes from",
        ),
    ],
)
def test_refuses(text, placeholder, problem):
    with pytest.raises(TemplateError) as raised:
        fill(text)
    assert (raised.value.template, raised.value.placeholder, raised.value.problem) == (
        "custom_headers.X-A",
        placeholder,
        problem,
    )


@pytest.mark.parametrize("text", ["{{nobody}}", "{{init_response}}", "{{agent}}", "{{messages}}", "{{a b}}"])
def test_unknown_names_are_refused_when_compiled(text):
    with pytest.raises(TemplateError, match="X-A"):
        HeaderTemplates.parse({"X-A": text})


@pytest.mark.parametrize(
    ("answer", "session_id"),
    [
        (None, "sim-1"),
        ({}, "sim-1"),
        ([{"sessionId": "x"}], "sim-1"),
        ({"sessionId": "s"}, "s"),
        ({"sessionId": ""}, "sim-1"),
        ({"sessionId": 12}, "12"),
        ({"sessionId": True}, "sim-1"),
        ({"sessionId": None}, "sim-1"),
        ({"sessionId": {"id": 1}}, "sim-1"),
    ],
)
def test_session_id(answer, session_id):
    values = session_values(VALUES, answer)
    assert values == {**VALUES, "init_response": answer, "sessionId": session_id}


def test_what_is_wrong_before_the_initialization_is_found_then():
    templates = HeaderTemplates.parse({"X-A": "{{init_response.no}} {{sessionId}} {{agent.region}}"})
    templates.prove(VALUES)
    assert templates.of_answer == (("custom_headers.X-A", "init_response.no"),)
    for text in ("{{agent.no}} {{init_response.no}}", "{{agent.size}}", "{{agent.two}}"):
        with pytest.raises(TemplateError):
            HeaderTemplates.parse({"X-A": text}).prove(VALUES)


def test_a_later_header_takes_the_place_of_an_earlier_one():
    assert merged([("Accept", "a"), ("X", "1")], {"accept": "b"}.items()) == (("accept", "b"), ("X", "1"))


def test_secrets_are_not_shown():
    assert "s3cret" not in repr(HeaderTemplates.parse({"X-A": "s3cret"}))


@given(st.text(), st.text())
def test_whatever_the_value_no_header_can_begin_another(around, value):
    try:
        templates = HeaderTemplates.parse({"X-A": around + "{{init_response.v}}"})
        [(_, filled)] = templates.fill(session_values(VALUES, {"v": value}))
    except TemplateError:
        return
    assert re.fullmatch(r"[\t -~]*", filled)
    assert filled.endswith(value)
