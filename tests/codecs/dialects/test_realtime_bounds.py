"""What a hostile agent over a realtime API may send at once, and what it costs: loops, memory and counters."""

import base64
import json

import pytest

from coval_load.codecs.dialects.chat_replies.reported_errors import failed
from coval_load.codecs.dialects.gemini_realtime.format import GeminiRealtimeFormat
from coval_load.codecs.dialects.openai_realtime.format import OpenAIRealtimeFormat
from coval_load.codecs.events import AudioReceived, MessageIgnored, UsageReceived, Violation
from coval_load.testing.arbitrary import held_bytes

OPENAI, GEMINI = OpenAIRealtimeFormat(), GeminiRealtimeFormat()


def read(dialect, **message):
    return dialect.decode(json.dumps(message).encode(), True)


def gemini_audio(rate, seconds):
    data = base64.b64encode(bytes(int(rate) * 2 * seconds)).decode()
    blob = {"mimeType": f"audio/pcm;rate={rate}", "data": data}
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}


@pytest.mark.parametrize(("count", "kept"), [(-1, None), (10**12, 10**12), (10**12 + 1, None), (2**64 - 1, None)])
@pytest.mark.parametrize("api", ["OpenAI", "Gemini"])
def test_tokens_that_nobody_could_use_are_not_counted(api, count, kept):
    """Counters only ever rise, and stay within what a number of JSON may be."""
    if api == "OpenAI":
        counts = {"input_tokens": count, "output_tokens": 1, "output_token_details": {"audio_tokens": count}}
        found = read(OPENAI.open({}), type="response.done", response={"id": "r", "usage": counts})
    else:
        details = [{"modality": "AUDIO", "tokenCount": count}]
        found = read(
            GEMINI.open({}),
            usageMetadata={"promptTokenCount": count, "responseTokenCount": 1, "responseTokensDetails": details},
        )
    assert [event for event in found if isinstance(event, UsageReceived)] == [
        UsageReceived(kept, 1, output_audio_tokens=kept)
    ]


def test_of_many_limits_the_first_few_are_read():
    limits = [{"name": f"n{number}", "limit": 10, "remaining": 0} for number in range(1000)]
    (found,) = read(OPENAI.open({}), type="rate_limits.updated", rate_limits=limits)
    assert [limit.name for limit in found.limits] == [f"n{number}" for number in range(32)]


@pytest.mark.parametrize("rate", [1000, 7999])
def test_audio_of_a_rate_that_grows_without_measure_is_none(rate):
    assert isinstance(read(GEMINI.open({}), **gemini_audio(rate, 1))[-1], Violation)


def test_of_audio_of_another_rate_a_message_has_no_more_than_a_minute():
    assert isinstance(read(GEMINI.open({}), **gemini_audio(8000, 60))[-1], AudioReceived)
    assert isinstance(read(GEMINI.open({}), **gemini_audio(8000, 61))[-1], Violation)
    assert isinstance(read(GEMINI.open({}), **gemini_audio(24_000, 61))[-1], AudioReceived)


@pytest.mark.parametrize(("length", "is_kept"), [(65_536, True), (65_537, False)])
def test_a_handle_that_no_connection_could_send_back_is_none(length, is_kept):
    dialect = GEMINI.open({})
    found = read(dialect, sessionResumptionUpdate={"newHandle": "h" * length, "resumable": True})
    (setup,) = dialect.renewed(()).opening()
    assert (f'"handle":"{"h" * length}"' in setup.payload.decode()) is is_kept
    assert [type(event) for event in found] == ([] if is_kept else [MessageIgnored])


def test_calls_are_not_kept_whole():
    dialect = OPENAI.open({})
    for number in range(300):
        item = {"type": "function_call", "id": f"i{number}", "name": "f", "arguments": "{" + "x" * 100_000}
        read(dialect, type="response.output_item.done", response_id="r", item=item | {"call_id": f"{number}" * 100_000})
        arguments = {"item_id": f"j{number}", "call_id": "c", "name": "f", "arguments": item["arguments"]}
        read(dialect, type="response.function_call_arguments.done", response_id="r", **arguments)
    assert held_bytes(dialect, OPENAI) < 1_000_000


def test_the_cause_of_an_error_is_looked_for_at_its_beginning():
    assert failed({"message": "quota"}).cause == "rate_limit"
    assert failed({"message": "x" * 20_000 + " quota"}).cause == "agent"


def test_a_text_that_is_cut_says_so():
    """A secret that the cut goes through is known by what follows it."""
    error = {"status": "s" * 501, "code": 13, "message": "m" * 501}
    (found,) = read(GEMINI.open({}), error=error)
    assert found.reason == f"{'s' * 499}… 13: {'m' * 499}…"
