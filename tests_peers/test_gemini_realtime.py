"""Gemini Live: our reference agent as `google-genai`'s own client sees it."""

import pytest

from reference import GEMINI, speech, talk

VENDOR, CLIENT = GEMINI, "gemini_live_client.py"
RATE_HZ, AGENT_RATE_HZ, SAMPLE_BYTES = 16_000, 24_000, 2
AGENT = ("gemini_realtime", "--delay", "500ms", "--end-silence", "300ms", "--reply-seconds", "1")


def play(agent, folder, scenario, *, key=None, path="", version=None):
    """What the client heard in a scenario."""
    job = {
        "url": f"https://{agent.host}{path}",
        "key": key or agent.metadata["gemini_realtime_api_key"],
        "version": version,
        "audio": speech(folder, RATE_HZ),
        "scenario": scenario,
    }
    return talk(VENDOR.peer, CLIENT, job, SSL_CERT_FILE=agent.ca_file)


def held(heard):
    """The scenario went as it should, and all that came is as the types have it."""
    assert heard["refused"] is None
    assert heard["stuck"] is None, heard["messages"]
    assert heard["faults"] == []
    return heard["messages"]


def contents(messages, field):
    """What messages have in this field of `serverContent`, in order."""
    found = [message.get("serverContent", {}).get(field) for message in messages]
    return [value for value in found if value is not None]


def of(messages, kind):
    return [message[kind] for message in messages if kind in message]


def by_turn(messages):
    """The messages of each turn, its `turnComplete` the last of them."""
    turns = [[]]
    for message in messages:
        turns[-1].append(message)
        if message.get("serverContent", {}).get("turnComplete"):
            turns.append([])
    return turns[:-1]


def audio_s(messages):
    blobs = [part["inlineData"] for turn in contents(messages, "modelTurn") for part in turn["parts"]]
    assert all(blob["mimeType"] == f"audio/pcm;rate={AGENT_RATE_HZ}" for blob in blobs)
    return sum(blob["data"] for blob in blobs) / SAMPLE_BYTES / AGENT_RATE_HZ


def first_at(messages, field):
    return next(message["at"] for message in messages if message.get("serverContent", {}).get(field) is not None)


@pytest.mark.parametrize(
    "frames",
    [pytest.param(frames, marks=pytest.mark.hears("turns", frames)) for frames in ("--binary-frames", "--text-frames")],
)
def test_turns_that_the_server_detects(heard, frames):
    turns = by_turn(held(heard))
    assert len(turns) == 2
    for turn in turns:
        assert audio_s(turn) == pytest.approx(1, abs=0.05)
        assert contents(turn, "interrupted") == []
        assert contents(turn, "generationComplete") == [True]
        # What is said lasts a second, and the end of the turn waits for that; its audio does not.
        assert first_at(turn, "generationComplete") - first_at(turn, "modelTurn") < 0.7
        assert first_at(turn, "turnComplete") - first_at(turn, "modelTurn") > 0.7


@pytest.mark.hears("turns", "--binary-frames")
def test_what_was_said_and_understood(heard):
    for turn in by_turn(held(heard)):
        said, understood = (contents(turn, f"{side}Transcription") for side in ("output", "input"))
        assert "".join(piece.get("text", "") for piece in said).strip()
        assert "".join(piece.get("text", "") for piece in understood).strip()


@pytest.mark.hears("turns", "--binary-frames")
def test_tokens_are_told(heard):
    usages = of(held(heard), "usageMetadata")
    assert len(usages) == 2
    for usage in usages:
        assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["responseTokenCount"]
        for side, count in (("prompt", "promptTokenCount"), ("response", "responseTokenCount")):
            assert sum(part["tokenCount"] for part in usage[f"{side}TokensDetails"]) == usage[count] > 0
        assert "AUDIO" in {part["modality"] for part in usage["responseTokensDetails"]}
    assert usages[1]["promptTokenCount"] > usages[0]["promptTokenCount"]


@pytest.mark.hears("by_hand")
def test_a_turn_whose_ends_the_caller_tells(heard):
    (turn,) = by_turn(held(heard))
    assert audio_s(turn) == pytest.approx(1, abs=0.05)


@pytest.mark.hears("flushed")
def test_a_microphone_that_is_turned_off(heard):
    (turn,) = by_turn(held(heard))
    assert audio_s(turn) == pytest.approx(1, abs=0.05)


@pytest.mark.hears("barge_in", "--reply-seconds", "4", "--mode", "paced")
def test_a_caller_who_speaks_over_the_reply(heard):
    turns = by_turn(held(heard))
    cut, whole = turns[:2]
    assert contents(cut, "interrupted") == [True]
    assert contents(cut, "generationComplete") == []
    assert 0 < audio_s(cut) < 3
    assert contents(whole, "interrupted") == []
    assert contents(whole, "generationComplete") == [True]


@pytest.mark.hears("barge_in", "--reply-seconds", "4")
def test_a_caller_who_speaks_over_what_was_sent_at_once(heard):
    """All of the reply came long before it can have been heard: it is interrupted nevertheless."""
    cut = by_turn(held(heard))[0]
    assert contents(cut, "interrupted") == [True]
    assert audio_s(cut) == pytest.approx(4, abs=0.05)


