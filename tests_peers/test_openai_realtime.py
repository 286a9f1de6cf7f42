"""OpenAI Realtime: our reference agent as `openai`'s own client sees it."""

import pytest
from coval_load.reference.sound import to_alaw, to_mulaw, to_pcm

from reference import OPENAI, speech, talk

VENDOR, CLIENT = OPENAI, "openai_realtime_client.py"
FORMS = {"audio/pcm": (24_000, 2, to_pcm), "audio/pcmu": (8_000, 1, to_mulaw), "audio/pcma": (8_000, 1, to_alaw)}
"""Each audio format: samples a second, bytes a sample, and what encodes it."""
AGENT = ("openai_realtime", "--delay", "500ms", "--end-silence", "300ms", "--reply-seconds", "1")
SPOKEN = [
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]


def play(agent, folder, scenario, *, key=None, path="/v1", beta=False, form="audio/pcm"):
    """What the client heard in a scenario."""
    rate_hz, _, encode = FORMS[form]
    job = {
        "url": f"https://{agent.host}{path}",
        "ca": agent.ca_file,
        "key": key or agent.metadata["openai_realtime_api_key"],
        "headers": {"OpenAI-Beta": "realtime=v1"} if beta else {},
        "format": {"type": form, "rate": rate_hz} if form == "audio/pcm" else {"type": form},
        "audio": speech(folder, rate_hz, encode),
        "scenario": scenario,
    }
    return talk(VENDOR.peer, CLIENT, job)


def held(heard):
    """The scenario went as it should, and all that came is as the types have it."""
    assert heard["refused"] is None
    assert heard["stuck"] is None, [event["type"] for event in heard["events"]]
    assert heard["faults"] == []
    identities = [event["event_id"] for event in heard["events"]]
    assert len(set(identities)) == len(identities)
    return heard["events"]


def of(events, kind):
    return [event for event in events if event["type"] == kind]


def without(events, *kinds):
    return [event["type"] for event in events if event["type"] not in kinds]


def audio_s(events, response_id, form="audio/pcm"):
    rate_hz, sample_bytes, _ = FORMS[form]
    deltas = of(events, "response.output_audio.delta")
    return sum(event["delta"] for event in deltas if event["response_id"] == response_id) / sample_bytes / rate_hz


@pytest.mark.hears("turns")
def test_turns_that_the_server_detects(heard):
    events = held(heard)
    assert [event["type"] for event in events[:2]] == ["session.created", "session.updated"]
    for kind in ("speech_started", "speech_stopped", "committed"):
        assert len(of(events, f"input_audio_buffer.{kind}")) == 2
    started, stopped = of(events, "input_audio_buffer.speech_started"), of(events, "input_audio_buffer.speech_stopped")
    lengths = [end["audio_end_ms"] - begin["audio_start_ms"] for begin, end in zip(started, stopped, strict=True)]
    # The clip is 1.35 s long. As the package says, what comes before it counts (300 ms), and the silence after it does.
    assert lengths[1] == pytest.approx(1350 + 300 + 300, abs=100)
    assert [event["item_id"] for event in started] == [event["item_id"] for event in stopped]
    assert len({event["item_id"] for event in started}) == 2
    understood = of(events, "conversation.item.input_audio_transcription.completed")
    assert {event["item_id"] for event in understood} <= {event["item_id"] for event in started}
    assert all(event["transcript"] for event in understood)


@pytest.mark.hears("turns")
def test_a_spoken_reply_in_its_order(heard):
    events = held(heard)
    done = of(events, "response.done")
    assert [event["response"]["status"] for event in done] == ["completed"] * 2
    for response in (event["response"] for event in done):
        own = [event for event in events if response["id"] in (event.get("response_id"), _response_id(event))]
        kinds = [event["type"] for event in own]
        assert [kind for kind in kinds if kind in SPOKEN] == SPOKEN
        assert audio_s(own, response["id"]) == pytest.approx(1, abs=0.05)
        deltas = "".join(event["delta"] for event in of(own, "response.output_audio_transcript.delta"))
        (whole,) = of(own, "response.output_audio_transcript.done")
        (item,) = response["output"]
        assert deltas == whole["transcript"] == item["content"][0]["transcript"] != ""
        assert _spread_s(of(own, "response.output_audio.delta")) < 0.7  # faster than the second that it lasts


