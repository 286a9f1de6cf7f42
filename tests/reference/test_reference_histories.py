"""What an agent that keeps nothing reads out of the history in a request."""

import pytest
from http_callers import assistant, user
from hypothesis import given
from hypothesis import strategies as st

from coval_load.reference.chat_reply import cut
from coval_load.reference.histories import History, read_history

CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}, {"id": "b"}]}
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "tool", "?"]) | st.none(),
        "type": st.sampled_from(["message", "function_call", "function_call_output"]) | st.integers(),
        "content": st.none() | st.text() | st.lists(st.none() | st.dictionaries(st.just("text"), st.text())),
        "tool_calls": st.none() | st.lists(st.none() | st.dictionaries(st.just("id"), st.text() | st.integers())),
        "tool_call_id": st.text() | st.integers(),
        "call_id": st.text() | st.none(),
        "output": st.text() | st.integers(),
    },
)


def result(call_id):
    return {"role": "tool", "tool_call_id": call_id, "content": "{}"}


@pytest.mark.parametrize(
    ("items", "read"),
    [
        ([user("a")], History(1, "a", 0, False)),
        ([user("a"), assistant("b"), user("c")], History(2, "c", 0, False)),
        ([{"role": "system", "content": "s"}, user([{"type": "text", "text": "a"}])], History(1, "a", 0, False)),
        ([user("a"), CALL, result("b"), result("a")], History(1, "a", 2, False)),
        ([user("a"), CALL, result("a"), result("b"), assistant("c"), user("d")], History(2, "d", 0, False)),
        (
            [
                user("a"),
                {"type": "function_call", "call_id": "endless_1_1"},
                {"type": "function_call_output", "call_id": "endless_1_1", "output": "{}"},
            ],
            History(1, "a", 1, True),
        ),
    ],
)
def test_what_is_read(items, read):
    assert read_history(items) == read


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("hello", "list of messages"),
        ([], "last message"),
        ([user("a"), assistant("b")], "last message"),
        ([user("a"), "b"], "message 1: expected an object"),
        ([{"role": "robot", "content": "a"}], "got role 'robot'"),
        ([user([{"type": "image_url"}])], "content that is text"),
        ([user("a"), result("a")], "result of a tool call made before"),
        ([user("a"), CALL, result("a")], "got none of b"),
        ([user("a"), CALL, user("b")], "message 2: expected a result of each tool call"),
        ([user("a"), CALL, result("a"), result("a")], "made before; got one of 'a'"),
        ([user("a"), {"role": "assistant", "tool_calls": [{}]}], "tool call with an id"),
    ],
)
def test_what_is_refused(items, message):
    with pytest.raises(ValueError, match=message):
        read_history(items)


@given(st.lists(ITEMS | st.integers(), max_size=6) | st.none() | st.text())
def test_whatever_comes_is_read_or_refused(items):
    try:
        history = read_history(items)
    except ValueError:
        return
    assert history.turn == sum(item.get("role") == "user" for item in items) > 0


@given(st.text(), st.integers(1, 50))
def test_a_cut_reply_is_all_there(text, count):
    pieces = cut(text, count)
    assert "".join(pieces) == text
    assert len(pieces) == max(1, min(count, len(text)))
    assert not text or all(pieces)
