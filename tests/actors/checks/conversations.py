"""Conversations for checks: written out, and arbitrary ones."""

from hypothesis import strategies as st

from coval_load.actors.checks.interface import Conversation
from coval_load.actors.checks.latency import MEASURED


def said(role, content, start, **more):
    return {"role": role, "content": content, "start": float(start), "end": float(start), **more}


def called(tool, arguments, start):
    return said("assistant", None, start, type="tool_call", tool={"id": "1", "name": tool, "arguments": arguments})


def came(at, message_type, payload):
    return {"at": float(at), "message_type": message_type, "event": None, "payload": payload}


def talk(*transcript, events=(), **more):
    return Conversation(transcript=list(transcript), events=list(events), **more)


PIZZA = talk(
    said("assistant", "Welcome to Pizza Point.", 0),
    said("user", "A large pizza, please", 1),
    called("price", '{"size": "large", "number": 1}', 2),
    said("tool", "12", 2, type="tool_result", tool={"id": "1", "name": "price"}),
    said("assistant", "Your order 1207 is in.", 3, metrics={"response_latency": 2.0, "ttft": 0.5}),
    said("assistant", "Anything else?", 4),
    said("user", "No", 5),
    said("assistant", " Goodbye.\n", 6, metrics={"response_latency": 1.0}),
    events=[
        came(0.5, "hello", {}),
        came(2.5, "cart_update", {"items": [{"size": "large", "count": 1}]}),
        came(7, "cart_update", {"items": []}),
    ],
    agent="pizza point",
    test_case="a pizza",
    attributes={"size": "large"},
)

words = st.one_of(st.text(max_size=30), st.sampled_from(["pizza", "PIZZA please", "a" * 200_000]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
times = st.floats(0, 1e6)
measured = st.dictionaries(st.sampled_from(MEASURED), st.floats(), max_size=3)
arguments = st.one_of(st.text(max_size=20), st.sampled_from(["{}", '{"a": 1}', "[" * 500 + "]" * 500]))


@st.composite
def entries(draw):
    kind = draw(st.sampled_from(["user", "dtmf", "reply", "unknown", "call", "result"]))
    at = draw(times)
    match kind:
        case "user":
            return said("user", draw(words | st.none()), at)
        case "dtmf":
            return said("user", "12", at, type="dtmf")
        case "reply":
            return said("assistant", draw(words), at, metrics=draw(measured))
        case "unknown":
            return said("assistant", None, at)
        case "call":
            return called(draw(st.text(max_size=5) | st.just("t")), draw(arguments), at)
        case "result":
            return said("tool", draw(words), at, type="tool_result", tool={"id": "1", "name": "t"})


events = st.builds(came, times, st.text(max_size=3) | st.just("e"), json_values)


@st.composite
def conversations(draw):
    """Rows in the order in which they began, as a transcript has them."""
    rows = sorted(draw(st.lists(entries(), max_size=12)), key=lambda row: row["start"])
    return talk(*rows, events=draw(st.lists(events, max_size=4)))


turns = st.none() | st.integers(-4, 4)
