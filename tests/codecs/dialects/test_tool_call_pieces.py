"""Tool calls that are streamed: what OpenAI's API sends, and what others make of it."""

import pytest
from http_replies import calls_in, chunk, read_stream, text_in

from coval_load.codecs.events import ToolCallReceived

NAMES = {"call_abc": "get_weather", "call_def": "get_time"}
WEATHER = ToolCallReceived("call_abc", "get_weather", '{"city": "Rome"}')
TIME = ToolCallReceived("call_def", "get_time", "{}")
CALLED = chunk({}, "tool_calls")


def named(arguments, call_id="call_abc", **more):
    return piece(arguments, id=call_id, name=NAMES[call_id], **more)


def piece(arguments, name=None, **more):
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {**more, "function": function}


STREAMED = {
    "parallel": [
        [named("", index=0, type="function")],
        [piece('{"ci', index=0)],
        [piece('ty": "Rome"}', index=0)],
        [named("", "call_def", index=1, type="function")],
        [piece("{}", index=1)],
    ],
    "interleaved": [
        [named("", index=0)],
        [piece('{"ci', index=0)],
        [named("", "call_def", index=1)],
        [piece('ty": "Rome"}', index=0), piece("{}", index=1)],
    ],
    "all at once": [[named('{"city": "Rome"}', index=0), named("{}", "call_def", index=1)]],
    "the second in one": [[named('{"city": "Rome"}', index=3)], [named("{}", "call_def", index=1)]],
    "no index, by ids": [[named('{"city": ')], [named("{}", "call_def")], [piece('"Rome"}', id="call_abc")]],
    "no index, by order": [[named('{"city": ')], [piece('"Rome"}')], [named("{", "call_def")], [piece("}")]],
    "index 0 for all": [[named('{"city": "Rome"}', index=0)], [named("{}", "call_def", index=0)]],
    "id and name in each": [
        [named('{"city": ', index=0)],
        [named('"Rome"}', index=0)],
        [named("{", "call_def", index=1)],
        [named("}", "call_def", index=1)],
    ],
    "id and name in pieces": [
        [piece("", id="call_", name="get_", index=0)],
        [piece("", id="abc", index=0), piece("", name="weather", index=0)],
        [piece('{"city": "Rome"}', index=0), named("{}", "call_def", index=1)],
    ],
    "the whole repeated": [
        [named('{"city":', index=0)],
        [piece(' "Rome"}', index=0)],
        [named('{"city": "Rome"}', index=0)],
        [named("{}", "call_def", index=1)],
        [named("{}", "call_def", index=1)],
    ],
    "growing": [
        *([named(text, index=0)] for text in ('{"city', '{"city": "R', '{"city": "Rome"}')),
        [named("{}", "call_def", index=1)],
    ],
    "what is no call between": [[None, 5, {}, named('{"city": "Rome"}', index=0)], [named("{}", "call_def", index=1)]],
}


@pytest.mark.parametrize("pieces", STREAMED.values(), ids=STREAMED)
def test_two_calls(pieces):
    assert read_stream(*(chunk({"tool_calls": each}) for each in pieces), CALLED) == [WEATHER, TIME]


def test_calls_in_the_chunk_of_the_finish_reason():
    whole = chunk({"tool_calls": [named("{}", "call_def", index=0)]}, "tool_calls")
    assert read_stream(whole, done=False) == [TIME]


def test_calls_without_ids_and_indices():
    pieces = [piece({"a": 1}, name="f"), piece({"a": 1}, name="f"), piece(None, name="g")]
    assert read_stream(chunk({"tool_calls": pieces}), CALLED) == [
        ToolCallReceived("", "f", '{"a":1}'),
        ToolCallReceived("", "f", '{"a":1}'),
        ToolCallReceived("", "g", ""),
    ]


@pytest.mark.parametrize("texts", [("{", '"a":', "{}"), ("{}", "{"), ("", "x", "x"), ("1", "1")])
def test_broken_arguments_stay_as_they_are(texts):
    pieces = [named(text, index=0) for text in texts]
    (call,) = read_stream(*(chunk({"tool_calls": [each]}) for each in pieces), chunk({}, "length"))
    assert call.arguments == "".join(texts)


def test_text_and_calls_in_one_stream():
    found = read_stream(chunk({"content": "See: "}), chunk({"tool_calls": [named("{}", "call_def", index=0)]}), CALLED)
    assert (text_in(found), calls_in(found)) == ("See: ", [TIME])