def _response_id(event):
    return event.get("response", {}).get("id")


def _spread_s(events):
    return events[-1]["at"] - events[0]["at"]


@pytest.mark.hears("turns")
def test_tokens_are_told(heard):
    usages = [event["response"]["usage"] for event in of(held(heard), "response.done")]
    for usage in usages:
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["output_token_details"]["audio_tokens"] > 0
        details = usage["input_token_details"]
        assert usage["input_tokens"] == details["text_tokens"] + details["audio_tokens"] > 0
    assert usages[1]["input_token_details"]["cached_tokens"] > 0


@pytest.mark.hears("by_hand")
def test_a_turn_that_the_caller_commits(heard):
    events = held(heard)
    assert of(events, "session.updated")[-1]["session"]["audio"]["input"]["turn_detection"] is None
    assert of(events, "input_audio_buffer.speech_started") == []
    assert len(of(events, "input_audio_buffer.committed")) == 1
    (done,) = of(events, "response.done")
    assert done["response"]["status"] == "completed"


@pytest.mark.hears("barge_in", "--reply-seconds", "4")
def test_a_caller_who_speaks_over_the_reply(heard):
    events = held(heard)
    done = of(events, "response.done")[0]["response"]
    # The reply leaves faster than it is heard: it may be whole already.
    assert (done["status"], (done.get("status_details") or {}).get("reason")) in [
        ("completed", None),
        ("cancelled", "turn_detected"),
    ]
    (truncated,) = of(events, "conversation.item.truncated")
    assert truncated["item_id"] == of(events, "response.output_audio.delta")[0]["item_id"]
    assert (truncated["content_index"], truncated["audio_end_ms"]) == (0, 400)


@pytest.mark.hears("barge_in", "--reply-seconds", "4", "--mode", "paced")
def test_a_reply_that_is_interrupted_while_it_is_sent(heard):
    events = held(heard)
    done = of(events, "response.done")[0]["response"]
    assert done["status"] == "cancelled"
    assert (done["status_details"]["type"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert 0 < audio_s(events, done["id"]) < 3
    assert done["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize(
    "form",
    [pytest.param(form, marks=pytest.mark.hears("one_reply", form=form)) for form in ("audio/pcmu", "audio/pcma")],
)
def test_audio_of_telephones(heard, form):
    events = held(heard)
    assert len(of(events, "input_audio_buffer.speech_stopped")) == 1
    audio = of(events, "session.updated")[0]["session"]["audio"]
    assert [audio[side]["format"]["type"] for side in ("input", "output")] == [form] * 2
    (done,) = of(events, "response.done")
    assert audio_s(events, done["response"]["id"], form) == pytest.approx(1, abs=0.05)


@pytest.mark.hears("one_reply", "--replies", "nothing")
def test_a_reply_of_nothing(heard):
    (done,) = of(held(heard), "response.done")
    assert (done["response"]["status"], done["response"]["output"]) == ("completed", [])


@pytest.mark.hears("cancel", "--reply-seconds", "4", "--mode", "paced")
def test_a_reply_that_the_caller_cancels(heard):
    events = held(heard)
    (done,) = of(events, "response.done")
    assert done["response"]["status"] == "cancelled"
    assert done["response"]["status_details"]["reason"] == "client_cancelled"


@pytest.mark.hears("tool", "--tool-rounds", "1")
def test_a_tool_that_is_called(heard):
    events = held(heard)
    (called,) = of(events, "response.function_call_arguments.done")
    first, second = (event["response"] for event in of(events, "response.done"))
    (item,) = first["output"]
    assert item["type"] == "function_call"
    assert [item[key] for key in ("call_id", "name", "arguments")] == [
        called[key] for key in ("call_id", "name", "arguments")
    ]
    pieces = [event["delta"] for event in of(events, "response.function_call_arguments.delta")]
    assert "".join(pieces) == called["arguments"]
    assert audio_s(events, first["id"]) == 0 < audio_s(events, second["id"])


@pytest.mark.hears("text")
def test_a_reply_in_text(heard):
    events = held(heard)
    (whole,) = of(events, "response.output_text.done")
    assert "".join(event["delta"] for event in of(events, "response.output_text.delta")) == whole["text"] != ""
    assert of(events, "response.output_audio.delta") == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        pytest.param(status, reason, marks=pytest.mark.hears("one_reply", "--reply-status", status))
        for status, reason in (("incomplete", "max_output_tokens"), ("failed", None), ("cancelled", "turn_detected"))
    ],
)
def test_replies_that_do_not_come_to_their_end(heard, status, reason):
    (done,) = of(held(heard), "response.done")
    details = done["response"]["status_details"]
    assert (done["response"]["status"], details["type"]) == (status, status)
    if reason is None:
        assert details["error"]["code"]
    else:
        assert details["reason"] in (reason, "content_filter", "client_cancelled")


