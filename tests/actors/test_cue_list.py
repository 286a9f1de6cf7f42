import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.cue_list import LONGEST_WORDS, cue_list, write_cue_list
from coval_load.engine.plain_json import plain

NUMBER = re.compile(r"\d+\.\d{6}")


def turn(role, content, start, end, **more):
    return {"role": role, "content": content, "start": start, "end": end, **more}


def event(at, message_type="cart", payload=None, name=None):
    return {"at": at, "message_type": message_type, "event": name, "payload": payload}


def labels(*turns, events=(), error=None, start=10.0, end=30.0):
    row = {"recording": {"file": "recordings/one.wav", "start": start}, "ended_at": end, "error": error}
    return read(cue_list(row | {"transcript": list(turns), "events": list(events)}))


def read(text):
    """As Audacity reads it (LabelImportExport.cpp): lines, parted by tabs into start, end and label."""
    lines = text.split("\n")
    assert lines.pop() == ""
    found = []
    for line in lines:
        start, end, label = line.split("\t")
        assert NUMBER.fullmatch(start)
        assert NUMBER.fullmatch(end)
        found.append((float(start), float(end), label))
    return found


def test_each_side_has_a_label_for_each_turn():
    assert labels(
        turn("assistant", None, 10.5, 11.25),
        turn("user", "I'd like a pizza", 12.0, 13.5),
        turn("assistant", "Which one?", 14.0, 15.0, messages=3),
        turn("user", None, 15.5, 16.0),
    ) == [
        (0.5, 1.25, "agent"),
        (2.0, 3.5, "caller: I'd like a pizza"),
        (4.0, 5.0, "agent: Which one?"),
        (5.5, 6.0, "caller"),
    ]


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (turn("user", "12#", 12, 13, type="dtmf"), "caller dtmf: 12#"),
        (turn("user", "photo.png", 12, 13, type="media"), "caller media: photo.png"),
        (turn("assistant", None, 12, 13, interrupted=True), "agent (interrupted)"),
        (turn("assistant", "Well", 12, 13, interrupted=True), "agent (interrupted): Well"),
        (turn("assistant", "x" * 999, 12, 13, interrupted=True), f"agent (interrupted): {'x' * 299}…"),
        (turn("assistant", None, 12, 13, interrupted_caller=True), "agent (interrupts)"),
        (
            turn("assistant", None, 12, 13, type="tool_call", tool={"id": "1", "name": "look_up", "arguments": "{}"}),
            "agent tool call: look_up {}",
        ),
        (turn("assistant", "Well", 12, 13, type="text"), "agent text: Well"),
        (turn("assistant", "Well", 12, 13, ended="cancelled: <b>x"), "agent (cancelled): Well"),
        (turn("assistant", None, 12, 13, ended="failed", interrupted=True), "agent (interrupted) (failed)"),
        (turn("user", "A large one.", 12, 13, transcribed="a LARGE one"), "caller: A large one."),
        (turn("user", "A pizza", 12, 13, transcribed="A visa."), "caller: A pizza [understood: A visa.]"),
        (turn("user", None, 12, 13, transcribed="A visa."), "caller: [understood: A visa.]"),
        (turn("tool", "42", 12, 13, type="tool_result", tool={"id": "1", "name": "look_up"}), "tool: look_up 42"),
    ],
)
def test_what_is_more_than_speech_says_so(said, label):
    assert labels(said) == [(2.0, 3.0, label)]


def test_events_are_points_and_so_is_the_error_at_the_end():
    error = {"kind": "no_response", "stage": "conversation", "turn": 1, "message": "No response received"}
    assert labels(
        turn("user", "Hello", 11.0, 12.0),
        events=[event(11.5, payload={"items": [1]}), event(12.5, "", {"left_out": 3}), event(13, "a", None, "b")],
        error=error,
    ) == [
        (1.0, 2.0, "caller: Hello"),
        (1.5, 1.5, 'event: cart {"items":[1]}'),
        (2.5, 2.5, 'event: {"left_out":3}'),
        (3.0, 3.0, "event: a b null"),
        (20.0, 20.0, "error: no_response No response received"),
    ]


