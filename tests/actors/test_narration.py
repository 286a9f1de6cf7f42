import pytest

from coval_load.actors.narration import message_told
from coval_load.codecs.events import (
    AgentComplained,
    AudioReceived,
    GoingAway,
    ReplyStarted,
    SpeechTranscribed,
    StrayAudioReceived,
)

JSON = b' {"type": "x", "delta": "%s"} ' % (b"A" * 100)
SHOWN = '"AAAAAAAAAAAAAAAAAAAAAAAA… (100 characters)"'


@pytest.mark.parametrize(
    ("event", "what", "detail"),
    [
        (AudioReceived(b""), "received audio", ""),
        (SpeechTranscribed("Sure"), "received audio", ""),  # beside its audio, by the dozen
        (StrayAudioReceived(0.1), "received audio that nobody hears", ""),
        (AgentComplained("too small"), "the agent reported an error", "too small"),
        (GoingAway(), "the agent is going to end the connection", ""),
        (GoingAway(9.5), "the agent is going to end the connection", "in 9.5 s"),
    ],
)
def test_what_is_told_of_a_message(event, what, detail):
    told = message_told(JSON.strip(), True, [event])
    assert told[:2] == (what, detail)
    assert SHOWN in told[2]


def test_json_is_shown_as_such_in_a_binary_message_too():
    assert SHOWN in message_told(JSON.strip(), False, [ReplyStarted()])[1]
    assert message_told(b"{\x00\xff", False, [ReplyStarted()])[1] == "3 bytes in a binary message"
    assert message_told(b"\x00}", False, [])[1] == "2 bytes in a binary message"


def test_audio_is_what_a_message_is_shown_for():
    assert message_told(JSON.strip(), True, [ReplyStarted(), AudioReceived(b"")])[0] == "received audio"