@pytest.mark.hears("turns", "--voice-activity")
def test_voice_activity(heard):
    told = of(held(heard), "voiceActivity")
    assert [activity["type"] for activity in told] == ["ACTIVITY_START", "ACTIVITY_END"] * 2
    offsets = [float(activity["audioOffset"].removesuffix("s")) for activity in told]
    assert offsets == sorted(offsets)
    assert 1 < offsets[1] - offsets[0] < 1.8  # the clip is 1.35 s long


@pytest.mark.hears("tool", "--tool-rounds", "1")
def test_a_tool_that_is_called(heard):
    messages = held(heard)
    (called,) = of(messages, "toolCall")
    (call,) = called["functionCalls"]
    assert call["id"]
    assert call["name"] == "look_up_order"
    assert isinstance(call["args"], dict)
    at = next(nth for nth, message in enumerate(messages) if "toolCall" in message)
    assert audio_s(messages[:at]) == 0 < audio_s(messages[at:])


@pytest.mark.hears("text")
def test_replies_in_text(heard):
    turns = by_turn(held(heard))
    assert len(turns) == 2
    for turn in turns:
        parts = [part for content in contents(turn, "modelTurn") for part in content["parts"]]
        assert "".join(part["text"] for part in parts).strip()


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(status, marks=pytest.mark.hears("one_reply", "--reply-status", status))
        for status in ("incomplete", "failed")
    ],
)
def test_replies_that_do_not_come_to_their_end(heard, status):
    (turn,) = by_turn(held(heard))
    (reason,) = contents(turn, "turnCompleteReason")
    assert reason not in ("", "TURN_COMPLETE_REASON_UNSPECIFIED")


@pytest.mark.hears("one_reply", "--replies", "nothing")
def test_a_reply_of_nothing(heard):
    (turn,) = by_turn(held(heard))
    assert audio_s(turn) == 0
    assert contents(turn, "modelTurn") == []


@pytest.mark.hears("resumed", "--go-away-after", "4s", "--session-limit", "8s")
def test_a_connection_that_goes_away(heard):
    messages = held(heard)
    (told,) = of([message for message in messages if message["connection"] == 0], "goAway")
    assert 0 < float(told["timeLeft"].removesuffix("s")) <= 4
    updates = of(messages, "sessionResumptionUpdate")
    assert all(update["resumable"] == bool(update.get("newHandle")) for update in updates)
    usages = of(messages, "usageMetadata")
    assert len(usages) == 2
    # What was said before counts on the new connection, too: the conversation went on.
    assert usages[1]["promptTokenCount"] >= usages[0]["totalTokenCount"]


@pytest.mark.hears("seeded")
def test_what_was_said_before_is_not_answered(heard):
    messages = held(heard)
    assert len(by_turn(messages)) == 1
    assert audio_s(messages) == pytest.approx(1, abs=0.05)


@pytest.mark.hears("resumed_wrongly")
def test_a_handle_that_nobody_gave(heard):

    assert heard["messages"] == []
    assert heard["ended"]["code"] in (1007, 1008)
    assert heard["ended"]["reason"]


@pytest.mark.hears("until_the_end", "--session-limit", "1s")
def test_the_end_of_a_connection(heard):

    held(heard)
    assert heard["ended"]["code"] in (1000, 1001, 1008, 1011)


@pytest.mark.hears("turns", "--requests-limit", "1")
def test_a_rate_limit(heard):

    assert heard["faults"] == []
    assert len(by_turn(heard["messages"])) == 1
    assert heard["ended"]["code"] in (1008, 1011, 1013)
    assert "exhausted" in heard["ended"]["reason"].lower() or "quota" in heard["ended"]["reason"].lower()


@pytest.mark.hears("one_reply", version="v1beta")
def test_the_beta_of_the_api(heard):
    assert len(by_turn(held(heard))) == 1


@pytest.mark.hears("one_reply", key="wrong")
def test_a_wrong_key(heard):

    assert heard["messages"] == []
    assert heard["ended"]["code"] == 1007
    assert "API key" in heard["ended"]["reason"]


@pytest.mark.hears("one_reply", path="/v2")
def test_a_wrong_path(heard):
    assert heard["refused"] == 404


def test_the_types_find_faults(judge):
    """What the assertions above rest on."""
    wrong = [
        {"serverContent": {"turnComplete": "yes"}},
        {"serverContent": {"turn_complete": True}},
        {"serverContent": {"turnCompleteReason": "TIRED"}},
        {"usageMetadata": {"promptTokenCount": "3"}},
        {"voiceActivity": {"voiceActivityType": "ACTIVITY_START"}},
        {},
    ]
    assert judge.faults(VENDOR, "server", wrong) == [
        "serverContent.turnComplete: 'yes' was read as 'True'",
        "serverContent.turn_complete: Extra inputs are not permitted",
        "TIRED is not a valid TurnCompleteReason",
        "usageMetadata.promptTokenCount: '3' was read as '3'",
        "voiceActivity.voiceActivityType instead of type: Extra inputs are not permitted",
        "expected an object with fields; got {}",
    ]