@pytest.mark.hears("mistakes")
def test_mistakes_that_the_session_survives(heard):
    events = held(heard)
    errors = [event["error"] for event in of(events, "error")]
    assert [error["event_id"] for error in errors] == ["mine-1", "mine-2", "mine-3", None]
    assert {error["type"] for error in errors} == {"invalid_request_error"}
    assert all(error["code"] and error["message"] for error in errors)
    assert of(events, "response.done")[-1]["response"]["status"] == "completed"


@pytest.mark.hears("turns", "--complaints")
def test_complaints_of_the_server(heard):
    events = held(heard)
    assert len(of(events, "error")) == 2
    assert [event["response"]["status"] for event in of(events, "response.done")] == ["completed"] * 2


@pytest.mark.hears("turns", "--requests-limit", "1")
def test_a_rate_limit(heard):
    events = held(heard)
    first, second = (event["response"] for event in of(events, "response.done"))
    assert (first["status"], second["status"]) == ("completed", "failed")
    assert second["status_details"]["error"]["code"] == "rate_limit_exceeded"
    limits = [limit for event in of(events, "rate_limits.updated") for limit in event["rate_limits"]]
    assert {"requests", "tokens"} == {limit["name"] for limit in limits}
    assert all(0 <= limit["remaining"] <= limit["limit"] for limit in limits)
    assert [limit["remaining"] for limit in limits if limit["name"] == "requests"][-1] == 0


@pytest.mark.hears("until_the_end", "--session-limit", "1s")
def test_the_end_of_a_session(heard):

    events = held(heard)
    assert heard["ended"]["code"] is not None
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["code"] == "session_expired"
    assert of(events, "session.created")[0]["session"]["expires_at"] > 0


@pytest.mark.hears("turns", key="sk-wrong")
def test_a_wrong_key(heard):
    assert heard == {"refused": 401}


@pytest.mark.hears("one_reply", beta=True)
def test_the_beta_of_the_api_is_gone(heard):
    assert heard["faults"] == []
    assert [event["error"]["code"] for event in heard["events"]] == ["beta_api_shape_disabled"]
    assert heard["ended"]["code"] == 4000


@pytest.mark.hears("turns", path="/v2")
def test_a_wrong_path(heard):
    assert heard == {"refused": 404}


def test_the_types_find_faults(judge):
    """What the assertions above rest on."""
    wrong = [
        {"type": "session.created", "event_id": "e", "session": {"type": "realtime", "temperature": 1}},
        {"type": "input_audio_buffer.speech_started", "event_id": "e", "audio_start_ms": "1", "item_id": "i"},
        {"type": "response.audio.delta", "event_id": "e", "delta": ""},
        {"type": "response.done", "event_id": "e", "response": {"status": "done"}},
        {"type": "input_audio_buffer.committed", "item_id": "i"},
    ]
    assert judge.faults(VENDOR, "server", wrong) == [
        "session.created: session.temperature is not known",
        "input_audio_buffer.speech_started: audio_start_ms: Input should be a valid integer",
        "'response.audio.delta' is no type of a server event",
        "response.done: response.status: Input should be 'completed', 'cancelled', 'failed', 'incomplete' or"
        " 'in_progress'",
        "input_audio_buffer.committed: event_id: Field required",
    ]