def test_without_words_it_says_who_did_what_when():
    row = {"recording": {"start": 0.0}, "ended_at": 9.0, "error": None, "events": [event(3.0)]}
    row["transcript"] = [
        turn("user", "secret", 1, 2),
        turn("assistant", "word", 2, 3, interrupted=True),
        turn("user", "4711", 4, 5, type="dtmf"),
        turn("tool", "42", 6, 6, type="tool_result", tool={"id": "1", "name": "look_up"}),
    ]
    found = [label for _, _, label in read(cue_list(row, with_words=False))]
    assert found == ["caller", "agent (interrupted)", "event", "caller dtmf", "tool"]


def test_labels_are_ordered_by_when_they_begin():
    found = labels(turn("user", "b", 12, 14), turn("assistant", "a", 12, 13), events=[event(11)])
    assert [start for start, _, _ in found] == [1.0, 2.0, 2.0]
    assert [label for _, _, label in found][1:] == ["agent: a", "caller: b"]


@pytest.mark.parametrize(
    ("start", "end", "lies"),
    [(9.0, 12.0, (0.0, 2.0)), (8.0, 9.0, (0.0, 0.0)), (29.0, 31.0, (19.0, 20.0)), (31.0, 32.0, (20.0, 20.0))],
)
def test_what_reaches_beyond_the_recording_is_cut_off(start, end, lies):
    assert labels(turn("user", "x", start, end)) == [(*lies, "caller: x")]


def test_a_turn_that_nobody_ended_goes_on_to_the_end():
    assert labels(turn("assistant", None, 25.0, None)) == [(15.0, 20.0, "agent")]


def test_a_conversation_without_a_word_has_no_labels():
    assert labels() == []


def test_words_cannot_make_lines_or_act_on_a_screen():
    hostile = "a\tb\r\nc\x1b[31m\u2028d\u202ee\ud800\x00"
    ((_, _, label),) = labels(turn("user", hostile, 11, 12))
    assert label == "caller: a b c\ufffd[31m d\ufffde\ufffd\ufffd"


def test_words_of_any_script_stay():
    words = "Grüße, سلام\u200cها, 👩\u200d🔧 日本"
    assert labels(turn("user", words, 11, 12)) == [(1.0, 2.0, f"caller: {words}")]


texts = st.text(max_size=20) | st.text("\ud800\udfff\t\x85") | st.sampled_from(["\t", "1.0\t2.0\tx\n", "x" * 2000])
moments = st.floats(-100, 100)


@pytest.mark.parametrize("secret", ["user", "assistant", "00", "transcript", "hunter2"])
def test_secrets_are_masked_and_the_rest_stays_readable(secret):
    error = {"kind": "agent_error", "message": f"said {secret}"}
    row = {"recording": {"start": 0.0}, "ended_at": 9.0, "error": error}
    row["transcript"] = [turn("user", f"is {secret}", 1, 2), turn("assistant", f"{'x' * 298} {secret}", 2, 3)]
    row["events"] = [event(4, secret, {secret: [secret]}, secret)]
    found = read(cue_list(row, lambda text: text.replace(secret, "***")))
    assert [label for _, _, label in found] == [
        "caller: is ***",
        f"agent: {'x' * 298} …",
        'event: *** *** {"***":["***"]}',
        "error: agent_error said ***",
    ]


@given(
    turns=st.lists(
        st.builds(turn, st.sampled_from(["user", "assistant"]), texts | st.none(), moments, moments | st.none()),
        max_size=4,
    ),
    events=st.lists(
        st.builds(event, moments, texts, texts | st.lists(texts, max_size=2), texts | st.none()), max_size=4
    ),
    message=texts | st.none(),
)
def test_whatever_is_said_the_file_has_a_line_for_each_and_can_be_read(turns, events, message):
    error = None if message is None else {"kind": "agent_error", "message": message}
    found = labels(*turns, events=events, error=error, start=-5.0, end=40.0)
    assert len(found) == len(turns) + len(events) + (error is not None)
    assert [start for start, _, _ in found] == sorted(start for start, _, _ in found)
    for start, end, label in found:
        assert 0 <= start <= end <= 45
        assert math.isfinite(end)
        assert len(label) <= LONGEST_WORDS + 50
        assert label.encode() == plain(label).encode()
        assert label.split()[0].rstrip(":") in {"caller", "agent", "event", "error"}


def test_it_lies_beside_the_recording(tmp_path):
    write_cue_list(tmp_path / "0b5e.wav", "0.000000\t1.000000\tcaller: Grüße\n")
    assert (tmp_path / "0b5e.labels.txt").read_bytes() == "0.000000\t1.000000\tcaller: Grüße\n".encode()
