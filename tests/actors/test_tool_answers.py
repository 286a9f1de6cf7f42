"""Results of tools: found in the test case, and written down with the calls."""

import pytest
from agent_sides import CASE, simulation_of
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.persona import TestCase, ToolAnswer
from coval_load.actors.tool_answers import ToolAnswers
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import ToolCallReceived
from coval_load.engine.results import Results


def call(name="look", arguments='{"id": 1}', call_id="c1"):
    return ToolCallReceived(call_id, name, arguments)


def answers(case=CASE):
    return ToolAnswers(simulation_of(), case)


def test_each_call_gets_its_result():
    calls = [call(call_id="b", name="say", arguments="{}"), call(call_id="a")]
    assert answers().results_for(calls) == [ToolResult("b", "say", "ä"), ToolResult("a", "look", '{"found":true}')]
    assert answers().results_for([]) == []


@pytest.mark.parametrize("unanswered", [call("fly"), call(arguments='{"id": 2}'), call(arguments='{"id": 1')])
def test_one_that_lacks_a_result_leaves_all_without(unanswered):
    calls = [call(), unanswered]
    assert answers().results_for(calls) is None
    assert answers().missing(calls) == (
        f"the agent called the tool '{unanswered.name}', and test case order has no result for it: "
        "add one to its tool_results"
    )


def test_none_is_missing():
    assert answers().missing([call(), call("say")]) is None


def test_a_long_name_is_cut():
    assert len(answers().missing([call("x" * 1000)])) < 200


def test_arguments_that_are_no_json_are_text():
    case = TestCase("c", (), tool_results=(ToolAnswer("look", None, None),))
    assert answers(case).results_for([call(arguments="no json")]) == [ToolResult("c1", "look", "null")]
    picky = TestCase("c", (), tool_results=(ToolAnswer("look", {}, None),))
    assert answers(picky).results_for([call(arguments="no json")]) is None


@given(st.text(), st.text(), st.text())
def test_whatever_the_agent_calls_raises_nothing(name, arguments, call_id):
    tools, calls = answers(), [call(name, arguments, call_id)]
    assert (tools.results_for(calls) is None) is (tools.missing(calls) is not None)


async def test_calls_and_results_stand_in_the_transcript(autojump_clock):
    results = Results()
    tools = ToolAnswers(simulation_of(results), CASE)
    calls = [call(call_id="a"), call(call_id="b")]
    tools.note_calls(calls, [1.0, 2.5])
    tools.note_results(tools.results_for(calls[1:]))
    rows = tools.simulation.transcript.rows(0.0)
    result, first, second = rows
    assert first == {
        "role": "assistant",
        "content": None,
        "start": 1.0,
        "end": 1.0,
        "type": "tool_call",
        "tool": {"id": "a", "name": "look", "arguments": '{"id": 1}'},
    }
    assert (second["tool"]["id"], second["start"], second["end"]) == ("b", 2.5, 2.5)
    assert result == {
        "role": "tool",
        "content": '{"found":true}',
        "start": 0.0,
        "end": 0.0,
        "type": "tool_result",
        "tool": {"id": "b", "name": "look"},
    }
    assert results.summary()["counters"]["tool_calls"] == 2
